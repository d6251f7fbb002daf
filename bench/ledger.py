"""Figures of the ledger: durable transfers a second, as multiples of pgbench's TPC-B on the same server.

Machines drift by the minute, so TPC-B runs just before and just after each pass, and a figure is the median of its
passes. Callers wait for each transfer before they make the next. Spread: over 10,000 wallets of one organization (one
journal, one book), and over 10,000 organizations with a wallet each (a journal each).
"""

import asyncio
import random
import re
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.figures import print_figure
from ledger import tables
from ledger.accounts import CHART_KINDS, AccountKind, chart_account_id, holds_account_id
from ledger.batcher import Ledger
from ledger.chain import genesis
from ledger.ids import new_id
from ledger.model import Posted, Transfer
from wallet_service.clock import SystemClock
from wallet_service.db import engine_for
from wallet_service.embedded_postgres import ConnectionInfo, EmbeddedPostgres, find_binaries
from wallet_service.migrate import upgrade

PASSES: Final = 3
PASS_SECONDS: Final = 4.0
WARM_SECONDS: Final = 1.0
YARDSTICK_SECONDS: Final = 4
YARDSTICK_SCALE: Final = 64
SPREAD: Final = 10_000
CURRENCY: Final = "USD"
CALLERS: Final = (64, 512)

