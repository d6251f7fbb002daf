"""One driver connection of a lane: opened when needed, closed when it is of no more use."""

from collections.abc import Callable
from typing import Final, cast

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ledger import store
from ledger.store import Connection

LOCK_TIMEOUT_MS: Final = 10_000
STATEMENT_TIMEOUT_MS: Final = 30_000
ROLLBACK_SECONDS_MAX: Final = 10

_SETTINGS: Final = "".join(
    f"SET {name} = {value};"
    for name, value in (
        ("lock_timeout", LOCK_TIMEOUT_MS),
        ("statement_timeout", STATEMENT_TIMEOUT_MS),
        *((name, "off") for name in store.PLANNER_SETTINGS),
    )
)
_PLANNED_ONCE: Final = "SET plan_cache_mode = force_generic_plan;"
"""On one server. Of distributed tables, a plan that is made before the values are known knows no shard."""


class Link:
    """A connection of the engine's pool with session settings of its own, so it is never given back but closed."""

    def __init__(self, engine: AsyncEngine, on_shards: Callable[[], bool]) -> None:
        """`on_shards` is asked on each use; a connection that was opened for the other answer is opened anew."""
        self._engine = engine
        self._asked = on_shards
        self.on_shards = False
        """Whether the connection is one for distributed tables."""
        self._conn: AsyncConnection | None = None
        self._raw: Connection | None = None

    async def connection(self) -> Connection:
        """The connection, opened if there is none, or if it was closed while nobody used it: most batches are one statement
        that commits, so on a closed connection their outcome would be unknown."""
        on_shards = self._asked()
        if self._raw is not None and not self._raw.is_closed() and self.on_shards is on_shards:
            return self._raw
        await self.close()
        self.on_shards = on_shards
        conn = self._conn = await self._engine.connect()
        raw = await driver_connection(conn)
        await raw.execute(_SETTINGS + ("" if on_shards else _PLANNED_ONCE) + store.PREPARE_LOCK)
        self._raw = raw
        return raw

    async def roll_back(self) -> None:
        """End the transaction; a connection that cannot even do that is closed, which ends it too."""
        try:
            if self._raw is not None:
                await self._raw.execute("ROLLBACK", timeout=ROLLBACK_SECONDS_MAX)
        except Exception:
            await self.close()

    async def close(self) -> None:
        """Close the connection, if there is one."""
        conn, self._conn, self._raw = self._conn, None, None
        if conn is not None:
            await conn.invalidate()
            await conn.close()

    def is_lost(self, error: BaseException) -> bool:
        """Whether the connection was never there or is of no more use: closed, reset, or the server is shutting down."""
        if self._raw is None or self._raw.is_closed():
            return True
        if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError):
            return True
        return (sqlstate_of(error) or "").startswith(("08", "57P"))


async def driver_connection(conn: AsyncConnection) -> Connection:
    """The asyncpg connection under a SQLAlchemy one."""
    raw = await conn.get_raw_connection()
    return cast("Connection", raw.driver_connection)


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE of a driver's error, SQLAlchemy's or our own."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    state: object = getattr(origin, "sqlstate", None)
    return state if isinstance(state, str) else None
