"""Statements outside of a transaction: what a lost connection means to them."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text

from wallet_service.db import Database, engine_for
from wallet_service.errors import Code, ServiceError

TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def terminate_all(database_url: str) -> None:
    engine = engine_for(database_url, pool_size=1, role=None)
    async with engine.begin() as conn:
        await conn.execute(text(TERMINATE))
    await engine.dispose()


async def test_connections_that_died_while_idle_are_replaced(db: Database, database_url: str):
    await asyncio.gather(*(db.fetch("SELECT pg_sleep(0.05)") for _ in range(4)))
    await terminate_all(database_url)
    await asyncio.sleep(0.1)
    for _ in range(8):
        assert (await db.fetch("SELECT $1::int AS n", 7))[0]["n"] == 7


async def test_a_connection_that_dies_under_a_statement_is_unavailable_once(db: Database, database_url: str):
    reading = asyncio.create_task(db.fetch("SELECT pg_sleep(30)"))
    await asyncio.sleep(0.2)
    await terminate_all(database_url)
    with pytest.raises(ServiceError) as refused:
        await reading
    assert refused.value.code is Code.UNAVAILABLE
    assert await db.fetch("SELECT 1")


async def test_a_wrong_statement_is_our_fault_and_does_no_lasting_harm(db: Database):
    with pytest.raises(asyncpg.UndefinedTableError):
        await db.fetch("SELECT * FROM nowhere")
    assert await db.fetch("SELECT 1")
