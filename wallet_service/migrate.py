"""Bring a database to the newest schema: forward only, one process at a time, without waiting long for a lock."""

import asyncio
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

_MIGRATIONS: Final = Path(__file__).parent / "migrations"

_LOCK_TIMEOUT: Final = "5s"
"""A migration that cannot get its table lock fails instead of queueing every other statement behind it."""

_LOCK_ID: Final = 0x77616C6C6574
"""Advisory lock: two processes that start at once migrate one after the other."""


async def upgrade(url: str, revision: str = "head") -> None:
    """Run what is missing up to `revision`, as the connecting role, which must own the tables.

    Creates the role `wallet_app` where missing, so the connecting role needs CREATEROLE the first time. Statistics are
    brought up to date after a change, so that no statement is planned on a table that is believed to be empty.
    """
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    try:
        async with engine.begin() as conn:
            await conn.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _LOCK_ID})
            await conn.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
            changed = await conn.run_sync(_upgrade, revision)
        if changed:
            async with engine.connect() as conn:
                autocommit = await conn.execution_options(isolation_level="AUTOCOMMIT")
                await autocommit.execute(text("ANALYZE"))
    finally:
        await engine.dispose()


def upgrade_sync(url: str, revision: str = "head") -> None:
    """`upgrade` for callers without an event loop."""
    asyncio.run(upgrade(url, revision))


def config() -> Config:
    """Alembic's configuration, without a file: the folder of the migrations."""
    alembic = Config()
    alembic.set_main_option("script_location", str(_MIGRATIONS))
    return alembic


def _upgrade(connection: Connection, revision: str) -> bool:
    """Whether anything was missing."""
    alembic = config()
    alembic.attributes["connection"] = connection
    state = MigrationContext.configure(connection)
    before = state.get_current_revision()
    command.upgrade(alembic, revision)
    return state.get_current_revision() != before
