"""`make bench`: every figure, JSON lines on standard output."""

import asyncio
import tempfile
from pathlib import Path

import uvloop

from bench import balance, forecast, journal, ledger, pdf, usage
from bench.figures import write_results
from wallet_service.catalog.files import read_catalog
from wallet_service.cli.dev import SAMPLE_CATALOG
from wallet_service.config import Settings
from wallet_service.development import private_settings, running
from wallet_service.logs import configure_logging


def main() -> None:
    """Measure on instances of their own, in a folder that is removed afterwards, and write the page of the results."""
    configure_logging(format="json", level="error")
    forecast.run()
    pdf.run()
    with tempfile.TemporaryDirectory(prefix="wallet-bench-") as folder:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            database = runner.run(ledger.run(Path(folder) / "ledger"))
        settings = private_settings(Path(folder) / "service")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_service_figures(settings))
    write_results(database)


async def _service_figures(settings: Settings) -> None:
    async with running(settings, read_catalog(SAMPLE_CATALOG)) as instance:
        await balance.run(instance)
        await usage.run(instance)
        await journal.run(instance)


if __name__ == "__main__":
    main()
