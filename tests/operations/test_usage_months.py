"""Months of events: made ahead, dropped whole; a key counts once whatever month it was recorded in."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.event import listen, remove
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from tests.operations.usage_scene import START, Scene, event, kinds, scene_on
from wallet_service.clock import ManualClock
from wallet_service.db import Database, engine_for
from wallet_service.errors import Reason, ServiceError
from wallet_service.journal.laws import check_all
from wallet_service.migrate import upgrade
from wallet_service.usage.model import AllRecorded, Columns
from wallet_service.usage.months import Month, UsageMonths
from wallet_service.usage.steps import refuse_what_is_dropped

MICROSECOND = timedelta(microseconds=1)
PARTITIONS = "SELECT tableoid::regclass::text AS name, idempotency_key FROM usage_events ORDER BY event_id"


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[Scene]:
    async with scene_on(db, clock) as made:
        yield made


def columns(*keys: str) -> Columns:
    same: list[list[Any]] = [[value] * len(keys) for value in ("my-app", "compute.vm.vcpu_hours", "1", "", None)]
    projects, meters, quantities, empty, times = same
    return Columns(projects, meters, quantities, keys, empty, empty, empty, times)


async def at(scene: Scene, moment: datetime, key: str) -> str:
    scene.clock.advance(moment - scene.clock.now())
    return kinds(await scene.recorder.record(scene.org_id, [event(key, event_time=moment)]))[0]


async def maintain(scene: Scene, database_url: str, kept_months: int | None = None) -> None:
    await UsageMonths(database_url, scene.clock, kept_months=kept_months).maintain()


async def waiting_for_locks(scene: Scene, count: int) -> None:
    """Until `count` backends wait for a lock."""
    waiting = """
        SELECT count(DISTINCT pid) AS n FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND datname = current_database()
    """
    for _ in range(1000):
        if (await scene.rows(waiting))[0].n >= count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


async def laws(scene: Scene) -> list[Any]:
    return await scene.db.read(lambda conn: check_all(conn, None))


@pytest.mark.parametrize("month", [Month(1970, 1), Month(2026, 12), Month(2028, 2)])
def test_a_month_begins_with_its_first_id_and_ends_before_that_of_the_next(month: Month) -> None:
    following = month.plus(1)
    assert month.first_id < new_id(month.start) < new_id(following.start - MICROSECOND) < following.first_id
    assert following.plus(-1) == month
    assert Month.of(following.start - MICROSECOND) == month


async def test_an_event_lies_in_the_month_in_which_it_was_recorded(scene: Scene, database_url: str) -> None:
    april = datetime(2027, 4, 1, tzinfo=UTC)
    scene.clock.advance(april - timedelta(days=40) - scene.clock.now())
    await maintain(scene, database_url)
    assert await at(scene, april - MICROSECOND, "before") == "Recorded"
    assert await at(scene, april, "after") == "Recorded"
    await scene.recorder.record(scene.org_id, [event("late", event_time=april - timedelta(days=9))])
    assert [(row.name, row.idempotency_key) for row in await scene.rows(PARTITIONS)] == [
        ("usage_events_y2027m03", "before"),
        ("usage_events_y2027m04", "after"),
        ("usage_events_y2027m04", "late"),
    ]


async def test_a_key_counts_once_over_all_months(scene: Scene, database_url: str) -> None:
    april = datetime(2027, 4, 1, tzinfo=UTC)
    scene.clock.advance(april - timedelta(hours=1) - scene.clock.now())
    await maintain(scene, database_url)
    await scene.recorder.record_columns(scene.org_id, columns("a", "b"))
    scene.clock.advance(timedelta(days=70))
    again = await scene.recorder.record_columns(scene.org_id, columns("b", "c"))
    assert isinstance(again, list)
    assert kinds(again) == ["DuplicateEvent", "Recorded"]
    assert (await scene.rows("SELECT count(DISTINCT tableoid) AS n FROM usage_events"))[0].n == 2
    assert await scene.check_laws(scene.org_id) == Decimal("1.5")


async def test_what_was_recorded_before_its_month_was_made_moves_into_it(scene: Scene, database_url: str) -> None:
    far = datetime(2031, 7, 15, tzinfo=UTC)
    await at(scene, far, "far")
    assert (await scene.rows(PARTITIONS))[0].name == "usage_events_default"
    await maintain(scene, database_url)
    await maintain(scene, database_url)
    assert (await scene.rows(PARTITIONS))[0].name == "usage_events_y2031m07"
    assert kinds(await scene.recorder.record(scene.org_id, [event("far", event_time=far)])) == ["DuplicateEvent"]
    assert await scene.check_laws(scene.org_id) == Decimal("0.5")


@pytest.mark.parametrize("is_late", [False, True])
async def test_only_a_month_that_was_made_late_finds_rows_to_move(
    scene: Scene, database_url: str, *, is_late: bool
) -> None:
    """Moving is no part of the ordinary course, in which a month is made on distributed tables, too."""
    july = datetime(2031, 7, 15, tzinfo=UTC)
    await at(scene, july if is_late else july - timedelta(days=31), "earlier")
    moving: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT", "DELETE", "WITH")):
            moving.append(statement.split()[0])

    listen(Engine, "before_cursor_execute", note)
    try:
        await UsageMonths(database_url, scene.clock, kept_months=None).make([Month.of(july)])
    finally:
        remove(Engine, "before_cursor_execute", note)
    assert moving == (["INSERT", "DELETE"] if is_late else [])
    assert await scene.check_laws(scene.org_id) == Decimal("0.5")


async def test_who_writes_while_a_month_is_made_waits_for_it(scene: Scene, database_url: str) -> None:
    far = datetime(2031, 7, 15, tzinfo=UTC)
    await at(scene, far, "first")
    owner = engine_for(database_url, pool_size=1, role=None)
    async with owner.begin() as reading:
        await reading.execute(text("SELECT FROM usage_events_default"))
        making = asyncio.create_task(UsageMonths(database_url, scene.clock, kept_months=None).make([Month.of(far)]))
        await waiting_for_locks(scene, 1)
        writing = asyncio.create_task(scene.recorder.record_columns(scene.org_id, columns("second")))
        await waiting_for_locks(scene, 2)
    await owner.dispose()
    await making
    assert isinstance(await writing, AllRecorded)
    assert {row.name for row in await scene.rows(PARTITIONS)} == {"usage_events_y2031m07"}
    assert await scene.check_laws(scene.org_id) == Decimal(1)


async def test_no_key_stays_without_its_event_when_its_month_is_dropped(scene: Scene, database_url: str) -> None:
    """The test clock of an organization is in the month that is dropped while it records."""
    months = UsageMonths(database_url, ManualClock(datetime(2026, 8, 10, tzinfo=UTC)), kept_months=3)
    april = Month(2026, 4)
    await months.make([april, *(Month(2026, number) for number in range(8, 12))])
    await at(scene, scene.clock.now(), "march")
    scene.clock.advance(april.start - scene.clock.now())
    owner = engine_for(database_url, pool_size=1, role=None)
    async with owner.begin() as holding:
        # Who drops has to wait for this row, when it is through with the keys.
        await holding.execute(text("SELECT FROM usage_events_default FOR UPDATE"))
        dropping = asyncio.create_task(months.maintain())
        await waiting_for_locks(scene, 1)
        writing = asyncio.create_task(scene.recorder.record_columns(scene.org_id, columns("april")))
        await asyncio.wait([writing], timeout=0.3)
    await owner.dispose()
    # One of the two has to give way, and is tried again: the writer at once, the other in an hour.
    await asyncio.gather(dropping, return_exceptions=True)
    assert isinstance(await writing, AllRecorded)
    again = await scene.recorder.record_columns(scene.org_id, columns("april"))
    assert isinstance(again, list)
    assert kinds(again) == ["DuplicateEvent"]
    orphans = "SELECT 1 FROM usage_keys k LEFT JOIN usage_events e USING (org_id, event_id) WHERE e.event_id IS NULL"
    assert await scene.rows(orphans) == []


async def test_months_are_dropped_whole_and_sums_stay(scene: Scene, database_url: str) -> None:
    january = datetime(2027, 1, 10, 12, 30, tzinfo=UTC)
    scene.clock.advance(january - scene.clock.now())
    await maintain(scene, database_url)
    await at(scene, january, "january")
    await at(scene, datetime(2027, 4, 10, tzinfo=UTC), "april")
    await scene.recorder.record(scene.org_id, [event("late", event_time=january)], ignore_age=True)
    await at(scene, datetime(2027, 5, 20, tzinfo=UTC), "may")
    await maintain(scene, database_url, kept_months=4)
    assert len(await scene.rows(PARTITIONS)) == 4
    await maintain(scene, database_url, kept_months=3)
    assert [row.idempotency_key for row in await scene.rows(PARTITIONS)] == ["april", "late", "may"]
    assert (await scene.rows("SELECT count(*) AS n FROM usage_keys"))[0].n == 3
    assert (await scene.rows("SELECT sum(event_count) AS n FROM usage_hourly"))[0].n == 4
    assert await laws(scene) == []
    # Its key is gone with it; nothing of it is left to be counted twice.
    assert await at(scene, datetime(2027, 5, 21, tzinfo=UTC), "january") == "Recorded"
    assert await at(scene, datetime(2027, 5, 22, tzinfo=UTC), "april") == "RefusedEvent"


async def test_the_law_of_sums_still_holds_for_what_is_kept(scene: Scene, database_url: str) -> None:
    await test_months_are_dropped_whole_and_sums_stay(scene, database_url)
    engine = engine_for(database_url, pool_size=1, role=None)
    async with engine.begin() as conn:
        await conn.execute(text("DELETE FROM usage_events WHERE idempotency_key = 'may'"))
    await engine.dispose()
    assert [violation.law for violation in await laws(scene)] == ["rollup_is_sum_of_events"]


async def test_who_asks_for_what_is_dropped_is_told(scene: Scene, database_url: str) -> None:
    await test_months_are_dropped_whole_and_sums_stay(scene, database_url)
    kept_from = datetime(2027, 2, 1, tzinfo=UTC)
    listed = await scene.queries.list_events(scene.org_id, start=kept_from)
    assert len(listed.rows) == 3
    assert len((await scene.queries.list_events(scene.org_id)).rows) == 4
    summed = await scene.queries.query(scene.org_id, start=START, end=datetime(2027, 2, 1, tzinfo=UTC))
    assert [row.quantity for row in summed.rows] == [Decimal(2)]
    early = kept_from - MICROSECOND
    for refused in (
        scene.queries.list_events(scene.org_id, start=early),
        scene.queries.query(scene.org_id, start=datetime(2027, 1, 10, 12, 15, tzinfo=UTC), end=kept_from),
        scene.db.read(lambda conn: refuse_what_is_dropped(conn, None)),
    ):
        with pytest.raises(ServiceError, match="kept from 2027-02-01T00:00:00") as told:
            await refused
        assert told.value.reason is Reason.INVALID_FIELD


async def used_in_april(scene: Scene, database_url: str) -> datetime:
    """The time of the one event that there is, which is now."""
    april = datetime(2027, 4, 10, tzinfo=UTC)
    scene.clock.advance(april - scene.clock.now())
    await maintain(scene, database_url)
    await at(scene, april, "april")
    return april


async def test_who_asks_while_a_month_is_dropped_is_told(scene: Scene, database_url: str) -> None:
    april = await used_in_april(scene, database_url)
    machine = ManualClock(april + timedelta(days=90))
    months = UsageMonths(database_url, machine, kept_months=3)
    await months.maintain()
    machine.advance(timedelta(days=30))
    await months.make([Month(2027, 11)])
    owner = engine_for(database_url, pool_size=1, role=None)
    async with owner.begin() as reading:
        await reading.execute(text("SELECT FROM usage_events"))
        dropping = asyncio.create_task(months.maintain())
        await waiting_for_locks(scene, 1)
        asking = asyncio.create_task(scene.queries.list_events(scene.org_id, start=april))
        await waiting_for_locks(scene, 2)
    await owner.dispose()
    await dropping
    with pytest.raises(ServiceError, match="kept from 2027-05-01"):
        await asking


async def test_who_was_told_that_a_month_is_kept_may_read_it(scene: Scene, database_url: str) -> None:
    """The lock of the table alone holds the drop off, which is all that a cluster has of it on the coordinator."""
    april = await used_in_april(scene, database_url)
    machine = ManualClock(april + timedelta(days=120))
    dropping: asyncio.Task[None] | None = None

    async def work(conn: AsyncConnection) -> list[str]:
        nonlocal dropping
        await refuse_what_is_dropped(conn, april)
        dropping = asyncio.create_task(UsageMonths(database_url, machine, kept_months=3).maintain())
        await waiting_for_locks(scene, 1)
        return list((await conn.execute(text("SELECT idempotency_key FROM usage_events"))).scalars())

    assert await scene.db.read(work) == ["april"]
    assert dropping is not None
    await dropping
    assert await scene.rows("SELECT 1 FROM usage_events") == []


OLD_EVENT = """
    INSERT INTO usage_events (org_id, event_id, batch_id, project_id, meter, resource, datacenter, quantity, event_time,
        recorded_at, currency, unit_price_minor, cost_minor, discount_minor, key_hash, content_hash, idempotency_key)
    VALUES (:org, :id, :org, :org, 'm', '', '', 2, :at, :at, 'USD', 3, 6, 0, decode(md5(:key), 'hex'),
        decode(md5(:key), 'hex'), :key)
"""


async def test_events_of_before_move_into_their_months(empty_database_url: str) -> None:
    await upgrade(empty_database_url, "0017_audit_log")
    engine = engine_for(empty_database_url, pool_size=1, role=None)
    times = [datetime(2025, 11, 30, 23, 59, 59, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC)]
    async with engine.begin() as conn:
        for number, moment in enumerate(times):
            values = {"org": UUID(int=1), "id": new_id(moment), "at": moment, "key": f"key-{number}"}
            await conn.execute(text(OLD_EVENT), values)
    await upgrade(empty_database_url)
    async with engine.begin() as conn:
        found = (await conn.execute(text(PARTITIONS))).all()
        keys = "SELECT count(*) FROM usage_keys k JOIN usage_events e USING (org_id, event_id) WHERE key_hash ="
        own = (await conn.execute(text(f"{keys} decode(md5(idempotency_key), 'hex')"))).scalar_one()
    await engine.dispose()
    assert [tuple(row) for row in found] == [("usage_events_y2025m11", "key-0"), ("usage_events_y2025m12", "key-1")]
    assert own == 2
