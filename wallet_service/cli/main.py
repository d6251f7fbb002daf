"""The commands by name, and how a failure looks to whoever typed one."""

import sys

import typer

from wallet_service.cli import audit, dev, keys, serve
from wallet_service.cli.catalog import app as catalog_app
from wallet_service.cli.usage import app as usage_app
from wallet_service.embedded_postgres import EmbeddedPostgresError
from wallet_service.errors import ServiceError
from wallet_service.serving.options import ServerFailed

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
    """Run the command line. Expected failures print one line and exit with 1."""
    try:
        app()
    except (ServiceError, EmbeddedPostgresError, ServerFailed) as error:
        print(f"wallet: {error}", file=sys.stderr)
        sys.exit(1)
