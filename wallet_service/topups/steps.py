"""Steps that other domains join to their own transactions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts.model import Wallet
from wallet_service.topups import rules, store


async def on_its_way(conn: AsyncConnection, org_id: UUID, wallet_id: UUID, *, since: datetime) -> int:
    """Minor units of PENDING top-ups of saved cards that need nothing from the customer, made at `since` or later."""
    return await store.pending_unattended_minor(conn, org_id, wallet_id, since=since)


async def refuse_pending(conn: AsyncConnection, wallet: Wallet) -> None:
    """A guard of the closing of a locked wallet. Raises WALLET_NOT_EMPTY while money may still be on its way to it."""
    pending_count = await store.count_pending(conn, wallet.org_id, wallet.wallet_id)
    if pending_count:
        raise rules.still_pending(pending_count)


async def has_succeeded_by_hand(conn: AsyncConnection, org_id: UUID, *, before: datetime | None = None) -> bool:
    """Whether a top-up that the customer made by hand has succeeded, before a time if one is given."""
    return await store.has_manual_success(conn, org_id, before=before)


async def has_open_dispute(conn: AsyncConnection, org_id: UUID, *, since: datetime | None) -> bool:
    """Whether a dispute that took money, and was heard of after `since`, was not decided for us."""
    return await store.has_open_dispute(conn, org_id, since=since)
