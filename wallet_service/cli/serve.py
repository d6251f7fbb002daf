"""`wallet serve`, `wallet worker`, `wallet migrate`: the parts of a production installation."""

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import Annotated

import typer

from wallet_service.cli.session import opened, run, settings_with_logs
from wallet_service.config import child_environment
from wallet_service.development import with_database
from wallet_service.distribution.operations import SHARD_COUNT_DEFAULT, distribute
from wallet_service.distribution.rules import SHARDS_MAX
from wallet_service.migrate import upgrade
from wallet_service.serving.options import ServerOptions
from wallet_service.serving.run import serve


def serve_api() -> None:
    """Serve the API until SIGTERM or Ctrl-C; calls in flight are drained."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            settings = await with_database(settings_with_logs(), stack)
            options = ServerOptions.from_settings(settings, environment=child_environment(settings))
            await serve(options, stop=stop_signals(), on_ready=lambda url: print(f"serving on {url}", flush=True))

    run(main())


def run_worker() -> None:
    """Work the job queue until SIGTERM or Ctrl-C; jobs in progress are finished."""

    async def main() -> None:
        async with opened(settings_with_logs()) as service, service.worker():
            print("working", flush=True)
            await stop_signals().wait()

    run(main())


def migrate(
    distribute_tables: Annotated[
        bool, typer.Option("--distribute", help="then distribute the tables by organization, on Citus")
    ] = False,
    shards: Annotated[
        int, typer.Option(min=1, max=SHARDS_MAX, help="of the organizations, when they are distributed first")
    ] = SHARD_COUNT_DEFAULT,
) -> None:
    """Bring the database to the newest schema. Needs the role that owns the tables."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            settings = await with_database(settings_with_logs(), stack)
            await upgrade(settings.required_database_url)
            print("the schema is the newest")
            if distribute_tables:
                url = settings.required_database_url
                await distribute(url, shard_count=shards, tell=lambda statement: print(statement, flush=True))
                print("the tables are distributed")

    run(main())


def stop_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
