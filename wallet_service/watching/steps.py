"""Steps of domains that watch: they stop the organization's cursor while they change what they watch for."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.db import driver
from wallet_service.watching import store
from wallet_service.watching.model import Standing


async def hold_still(conn: AsyncConnection, org_id: UUID) -> Standing:
    """Lock the organization's cursor until the transaction ends, and say how its wallet stands.

    The first lock of the transaction. Whoever changes what it watches for takes it: then no move is shown meanwhile, and
    every move behind `Standing.entry_seq` is shown later. Waits for a watcher that is at work.
    """
    await store.lock_cursor(conn, org_id, wait=True)
    # A statement of its own, begun when the lock was held: what it reads is what is true.
    found = await store.standing(conn, org_id)
    assert found is not None, "an organization is made together with its book"
    return found


async def without(conn: AsyncConnection, statement: str, standings: Sequence[Standing]) -> set[UUID]:
    """Of these organizations those that are not among the ids that a statement over `$1`, the ids of all, gives."""
    org_ids = [standing.org_id for standing in standings]
    raw = await driver(conn)
    return set(org_ids) - {row[0] for row in await raw.fetch(statement, org_ids)}
