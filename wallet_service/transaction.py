"""A transaction that is opened by one round trip: BEGIN goes out together with the settings that hold for it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

if TYPE_CHECKING:
    DriverConnection = asyncpg.Connection[asyncpg.Record]
else:
    DriverConnection = asyncpg.Connection

_ROLLBACK_SECONDS_MAX: Final = 5


class SilentlyAborted(RuntimeError):
    """A statement of the transaction failed, nobody passed its error on, and nothing was committed."""


@asynccontextmanager
async def transaction(conn: AsyncConnection, raw: DriverConnection, begin: str) -> AsyncGenerator[None]:
    """Commits at the end of the block, and rolls back when an exception leaves it.

    `raw` is the driver's connection under `conn`, which leaves transactions to us: its isolation level is AUTOCOMMIT.
    `begin`: statements without arguments, the first of which is BEGIN. Raises SilentlyAborted.
    """
    try:
        await raw.execute(begin)
        yield
        status = await raw.execute("COMMIT")
    except BaseException:
        await _roll_back(conn, raw)
        raise
    if status != "COMMIT":
        raise SilentlyAborted("a statement failed and its error was kept from the transaction")


async def _roll_back(conn: AsyncConnection, raw: DriverConnection) -> None:
    """A connection that cannot even do that is closed, which ends the transaction too."""
    try:
        async with asyncio.timeout(_ROLLBACK_SECONDS_MAX):
            if not raw.is_closed():
                await raw.execute("ROLLBACK")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        raw.terminate()
    except BaseException:
        raw.terminate()
        raise
    finally:
        if raw.is_closed():
            await conn.invalidate()
