"""What one organization may take of the pool when others keep connections of it for good."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.config import Settings
from wallet_service.connections import changed_organization
from wallet_service.db import Database, engine_for


@pytest.mark.parametrize(("kept", "at_once"), [(0, 2), (4, 1), (7, 1)])
async def test_a_share_is_of_what_nobody_keeps(database_url: str, kept: int, at_once: int):
    engine = engine_for(database_url, pool_size=8)
    db = Database(engine, statement_timeout=timedelta(seconds=20))
    if kept:
        db.leave(kept)
    may_end, begun = asyncio.Event(), list[int]()

    async def change(organization: int) -> None:
        async def work(conn: AsyncConnection) -> None:
            await conn.execute(text("SELECT 1"))
            begun.append(organization)
            await may_end.wait()

        changed_organization.set(UUID(int=organization))
        await db.transact(work)

    try:
        async with asyncio.TaskGroup() as changes:
            for organization in (1, 1, 1, 1, 2):
                changes.create_task(change(organization))
            async with asyncio.timeout(10):
                while len(begun) < at_once + 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            assert sorted(begun) == [1] * at_once + [2]
            may_end.set()
        assert len(begun) == 5
    finally:
        await engine.dispose()


def test_a_pool_leaves_something_beside_the_lane_of_the_ledger():
    assert Settings(database_pool_size=4).database_pool_size == 4
    with pytest.raises(ValidationError, match="database_pool_size"):
        Settings(database_pool_size=3)
