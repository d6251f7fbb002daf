"""A whole service for tests of clients in any language: a folder of its own, free ports, gone at the end.

    python -m tests.clients.serve -- go test ./...

runs the command with the environment variable WALLET_CLIENT_TEST set to one JSON object of texts, and exits with the
command's status. Without a command the object is printed, and the service stays until standard input ends. Either way it
is bound in time. The object holds `url`, `target` (host:port), `stripe` and `coinbase` (the simulators), secrets of keys
(`operator`; `my_org` for an admin of the organization of development; `wrong`, which no one has), and moments that the
table counts from, as RFC 3339 and as Unix seconds.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import uvloop

from tests.conftest import chosen_binaries
from wallet_service.app import Service
from wallet_service.catalog.files import read_catalog
from wallet_service.cli.dev import SAMPLE_CATALOG
from wallet_service.config import Settings
from wallet_service.development import Instance, private_settings, running
from wallet_service.logs import configure_logging

VARIABLE: Final = "WALLET_CLIENT_TEST"
SECONDS_MAX: Final = 3600
"""Longer than a whole test run: the service of one is there until its end."""
_END_SECONDS: Final = 10


def main() -> None:
    command = sys.argv[2:] if sys.argv[1:2] == ["--"] else []
    configure_logging(format="json", level="error")
    with tempfile.TemporaryDirectory(prefix="wallet-clients-", ignore_cleanup_errors=True) as folder:
        settings = private_settings(Path(folder)).model_copy(update={"postgres_bin_dir": chosen_binaries().bin_dir})
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            status = runner.run(_serve(settings, command))
    sys.exit(status)


async def _serve(settings: Settings, command: list[str]) -> int:
    """The status to exit with."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(settings, read_catalog(SAMPLE_CATALOG)) as instance:
        facts = json.dumps({**facts_of(instance), **moments(Service.system_clock.now())})
        try:
            async with asyncio.timeout(SECONDS_MAX):
                if command:
                    return await _run(command, facts, stop)
                print(facts, flush=True)
                await _input_ended(stop)
        except TimeoutError:
            print(f"ended after {SECONDS_MAX} seconds", file=sys.stderr)
            return 1
    return 0


def facts_of(instance: Instance) -> dict[str, str]:
    return {
        "url": instance.url,
        "target": instance.url.rpartition("/")[2],
        "stripe": instance.stripe_url,
        "coinbase": instance.coinbase_url,
        "operator": instance.operator_key,
        "my_org": instance.api_key,
        "wrong": "wk_test_" + "0" * 43,
    }


def moments(now: datetime) -> dict[str, str]:
    """`day1` and `day2` follow each other in one month, are over, and are recent enough for usage to be recorded."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    # Early in a month the two days would straddle its start.
    day1 = today - timedelta(days=3) if today.day > 3 else (today.replace(day=1) - timedelta(days=1)).replace(day=20)
    found = {
        "long_ago": today - timedelta(days=400),
        "month": day1.replace(day=1),
        "day1": day1,
        "day1_hour5": day1 + timedelta(hours=5),
        "day1_hour6": day1 + timedelta(hours=6),
        "day2": day1 + timedelta(days=1),
        "day2_hour7": day1 + timedelta(days=1, hours=7),
        "day3": day1 + timedelta(days=2),
        "day4": day1 + timedelta(days=3),
        "in_two_days": today + timedelta(days=2),
        "next_week": today + timedelta(days=7),
        "in_two_years": today + timedelta(days=800),
    }
    texts = {name: moment.strftime("%Y-%m-%dT%H:%M:%SZ") for name, moment in found.items()}
    return texts | {f"{name}_unix": str(int(moment.timestamp())) for name, moment in found.items()}


async def _run(command: list[str], facts: str, stop: asyncio.Event) -> int:
    """Run `command` in a process group of its own, which ends with us, and return its status."""
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, VARIABLE: facts}, start_new_session=True
    )
    ended = asyncio.create_task(process.wait())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return ended.result() if ended.done() else 128 + signal.SIGTERM
    finally:
        stopped.cancel()
        await _end(process.pid, ended)


async def _end(group: int, ended: asyncio.Task[int]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
        done, _ = await asyncio.wait({ended}, timeout=_END_SECONDS)
        if done:
            return


async def _input_ended(stop: asyncio.Event) -> None:
    """Returns when whoever started us closes our input, or is gone, or `stop` is set."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    waiting: set[asyncio.Task[Any]] = {asyncio.create_task(reader.read()), asyncio.create_task(stop.wait())}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


if __name__ == "__main__":
    main()
