"""Steps that other domains join to their transactions."""

from datetime import datetime
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.errors import invalid_field
from wallet_service.usage.tables import usage_retention

_EVERYTHING: Final = "from the beginning"


async def refuse_what_is_dropped(conn: AsyncConnection, start: datetime | None, *, field: str = "start_time") -> None:
    """Raise INVALID_FIELD of `field` when events that happened from `start` on (None: all) are not kept any more, so that
    nobody takes a part of them for all.

    First in its transaction: whoever is dropping a month is through, or waits for this transaction, before its snapshot is
    taken. A month that is dropped is gone for older snapshots, too.
    """
    await conn.execute(text("LOCK TABLE ONLY usage_events IN ACCESS SHARE MODE"))
    row = await conn.execute(select(func.max(usage_retention.c.hours_until)))
    kept_from = row.scalar_one_or_none()
    if kept_from is not None and (start is None or start < kept_from):
        asked = _EVERYTHING if start is None else start.isoformat()
        raise invalid_field(
            field,
            f"single events are kept from {kept_from.isoformat()} on, not {asked}; sums by hour are kept for ever",
        )
