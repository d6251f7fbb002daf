"""The commands by name, and how a failure looks to whoever typed one."""

import asyncio
import signal
import sys

import typer

from wallet_service.cli import audit, dev, keys, serve
from wallet_service.cli.catalog import app as catalog_app
from wallet_service.cli.failures import explained
from wallet_service.cli.usage import app as usage_app

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="The prepaid wallet and billing service.")
app.command("dev")(dev.dev)
app.command("serve")(serve.serve_api)
app.command("worker")(serve.run_worker)
app.command("migrate")(serve.migrate)
app.command("audit")(audit.audit)
app.add_typer(keys.app, name="keys")
app.add_typer(catalog_app, name="catalog")
app.add_typer(usage_app, name="usage")


def main() -> None:
    """Run the command line.

    Exits with 0 when all went well, 1 with one line for an expected failure, 2 for wrong arguments, and as shells expect
    it (130, 143) when a signal ended it before it was done.
    """
    try:
        app()
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)
    except Exception as error:
        line = explained(error)
        if line is None:
            raise
        print(f"wallet: {line}", file=sys.stderr)
        sys.exit(1)
