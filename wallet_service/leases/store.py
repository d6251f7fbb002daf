"""SQL of leases. All times are the database's own, as the moment of the statement and not of its transaction."""

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.db import driver

_TAKE: Final = """
    INSERT INTO leases AS l (name, holder, fence, expires_at) VALUES ($1, $2, 1, clock_timestamp() + $3)
    ON CONFLICT (name) DO UPDATE
    SET holder = excluded.holder, fence = l.fence + 1, expires_at = excluded.expires_at
    WHERE l.expires_at <= clock_timestamp()
    RETURNING fence
"""
_RENEW: Final = """
    UPDATE leases SET expires_at = clock_timestamp() + $3
    WHERE name = $1 AND fence = $2 AND expires_at > clock_timestamp()
    RETURNING fence
"""
_GIVE_UP: Final = """
    UPDATE leases SET expires_at = clock_timestamp() WHERE name = $1 AND fence = $2 AND expires_at > clock_timestamp()
"""


async def take(conn: AsyncConnection, name: str, *, holder: str, length: timedelta) -> int | None:
    """The fence of a lease that was free and is the holder's now; None when another one has it."""
    raw = await driver(conn)
    return await raw.fetchval(_TAKE, name, holder, length)


async def renew(conn: AsyncConnection, name: str, *, fence: int, length: timedelta) -> int | None:
    """The fence, for `length` from now on; None when the lease is not this taking's any more."""
    raw = await driver(conn)
    return await raw.fetchval(_RENEW, name, fence, length)


async def give_up(conn: AsyncConnection, name: str, *, fence: int) -> None:
    """Free the lease, if it is still this taking's."""
    raw = await driver(conn)
    await raw.execute(_GIVE_UP, name, fence)
