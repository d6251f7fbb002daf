"""Reading holds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.journal import page_size
from ledger.model import HoldState
from ledger.tables import holds


@dataclass(frozen=True, slots=True)
class HoldView:
    """A hold as stored. `expires_at` may have passed while `state` is still OPEN: it is then waiting to be swept."""

    org_id: UUID
    hold_id: UUID
    wallet_id: UUID
    amount_minor: int
    captured_minor: int
    remaining_minor: int
    state: HoldState
    description: str
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


async def get_hold(conn: AsyncConnection, org_id: UUID, hold_id: UUID) -> HoldView | None:
    """One hold of the organization, or None."""
    query = select(holds).where(holds.c.org_id == org_id, holds.c.hold_id == hold_id)
    return next(iter(await _views(conn, query)), None)


async def list_holds(
    conn: AsyncConnection,
    org_id: UUID,
    *,
    wallet_id: UUID | None = None,
    state: HoldState | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> list[HoldView]:
    """Holds of the organization, oldest first; at most 1000. The next page is `after` = the last `hold_id` of this
    one.
    """
    query = select(holds).where(holds.c.org_id == org_id)
    if wallet_id is not None:
        query = query.where(holds.c.account_id == wallet_id)
    if state is not None:
        query = query.where(holds.c.state == state.value)
    if after is not None:
        query = query.where(holds.c.hold_id > after)
    return await _views(conn, query.order_by(holds.c.hold_id).limit(page_size(limit)))


async def due_holds(
    conn: AsyncConnection, *, now: datetime, limit: int = 100, whose: ColumnElement[bool] | None = None
) -> list[HoldView]:
    """Open holds whose time has come, the longest overdue first: what a sweep gives to `ExpireHold`.

    Of all organizations, or those that the clause `whose` over `tables.holds` lets through.
    """
    query = (
        select(holds)
        .where(holds.c.state == HoldState.OPEN.value, holds.c.expires_at <= now)
        .order_by(holds.c.expires_at, holds.c.org_id, holds.c.hold_id)
        .limit(page_size(limit))
    )
    return await _views(conn, query if whose is None else query.where(whose))


NEXT_EXPIRIES: Final = """
    SELECT org_id, min(expires_at) FROM ledger_holds WHERE org_id = ANY ($1) AND state = 'open' GROUP BY org_id
"""
"""When the next open hold of each organization expires or has expired; NULL where none does."""


async def _views(conn: AsyncConnection, query: Select[Any]) -> list[HoldView]:
    rows = await conn.execute(query)
    return [
        HoldView(
            row.org_id,
            row.hold_id,
            row.account_id,
            row.amount_minor,
            row.captured_minor,
            row.remaining_minor,
            HoldState(row.state),
            row.description,
            row.expires_at,
            row.created_at,
            row.updated_at,
        )
        for row in rows
    ]
