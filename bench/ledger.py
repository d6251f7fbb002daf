"""Figures of the ledger: durable transfers a second, as multiples of pgbench's TPC-B on the same server.

Machines drift by the minute, so TPC-B runs just before and just after each pass, and a figure is the median of its
passes. Callers wait for each answer before they ask for the next. Spread: over 10,000 wallets of one organization (one
journal, one book), and over 10,000 organizations with a wallet each (a journal each).
"""

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.customers import CURRENCY, Place, open_books
from bench.figures import print_figure
from bench.yardstick import Yardstick, execute
from ledger.accounts import AccountKind, chart_account_id
from ledger.batcher import Ledger
from ledger.ids import new_id
from ledger.model import CaptureHold, OpenHold, Posted, Transfer
from wallet_service.clock import SystemClock
from wallet_service.collector import keep_out_of_garbage_collection
from wallet_service.db import engine_for
from wallet_service.embedded_postgres import ConnectionInfo, EmbeddedPostgres, find_binaries
from wallet_service.migrate import upgrade

PASSES: Final = 3
PASS_SECONDS: Final = 4.0
WARM_SECONDS: Final = 1.0
SPREAD: Final = 10_000
FUNDS_MINOR: Final = 10**12

TARGETS: Final = {
    ("transfers_hot", 64): 10.0,
    ("transfers_hot", 512): 16.0,
    ("transfers_10k_wallets", 64): 8.0,
    ("holds_and_captures_hot", 64): 6.0,
}
P99_MS_MAX: Final = {("transfers_hot", 64): 10.0}

Step = Callable[[], Awaitable[int]]
"""Asks the ledger once or more, waiting for each answer; how often it did."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: requests a second, and milliseconds to an answer."""

    rate: float
    median_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Layout:
    """What is measured: a name, how many callers, and what each of them does again and again."""

    name: str
    callers: int
    step: Step


async def run(folder: Path) -> str:
    """Measure on a durable server of its own in `folder` and print a JSON line for each figure; progress on stderr.

    What the server calls itself.
    """
    binaries = next(find_binaries())
    postgres = EmbeddedPostgres(folder, binaries.bin_dir)
    info = postgres.start()
    try:
        yardstick = Yardstick(info.url)
        await yardstick.prepare()
        await _ledger_figures(info, yardstick)
    finally:
        postgres.stop()
    return f"PostgreSQL {binaries.major}"


async def _ledger_figures(info: ConnectionInfo, yardstick: Yardstick) -> None:
    url = info.url_of("ledger")
    await execute(info.url, "CREATE DATABASE ledger")
    await upgrade(url)
    # As the owner: the books of the bench belong to nobody whom row-level security would know.
    engine = engine_for(url, pool_size=4, role=None)
    clock = SystemClock()
    try:
        async with engine.begin() as conn:
            now = clock.now()
            hot = await open_books(conn, now, org_count=1, wallets_each=1, funds_minor=FUNDS_MINOR)
            wallets = await open_books(conn, now, org_count=1, wallets_each=SPREAD, funds_minor=FUNDS_MINOR)
            organizations = await open_books(conn, now, org_count=SPREAD, wallets_each=1, funds_minor=FUNDS_MINOR)
        await execute(url, "VACUUM ANALYZE")
        keep_out_of_garbage_collection()  # As the service does.
        async with Ledger(engine, clock) as ledger:
            for layout in (
                *(Layout("transfers_hot", callers, _transfer(ledger, clock, hot)) for callers in (64, 512)),
                Layout("holds_and_captures_hot", 64, _hold_and_capture(ledger, clock, hot)),
                *(Layout("transfers_10k_wallets", callers, _transfer(ledger, clock, wallets)) for callers in (64, 512)),
                *(
                    Layout("transfers_10k_organizations", callers, _transfer(ledger, clock, organizations))
                    for callers in (64, 512)
                ),
            ):
                await _figure(yardstick, layout)
    finally:
        await engine.dispose()


async def _figure(yardstick: Yardstick, layout: Layout) -> None:
    """The median over the passes of our rate over that of the yardstick around it, and of the slowest hundredth."""
    multiples: list[float] = []
    rates: list[float] = []
    slow: list[float] = []
    before = await yardstick.rate()
    for number in range(PASSES):
        await _pass(layout, WARM_SECONDS)
        ours = await _pass(layout, PASS_SECONDS)
        after = await yardstick.rate()
        multiples.append(ours.rate / ((before + after) / 2))
        slow.append(ours.p99_ms)
        rates += (before, after)
        print(
            f"{layout.name} {layout.callers} pass {number + 1}: {ours.rate:.0f}/s, p50 {ours.median_ms:.1f} ms,"
            f" p99 {ours.p99_ms:.1f} ms; TPC-B {before:.0f}, {after:.0f}",
            file=sys.stderr,
            flush=True,
        )
        before = after
    key, name = (layout.name, layout.callers), f"ledger_{layout.name}_{layout.callers}_callers"
    beside = f"{yardstick.description}: {statistics.median(rates):.0f} tps"
    print_figure(name, statistics.median(multiples), "x TPC-B", beside, TARGETS.get(key))
    print_figure(f"{name}_p99", statistics.median(slow), "ms", "", P99_MS_MAX.get(key), at_most=True)


async def _pass(layout: Layout, seconds: float) -> Pass:
    """Callers that each wait for their answer before they ask again, for a while."""
    waits: list[float] = []
    count = 0
    started = time.perf_counter()
    until = started + seconds

    async def caller() -> None:
        nonlocal count
        while True:
            began = time.perf_counter()
            if began >= until:
                return
            done = await layout.step()
            count += done
            waits.append((time.perf_counter() - began) / done)

    await asyncio.gather(*(caller() for _ in range(layout.callers)))
    elapsed = time.perf_counter() - started
    waits.sort()
    return Pass(count / elapsed, waits[len(waits) // 2] * 1000, waits[len(waits) * 99 // 100] * 1000)


def _transfer(ledger: Ledger, clock: SystemClock, places: Sequence[Place]) -> Step:
    choose = random.Random(1)

    async def step() -> int:
        place = places[choose.randrange(len(places))]
        outcome = await ledger.post(
            Transfer(
                org_id=place.org_id,
                key=str(new_id(clock.now())),
                debit_account=place.wallet,
                credit_account=place.revenue,
                amount_minor=1,
            )
        )
        assert isinstance(outcome, Posted)
        return 1

    return step


def _hold_and_capture(ledger: Ledger, clock: SystemClock, places: Sequence[Place]) -> Step:
    """A hold of 2, of which 1 is captured and the rest returned: two requests."""
    (place,) = places
    revenue = chart_account_id(place.org_id, CURRENCY, AccountKind.REVENUE)

    async def step() -> int:
        opened = await ledger.post(
            OpenHold(org_id=place.org_id, key=str(new_id(clock.now())), wallet=place.wallet, amount_minor=2)
        )
        assert isinstance(opened, Posted)
        assert opened.hold_id is not None
        captured = await ledger.post(
            CaptureHold(
                org_id=place.org_id,
                key=str(new_id(clock.now())),
                hold_id=opened.hold_id,
                credit_account=revenue,
                amount_minor=1,
            )
        )
        assert isinstance(captured, Posted)
        return 2

    return step
