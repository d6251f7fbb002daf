"""A lease has one holder at a time, moves when its holder stops, dies or hangs, and its fence only grows."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.background import beside
from wallet_service.db import Database, engine_for
from wallet_service.leases import store
from wallet_service.leases.operations import Leadership

LENGTH = timedelta(seconds=1)
OFTEN = timedelta(milliseconds=50)
LONG = timedelta(hours=1)


def leadership(db: Database, *, length: timedelta = LENGTH) -> Leadership:
    return Leadership(db, "watching", length=length, renewed_every=OFTEN)


@asynccontextmanager
async def running(one: Leadership) -> AsyncGenerator[Leadership]:
    async with beside(one.run(), stop=one.stop):
        yield one


async def until_held(one: Leadership) -> int:
    for _ in range(3000):
        if one.fence is not None:
            return one.fence
        await asyncio.sleep(0.01)
    raise AssertionError("the lease was not taken")


async def until_lost(one: Leadership) -> None:
    for _ in range(3000):
        if one.fence is None:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the lease was not lost")


async def test_a_lease_has_one_holder_and_moves_at_once_when_it_stops(db: Database):
    async with running(leadership(db, length=LONG)) as second:
        first_fence = await until_held(second)
        async with running(leadership(db, length=LONG)) as other:
            await asyncio.sleep(0.3)
            assert (second.fence, other.fence) == (first_fence, None)
            await second.stop()
            # An hour of its time was left.
            assert await until_held(other) == first_fence + 1
        assert second.fence is None


async def test_many_that_ask_at_once_make_one_holder(db: Database):
    async def take(number: int) -> int | None:
        return await db.transact(lambda conn: store.take(conn, "one", holder=str(number), length=LONG))

    fences = await asyncio.gather(*(take(number) for number in range(16)))
    assert [fence for fence in fences if fence is not None] == [1]


async def test_a_holder_that_hears_nothing_lets_go_before_another_may_have_it(db: Database, database_url: str):
    own = Database(engine_for(database_url, pool_size=1), statement_timeout=timedelta(seconds=20))
    try:
        async with running(leadership(own)) as cut_off:
            fence = await until_held(cut_off)
            async with running(leadership(db, length=LONG)) as other:
                # Its only connection is taken: it can neither renew nor learn anything.
                async with own.engine.connect():
                    await until_lost(cut_off)
                    assert await until_held(other) == fence + 1
                await asyncio.sleep(0.2)
                assert (cut_off.fence, other.fence) == (None, fence + 1)
    finally:
        await own.engine.dispose()


async def test_a_stale_fence_neither_renews_nor_gives_up(db: Database):
    async def scene(conn: AsyncConnection) -> None:
        stale = await store.take(conn, "one", holder="stale", length=timedelta(0))
        assert stale == 1
        assert await store.renew(conn, "one", fence=stale, length=LONG) is None
        new = await store.take(conn, "one", holder="new", length=LONG)
        assert new == 2
        assert await store.renew(conn, "one", fence=stale, length=LONG) is None
        await store.give_up(conn, "one", fence=stale)
        assert await store.take(conn, "one", holder="third", length=LONG) is None
        assert await store.renew(conn, "one", fence=new, length=LONG) == new
        await store.give_up(conn, "one", fence=new)
        assert await store.take(conn, "one", holder="third", length=LONG) == 3

    await db.transact(scene)
