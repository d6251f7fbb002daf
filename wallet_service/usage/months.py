"""The months of the table of events: made ahead, and dropped whole when they are older than what is kept.

An event lies in the month in which it was recorded, which its id begins with; so late events, corrections and imports of
history lie in the month of today, and what is dropped was recorded long ago. Its keys go with it, in the same transaction:
an event counts once for as long as it is kept. Roll-ups, batches and the ledger stay for ever.

Events of months that have no partition lie in the default one: those of organizations whose test clock is far away. They
move into their month when it is made; in real time a month is made long before its first event, so nothing moves, and the
table is made and attached by statements that run on distributed tables as they stand. Making and dropping need the owner of
the tables, as migrations do, so it has connections of its own.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ledger.ids import from_bytes, ordered_id, unix_us
from wallet_service.clock import Clock
from wallet_service.db import engine_for

MONTHS_AHEAD: Final = 3
_LOCK_TIMEOUT: Final = "5s"
"""Whoever cannot get the table's lock gives up until the next hour, instead of stopping all usage behind it."""

_NAME: Final = re.compile(r"usage_events_y(\d{4})m(\d{2})")
_PARTITIONS: Final = """
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'usage_events'::regclass
"""

_log: Final = structlog.get_logger("wallet.usage_months")


class Month(NamedTuple):
    """A calendar month in UTC."""

    year: int
    month: int

    @classmethod
    def of(cls, at: datetime) -> "Month":
        utc = at.astimezone(UTC)
        return cls(utc.year, utc.month)

    def plus(self, count: int) -> "Month":
        number = self.year * 12 + self.month - 1 + count
        return Month(number // 12, number % 12 + 1)

    @property
    def start(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def first_id(self) -> UUID:
        """No id of this month is below it, none of an earlier month is not."""
        # Without the version and the variant, whose bits would stand above ids of the same millisecond.
        return from_bytes(ordered_id(unix_us(self.start) // 1000, 0, bytes(4))[:6] + bytes(10))

    @property
    def partition(self) -> str:
        return f"usage_events_y{self.year:04}m{self.month:02}"


class UsageMonths:
    """Periodic work on the partitions. `clock` is the machine's."""

    def __init__(self, database_url: str, clock: Clock, *, kept_months: int | None) -> None:
        """kept_months: whole months before this one; None keeps all."""
        self._url = database_url
        self._clock = clock
        self._kept_months = kept_months

    async def maintain(self) -> None:
        """Make what is missing, drop what is too old; one transaction for each month. Safe to run at any time, twice too."""
        this_month = Month.of(self._clock.now())
        await self.make([this_month.plus(number) for number in range(MONTHS_AHEAD + 1)])
        if self._kept_months is not None:
            await self._drop_before(this_month.plus(-self._kept_months))

    async def make(self, months: Sequence[Month]) -> None:
        """Make those of `months` that are missing."""
        async with self._owner() as engine:
            present = await _present(engine)
            for month in months:
                if month not in present:
                    async with engine.begin() as conn:
                        await _make(conn, month)

    async def _drop_before(self, first_kept: Month) -> None:
        async with self._owner() as engine:
            for month in sorted(month for month in await _present(engine) if month < first_kept):
                async with engine.begin() as conn:
                    await _drop(conn, month)

    @asynccontextmanager
    async def _owner(self) -> AsyncGenerator[AsyncEngine]:
        engine = engine_for(self._url, pool_size=1, role=None)
        try:
            yield engine
        finally:
            await engine.dispose()


async def _present(engine: AsyncEngine) -> set[Month]:
    async with engine.connect() as conn:
        names = (await conn.execute(text(_PARTITIONS))).scalars()
    return {Month(int(found[1]), int(found[2])) for name in names if (found := _NAME.fullmatch(name))}


async def _make(conn: AsyncConnection, month: Month) -> None:
    low, high = month.first_id, month.plus(1).first_id
    await conn.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
    # Nobody adds rows of this month to the default partition until it is attached. Whoever comes to write waits for the
    # table itself, before it looks which partitions there are, and so finds the new one.
    await conn.execute(text("LOCK TABLE ONLY usage_events IN SHARE ROW EXCLUSIVE MODE"))
    await conn.execute(text("LOCK TABLE usage_events_default IN ACCESS EXCLUSIVE MODE"))
    await conn.execute(text(f"CREATE TABLE {month.partition} (LIKE usage_events INCLUDING ALL)"))
    moved_count = await _move(conn, month)
    await conn.execute(
        text(f"ALTER TABLE usage_events ATTACH PARTITION {month.partition} FOR VALUES FROM ('{low}') TO ('{high}')")
    )
    _log.info("usage_month_made", partition=month.partition, moved_count=moved_count)


async def _move(conn: AsyncConnection, month: Month) -> int:
    """The month's rows out of the default partition, if there are any, into its table; how many."""
    among_others = "FROM usage_events_default WHERE event_id >= :low AND event_id < :high"
    bounds = {"low": month.first_id, "high": month.plus(1).first_id}
    if (await conn.execute(text(f"SELECT 1 {among_others} LIMIT 1"), bounds)).first() is None:
        return 0
    await conn.execute(text(f"INSERT INTO {month.partition} SELECT * {among_others}"), bounds)
    return (await conn.execute(text(f"DELETE {among_others}"), bounds)).rowcount


async def _drop(conn: AsyncConnection, month: Month) -> None:
    """The month, and everything recorded before it."""
    following = month.plus(1)
    below = {"below": following.first_id}
    await conn.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
    # Nobody adds rows to what goes, as an organization does whose test clock is there: its key would stay without the event,
    # and be refused for ever. In real time nobody writes there, so nobody waits.
    await conn.execute(text(f"LOCK TABLE {month.partition}, usage_events_default IN SHARE ROW EXCLUSIVE MODE"))
    last = (
        await conn.execute(text("SELECT max(event_time) FROM usage_events WHERE event_id < :below"), below)
    ).scalar()
    hours_until = following.start if last is None else max(following.start, _hour_after(last))
    await conn.execute(
        text(
            "INSERT INTO usage_retention (dropped_until, hours_until) VALUES (:until, :hours)"
            " ON CONFLICT (dropped_until) DO NOTHING"
        ),
        {"until": following.start, "hours": hours_until},
    )
    await conn.execute(text("DELETE FROM usage_keys WHERE event_id < :below"), below)
    await conn.execute(text("DELETE FROM usage_events_default WHERE event_id < :below"), below)
    await conn.execute(text(f"DROP TABLE {month.partition}"))
    _log.info("usage_month_dropped", partition=month.partition)


def _hour_after(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
