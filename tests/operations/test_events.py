"""The numbered log of events: no gap and no repeat, whatever writers and readers do."""

import asyncio
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts.operations import Organizations
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.events import store
from wallet_service.events.model import Event, EventType, NewEvent
from wallet_service.events.steps import append


async def organization(db: Database, clock: ManualClock, slug: str = "acme") -> UUID:
    return (await Organizations(db, clock).create(slug=slug)).org_id


def test_event(text: str) -> NewEvent:
    return NewEvent(EventType.WEBHOOK_ENDPOINT_TEST, "organizations/acme", {"text": text, "count": 2**60, "none": None})


test_event.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]


async def events_after(db: Database, org_id: UUID, seq: int, *, limit: int = 10_000) -> list[Event]:
    return await db.read(lambda conn: store.after(conn, org_id, seq, limit=limit))


class Abandoned(Exception):
    """A change that is taken back after its events were written."""


async def test_numbers_have_no_gap_under_concurrent_writers_and_rollbacks(db: Database, clock: ManualClock):
    org_id = await organization(db, clock)
    start = await db.read(lambda conn: store.head(conn, org_id))
    kept: list[int] = []

    async def write(index: int) -> None:
        async def work(conn: AsyncConnection) -> None:
            batch = [test_event(f"{index}.{part}") for part in range(index % 3 + 1)]
            written = await append(conn, org_id, batch, now=clock.now())
            if index % 4 == 0:
                raise Abandoned
            kept.extend(event.seq for event in written)

        await db.transact(work)

    results = await asyncio.gather(*(write(index) for index in range(60)), return_exceptions=True)
    assert sum(isinstance(result, Abandoned) for result in results) == 15
    found = await events_after(db, org_id, start)
    assert [event.seq for event in found] == list(range(start + 1, start + 1 + len(kept)))
    assert sorted(kept) == [event.seq for event in found]
    # What one transaction wrote stands together, in its own order.
    texts = [str(event.data["text"]) for event in found]
    for index in range(60):
        own = [position for position, text in enumerate(texts) if text.startswith(f"{index}.")]
        assert own == list(range(own[0], own[0] + len(own))) if own else index % 4 == 0
        assert [texts[position] for position in own] == [f"{index}.{part}" for part in range(len(own))]
    assert (await db.read(lambda conn: store.head(conn, org_id))) == found[-1].seq


async def test_a_reader_never_sees_a_number_before_the_smaller_ones(db: Database, clock: ManualClock):
    org_id = await organization(db, clock)
    seen: list[int] = []
    done = asyncio.Event()

    async def follow() -> None:
        cursor = 0
        while True:
            last = done.is_set()
            read_after = cursor
            for event in await events_after(db, org_id, cursor, limit=7):
                seen.append(event.seq)
                cursor = event.seq
            if last and cursor == read_after:
                return

    async def write(index: int) -> None:
        async def work(conn: AsyncConnection) -> None:
            await append(conn, org_id, [test_event(str(index))], now=clock.now())
            await asyncio.sleep(0.001 * (index % 5))

        await db.transact(work)

    reader = asyncio.create_task(follow())
    await asyncio.gather(*(write(index) for index in range(50)))
    done.set()
    await reader
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= 50


async def test_nothing_to_write_takes_no_number(db: Database, clock: ManualClock):
    org_id = await organization(db, clock)
    before = await db.read(lambda conn: store.head(conn, org_id))
    assert await db.transact(lambda conn: append(conn, org_id, [], now=clock.now())) == ()
    assert await db.read(lambda conn: store.head(conn, org_id)) == before


async def test_facts_come_back_as_they_were_written(db: Database, clock: ManualClock):
    org_id = await organization(db, clock)
    (written,) = await db.transact(lambda conn: append(conn, org_id, [test_event("naïve ☃")], now=clock.now()))
    assert (await events_after(db, org_id, 0))[-1] == written
    assert written.created_at == clock.now()
