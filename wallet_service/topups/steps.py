"""Steps that other domains join to their own transactions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.topups import store


async def on_its_way(conn: AsyncConnection, org_id: UUID, wallet_id: UUID, *, since: datetime) -> int:
    """Minor units of PENDING top-ups of saved cards that need nothing from the customer, made at `since` or later."""
    return await store.pending_unattended_minor(conn, org_id, wallet_id, since=since)
