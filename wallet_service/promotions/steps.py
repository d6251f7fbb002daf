"""Steps that other domains join to their transactions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.promotions import store
from wallet_service.promotions.model import Promotion


async def active_promotion(conn: AsyncConnection, org_id: UUID, *, now: datetime) -> Promotion | None:
    """The promotion whose window `now` is in."""
    found = await store.current_promotion(conn, org_id, now=now)
    return None if found is None or found.starts_at > now else found
