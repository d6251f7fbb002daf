"""Events read again from any number on, and followed as they are written."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.pool import QueuePool

from wallet_service.accounts.operations import Organizations
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.events import feed as feeds
from wallet_service.events.feed import EventFeed
from wallet_service.events.model import EventType, NewEvent, Watched
from wallet_service.events.operations import EventLog
from wallet_service.events.steps import append, head


class Scene:
    def __init__(self, db: Database, clock: ManualClock, org_id: UUID, feed: EventFeed) -> None:
        self.db, self.clock, self.org_id, self.feed = db, clock, org_id, feed
        self.log = EventLog(db, feed, heartbeat=timedelta(milliseconds=300))
        self.draining = asyncio.Event()

    async def write(self, count: int, happened: EventType = EventType.PROJECT_CREATED) -> list[int]:
        told = [NewEvent(happened, f"projects/p{index}") for index in range(count)]
        written = await self.db.transact(lambda conn: append(conn, self.org_id, told, now=self.clock.now()))
        return [event.seq for event in written]

    async def newest(self) -> int:
        return await self.db.read(lambda conn: head(conn, self.org_id))

    @asynccontextmanager
    async def watching(self, after_seq: int | None, *event_types: str) -> AsyncGenerator[AsyncGenerator[Watched]]:
        steps = self.log.watch(self.org_id, after_seq=after_seq, event_types=event_types)
        async with aclosing(steps), asyncio.timeout(10):
            yield steps

    def checked_out(self) -> int:
        pool = self.db.engine.pool
        assert isinstance(pool, QueuePool)
        return pool.checkedout()


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[Scene]:
    org_id = (await Organizations(db, clock).create(slug="acme")).org_id
    made = Scene(db, clock, org_id, EventFeed(db))
    async with made.feed.running(made.draining):
        yield made


async def take(steps: AsyncGenerator[Watched], count: int) -> list[int]:
    """The numbers of the next events, whatever signs of life stand between them."""
    found: list[int] = []
    while len(found) < count:
        step = await anext(steps)
        if step.event is not None:
            assert step.event.seq == step.seq
            found.append(step.seq)
    return found


async def test_a_list_continues_after_any_number(scene: Scene):
    start = await scene.newest()
    written = await scene.write(7)
    first = await scene.log.list(scene.org_id, after_seq=start, event_types=(), size=3, token="")
    assert [event.seq for event in first.rows] == written[:3]
    second = await scene.log.list(scene.org_id, after_seq=start, event_types=(), size=10, token=first.next_page_token)
    assert [event.seq for event in second.rows] == written[3:]
    assert second.next_page_token == ""
    last = await scene.log.list(scene.org_id, after_seq=written[4], event_types=(), size=0, token="")
    assert [event.seq for event in last.rows] == written[5:]
    with pytest.raises(ServiceError) as caught:
        await scene.log.list(scene.org_id, after_seq=0, event_types=(), size=3, token=first.next_page_token)
    assert caught.value.reason is Reason.INVALID_PAGE_TOKEN


async def test_a_list_is_filtered_by_type_and_prefix(scene: Scene):
    start = await scene.newest()
    await scene.write(2)
    wanted = await scene.write(2, EventType.TOPUP_CREATED) + await scene.write(1, EventType.DISPUTE_WON)
    await scene.write(1, EventType.WALLET_CLOSED)
    page = await scene.log.list(
        scene.org_id, after_seq=start, event_types=("wallet.topup.*", "dispute.won"), size=0, token=""
    )
    assert [event.seq for event in page.rows] == wanted


async def test_a_stream_replays_and_then_follows(scene: Scene):
    before = await scene.write(250)
    async with scene.watching(before[0] - 1) as steps:
        assert await take(steps, 250) == before
        written = await scene.write(3)
        assert await take(steps, 3) == written
    async with scene.watching(before[100]) as steps:
        assert await take(steps, 152) == before[101:] + written


async def test_a_stream_without_a_number_begins_with_what_is_new(scene: Scene):
    await scene.write(3)
    newest = await scene.newest()
    async with scene.watching(None) as steps:
        alive = await anext(steps)
        assert (alive.event, alive.seq) == (None, newest)
        assert await scene.write(1) == await take(steps, 1) == [newest + 1]


async def test_writers_at_once_are_followed_without_a_gap(scene: Scene):
    start = await scene.newest()
    async with scene.watching(start) as steps:
        writers = [asyncio.create_task(scene.write(1 + index % 3)) for index in range(30)]
        found = await take(steps, 60)
        await asyncio.gather(*writers)
    assert found == list(range(start + 1, start + 61))


async def test_an_idle_stream_says_that_it_is_alive(scene: Scene):
    newest = await scene.newest()
    async with scene.watching(None, "dispute.*") as steps:
        assert await anext(steps) == Watched(None, newest)
        await scene.write(5)
        later = await anext(steps)
        # What was filtered out counts as shown: a client that resumes there reads none of it again.
        assert later == Watched(None, newest + 5)


async def test_a_consumer_that_thinks_holds_no_connection(scene: Scene):
    written = await scene.write(300)
    async with scene.watching(written[0] - 1) as steps:
        assert await take(steps, 1) == written[:1]
        assert scene.checked_out() == 0
        await scene.write(50)
        await asyncio.sleep(0.6)
        assert scene.checked_out() == 0
        assert await take(steps, 349) == list(range(written[1], written[1] + 349))


async def test_streams_end_when_the_server_drains(scene: Scene):
    async with scene.watching(None) as steps:
        await anext(steps)
        waiting = asyncio.ensure_future(anext(steps))
        await asyncio.sleep(0)
        scene.draining.set()
        with pytest.raises(ServiceError) as caught:
            await asyncio.wait_for(waiting, 2)
        assert caught.value.code is Code.UNAVAILABLE
    with pytest.raises(ServiceError):
        async with scene.watching(None) as steps:
            await anext(steps)


async def test_an_organization_has_so_many_streams_and_gets_their_places_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feeds, "STREAMS_OF_ORGANIZATION_MAX", 2)
    async with scene.watching(None) as first, scene.watching(None) as second:
        await anext(first)
        await anext(second)
        async with scene.watching(None) as third:
            with pytest.raises(ServiceError) as caught:
                await anext(third)
        assert caught.value.reason is Reason.TOO_MANY_RESOURCES
    async with scene.watching(None) as again:
        assert (await anext(again)).event is None
