"""A database that shuts down: whoever was at it is told to come back, whatever the driver calls it.

The server says why it ends a connection, and closes it. Between the two the driver takes the connection to be at work, and
refuses the next operation with an error that is of none of its kinds.
"""

from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.db import Database, driver
from wallet_service.errors import Code, ServiceError

LAST_WORDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"


def say_last_words(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Have the driver hear of the end, and not yet see it."""
    message = b"E" + (len(LAST_WORDS) + 4).to_bytes(4) + LAST_WORDS
    connection._protocol.data_received(message)  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportAttributeAccessIssue]


async def idle_connection(db: Database) -> "asyncpg.Connection[asyncpg.Record]":
    """The one that the pool hands out next."""
    async with db.engine.connect() as conn:
        return await driver(conn)


async def test_a_read_that_finds_the_server_gone_is_told_to_come_back(db: Database):
    say_last_words(await idle_connection(db))
    with pytest.raises(ServiceError) as refused:
        await db.fetch("SELECT 1")
    assert (refused.value.code, refused.value.retry_after) == (Code.UNAVAILABLE, timedelta(seconds=1))
    [row] = await db.fetch("SELECT 1")
    assert tuple(row) == (1,)


async def test_a_transaction_that_finds_the_server_gone_is_told_to_come_back(db: Database):
    async def work(conn: AsyncConnection) -> None:
        raw = await driver(conn)
        say_last_words(raw)
        await raw.fetch("SELECT 1")

    with pytest.raises(ServiceError) as refused:
        await db.transact(work)
    assert (refused.value.code, refused.value.retry_after) == (Code.UNAVAILABLE, timedelta(seconds=1))
    assert await db.read(lambda conn: conn.scalar(text("SELECT 1"))) == 1
