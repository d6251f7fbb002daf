"""What a transaction makes of the failures that a cluster reports: it is run again, or an outage is told."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError

RUN_AGAIN = ("40001", "40P01", "XX000")
OUTAGES = ("08000", "08003", "08006", "57P01")


async def fail(conn: AsyncConnection, state: str) -> None:
    await conn.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'a node says' USING ERRCODE = '{state}'; END $$"))


@pytest.mark.parametrize("state", RUN_AGAIN)
async def test_a_transaction_that_may_be_run_again_is(db: Database, state: str):
    attempts: list[int] = []

    async def work(conn: AsyncConnection) -> int:
        attempts.append(len(attempts))
        await conn.execute(text("CREATE TEMPORARY TABLE seen_once (n int)"))
        if len(attempts) < 3:
            await fail(conn, state)
        return len(attempts)

    # What an attempt did is undone before the next one: the table can be made again.
    assert await db.transact(work) == 3


@pytest.mark.parametrize("state", OUTAGES)
async def test_an_outage_is_told_and_not_repeated(db: Database, state: str):
    """Whether it was committed is not known, so it is whoever has the key that asks again."""
    attempts: list[int] = []

    async def work(conn: AsyncConnection) -> None:
        attempts.append(1)
        await fail(conn, state)

    with pytest.raises(ServiceError) as caught:
        await db.transact(work)
    assert (caught.value.code, caught.value.reason) == (Code.UNAVAILABLE, Reason.DATABASE_UNAVAILABLE)
    assert caught.value.retry_after is not None
    assert len(attempts) == 1


async def test_other_failures_are_not_repeated(db: Database):
    attempts: list[int] = []

    async def work(conn: AsyncConnection) -> None:
        attempts.append(1)
        await fail(conn, "22012")

    with pytest.raises(DBAPIError):
        await db.transact(work)
    assert len(attempts) == 1
