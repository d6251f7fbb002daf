"""Fixtures of operation tests: the service's own view of a fresh database, and a clock that stands still."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from wallet_service.clock import ManualClock
from wallet_service.db import Database, engine_for


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC))


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """The database as the service's role sees it."""
    engine = engine_for(database_url, pool_size=8)
    yield Database(engine, statement_timeout=timedelta(seconds=20))
    await engine.dispose()
