"""What a caller is told when the database has no time for a transaction."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError


async def test_a_statement_that_takes_too_long_is_refused_and_can_be_repeated(db: Database) -> None:
    hurried = Database(db.engine, statement_timeout=timedelta(milliseconds=50))

    async def slow(conn: AsyncConnection) -> None:
        await conn.execute(text("SELECT pg_sleep(5)"))

    for run in (hurried.transact, hurried.read):
        with pytest.raises(ServiceError) as refused:
            await run(slow)
        assert (refused.value.code, refused.value.reason) == (Code.RESOURCE_EXHAUSTED, Reason.OVERLOADED)
        assert refused.value.retry_after is not None

    async def quick(conn: AsyncConnection) -> int:
        return (await conn.execute(text("SELECT 1"))).scalar_one()

    assert await hurried.transact(quick) == 1