TARGETS: Final = {
    ("hot", 64): 5.0,
    ("10k_wallets", 64): 4.0,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a transfer may take place: a wallet and the revenue account of its organization."""

    org_id: UUID
    wallet: UUID
    revenue: UUID


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: transfers a second and milliseconds to an answer."""

    rate: float
    median_ms: float
    p99_ms: float


async def run(folder: Path) -> None:
    """Measure on a durable server of its own in `folder` and print a JSON line for each figure; progress on stderr."""
    binaries = next(find_binaries())
    postgres = EmbeddedPostgres(folder, binaries.bin_dir)
    info = postgres.start()
    try:
        yardstick = Yardstick(binaries.bin_dir / "pgbench", info)
        await yardstick.prepare()
        await _ledger_figures(info, yardstick)
    finally:
        postgres.stop()


async def _ledger_figures(info: ConnectionInfo, yardstick: "Yardstick") -> None:
    await _create_database(info, "ledger")
    url = info.url_of("ledger")
    await upgrade(url)
    engine = engine_for(url, pool_size=4)
    clock = SystemClock()
    try:
        now = clock.now()
        layouts = {
            "hot": await _open(engine, now, org_count=1, wallets_each=1),
            "10k_wallets": await _open(engine, now, org_count=1, wallets_each=SPREAD),
            "10k_organizations": await _open(engine, now, org_count=SPREAD, wallets_each=1),
        }
        await _vacuum(info)
        async with Ledger(engine, clock) as ledger:
            for name, places in layouts.items():
                await _fund(ledger, clock, places)
                for callers in CALLERS:
                    await _figure(yardstick, ledger, clock, name, places, callers)
    finally:
        await engine.dispose()


async def _figure(
    yardstick: "Yardstick", ledger: Ledger, clock: SystemClock, name: str, places: Sequence[Place], callers: int
) -> None:
    """One line: the median over the passes of our rate over that of the yardstick around it."""
    multiples: list[float] = []
    rates: list[float] = []
    before = await yardstick.rate()
    for number in range(PASSES):
        await _pass(ledger, clock, places, callers, WARM_SECONDS)
        ours = await _pass(ledger, clock, places, callers, PASS_SECONDS)
        after = await yardstick.rate()
        around = (before + after) / 2
        multiples.append(ours.rate / around)
        rates += (before, after)
        print(
            f"{name} {callers} pass {number + 1}: {ours.rate:.0f}/s, p50 {ours.median_ms:.1f} ms,"
            f" p99 {ours.p99_ms:.1f} ms; TPC-B {before:.0f}, {after:.0f}",
            file=sys.stderr,
            flush=True,
        )
        before = after
    print_figure(
        f"ledger_transfers_{name}_{callers}_callers",
        statistics.median(multiples),
        "x TPC-B",
        f"pgbench TPC-B -M prepared -c 64 -j 2, scale {YARDSTICK_SCALE}: {statistics.median(rates):.0f} tps",
        TARGETS.get((name, callers)),
    )


async def _pass(ledger: Ledger, clock: SystemClock, places: Sequence[Place], caller_count: int, seconds: float) -> Pass:
    """Callers that each wait for their transfer before the next, for a while."""
    waits: list[float] = []
    started = time.perf_counter()
    until = started + seconds
    choose = random.Random(1)

    async def caller() -> None:
        while True:
            began = time.perf_counter()
            if began >= until:
                return
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
            waits.append(time.perf_counter() - began)

    await asyncio.gather(*(caller() for _ in range(caller_count)))
    elapsed = time.perf_counter() - started
    waits.sort()
    return Pass(
        len(waits) / elapsed,
        waits[len(waits) // 2] * 1000,
        waits[len(waits) * 99 // 100] * 1000,
    )


async def _open(engine: AsyncEngine, now: datetime, *, org_count: int, wallets_each: int) -> list[Place]:
    """Organizations with their charts and wallets, inserted by the thousand."""
    places: list[Place] = []
    books: list[dict[str, object]] = []
    accounts: list[dict[str, object]] = []
    wallets: list[dict[str, object]] = []
    for _ in range(org_count):
        org_id = new_id(now)
        books.append({"org_id": org_id, "entry_seq": 0, "chain_hash": genesis(org_id), "mark": 0, "recorded_at": now})
        for kind in CHART_KINDS:
            accounts.append(_account(org_id, chart_account_id(org_id, CURRENCY, kind), kind, None, now))
        for _ in range(wallets_each):
            wallet = new_id(now)
            holds = holds_account_id(wallet)
            accounts.append(_account(org_id, wallet, AccountKind.WALLET, wallet, now))
            accounts.append(_account(org_id, holds, AccountKind.HOLDS, wallet, now))
            wallets.append(
                {
                    "org_id": org_id,
                    "account_id": wallet,
                    "holds_account_id": holds,
                    "currency": CURRENCY,
                    "available_minor": 0,
                    "held_minor": 0,
                    "carry": 0,
                    "accrued_exact": 0,
                    "created_at": now,
                }
            )
            places.append(Place(org_id, wallet, chart_account_id(org_id, CURRENCY, AccountKind.REVENUE)))
    async with engine.begin() as conn:
        await conn.execute(insert(tables.books), books)
        await conn.execute(insert(tables.accounts), accounts)
        await conn.execute(insert(tables.wallets), wallets)
    return places


def _account(
    org_id: UUID, account_id: UUID, kind: AccountKind, wallet_id: UUID | None, now: datetime
) -> dict[str, object]:
    return {
        "org_id": org_id,
        "account_id": account_id,
        "kind": kind.value,
        "currency": CURRENCY,
        "wallet_id": wallet_id,
        "created_at": now,
    }


async def _fund(ledger: Ledger, clock: SystemClock, places: Sequence[Place]) -> None:
    """Enough money in every wallet for every pass."""
    for start in range(0, len(places), 1000):
        outcomes = await asyncio.gather(
            *(
                ledger.post(
                    Transfer(
                        org_id=place.org_id,
                        key=str(new_id(clock.now())),
                        debit_account=chart_account_id(place.org_id, CURRENCY, AccountKind.PROVIDER_CLEARING),
                        credit_account=place.wallet,
                        amount_minor=10**12,
                    )
                )
                for place in places[start : start + 1000]
            )
        )
        assert all(isinstance(outcome, Posted) for outcome in outcomes)


class Yardstick:
    """pgbench's TPC-B, prepared statements, 64 clients, on the same server."""

    def __init__(self, program: Path, info: ConnectionInfo) -> None:
        self._program = program
        self._info = info

    async def prepare(self) -> None:
        """Make and fill its database."""
        await _create_database(self._info, "tpcb")
        await self._run("-i", "-q", "-s", str(YARDSTICK_SCALE))

    async def rate(self) -> float:
        """Transactions a second, measured now."""
        output = await self._run("-n", "-M", "prepared", "-c", "64", "-j", "2", "-T", str(YARDSTICK_SECONDS))
        found = re.search(r"tps = ([0-9.]+)", output)
        if found is None:
            raise RuntimeError(f"pgbench did not say how fast it was: {output}")
        return float(found.group(1))

    async def _run(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            self._program,
            *("-h", str(self._info.socket_dir), "-U", self._info.user, *arguments, "tpcb"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"pgbench failed: {output.decode()}")
        return output.decode()


async def _create_database(info: ConnectionInfo, name: str) -> None:
    await _execute(info, info.database, f"CREATE DATABASE {name}")


async def _vacuum(info: ConnectionInfo) -> None:
    """Statistics of the tables as they now are."""
    await _execute(info, "ledger", "VACUUM ANALYZE")


async def _execute(info: ConnectionInfo, database: str, statement: str) -> None:
    conn = await asyncpg.connect(host=str(info.socket_dir), user=info.user, database=database)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()
