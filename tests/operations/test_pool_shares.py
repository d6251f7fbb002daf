"""What one organization may take of the pool to change something and to read, also when others keep connections of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.config import Settings
from wallet_service.connections import no_share, sharing_organization
from wallet_service.db import Database, engine_for
from wallet_service.errors import Reason, ServiceError

POOL = 8


class Hall:
    """Work of organizations, which begins when it gets a connection and ends when it may."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.may_end = asyncio.Event()
        self.begun: list[int] = []

    async def change(self, organization: int) -> None:
        sharing_organization.set(UUID(int=organization))
        await self.db.transact(lambda conn: self._work(conn, organization))

    async def read(self, organization: int) -> None:
        sharing_organization.set(UUID(int=organization))
        await self.db.read(lambda conn: self._work(conn, organization))

    async def read_without_share(self, organization: int) -> None:
        sharing_organization.set(UUID(int=organization))
        with no_share():
            await self.db.read(lambda conn: self._work(conn, organization))

    async def until_begun(self, count: int) -> list[int]:
        """Who has begun once so many have, and nobody else does."""
        async with asyncio.timeout(10):
            while len(self.begun) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        return sorted(self.begun)

    async def _work(self, conn: AsyncConnection, organization: int) -> None:
        await conn.execute(text("SELECT 1"))
        self.begun.append(organization)
        await self.may_end.wait()


@pytest.fixture
async def hall(database_url: str) -> AsyncIterator[Hall]:
    engine = engine_for(database_url, pool_size=POOL)
    yield Hall(Database(engine, statement_timeout=timedelta(seconds=20)))
    await engine.dispose()


@pytest.mark.parametrize(("kept", "at_once"), [(0, 2), (4, 1), (7, 1)])
@pytest.mark.parametrize("act", [Hall.change, Hall.read])
async def test_a_share_is_of_what_nobody_keeps(
    hall: Hall, act: Callable[[Hall, int], Coroutine[None, None, None]], kept: int, at_once: int
):
    if kept:
        hall.db.leave(kept)
    async with asyncio.TaskGroup() as calls:
        for organization in (*([1] * (POOL + 1)), 2):
            calls.create_task(act(hall, organization))
        assert await hall.until_begun(at_once + 1) == [1] * at_once + [2]
        hall.may_end.set()
    assert len(hall.begun) == POOL + 2


async def test_reads_changes_and_what_has_bounds_of_its_own_do_not_wait_for_one_another(hall: Hall):
    async with asyncio.TaskGroup() as calls:
        for _ in range(3):
            calls.create_task(hall.change(1))
            calls.create_task(hall.read(1))
        calls.create_task(hall.read_without_share(1))
        assert await hall.until_begun(5) == [1] * 5
        hall.may_end.set()


async def test_more_reads_of_one_organization_than_may_wait_are_refused_and_no_others(hall: Hall):
    async def refusal() -> Reason | None:
        try:
            await hall.read(1)
        except ServiceError as refused:
            return refused.reason
        return None

    reads = [asyncio.create_task(refusal()) for _ in range(2 + 16 * POOL + 10)]
    async with asyncio.TaskGroup() as calls:
        calls.create_task(hall.read(2))
        assert await hall.until_begun(3) == [1, 1, 2]
        hall.may_end.set()
    outcomes = await asyncio.gather(*reads)
    assert outcomes[-10:] == [Reason.OVERLOADED] * 10
    assert outcomes[:2] == [None, None]


async def test_what_has_its_turn_asks_for_no_other(hall: Hall):
    async def inner(conn: AsyncConnection) -> None:
        await conn.execute(text("SELECT 1"))

    async def outer(conn: AsyncConnection) -> None:
        await inner(conn)
        await hall.db.read(inner)
        await hall.db.transact(inner)

    hall.db.leave(POOL - 4)
    sharing_organization.set(UUID(int=1))
    await hall.db.read(outer)
    await hall.db.transact(outer)


def test_a_pool_leaves_something_beside_the_lane_of_the_ledger():
    assert Settings(database_pool_size=4).database_pool_size == 4
    with pytest.raises(ValidationError, match="database_pool_size"):
        Settings(database_pool_size=3)
