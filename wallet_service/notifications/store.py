"""SQL of settings, targets and deliveries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.db import Database
from wallet_service.notifications.model import Delivery, DeliveryState, Target
from wallet_service.notifications.tables import (
    notification_deliveries,
    notification_settings,
    notification_targets,
)

_BEHIND: Final = """
    SELECT s.org_id
    FROM notification_settings s JOIN event_heads h ON h.org_id = s.org_id
    WHERE h.seq > s.event_seq
    LIMIT $1
"""

_CLEAN: Final = """
    DELETE FROM notification_deliveries WHERE (org_id, event_seq, target_id) IN (
        SELECT org_id, event_seq, target_id FROM notification_deliveries
        WHERE state <> 'pending' AND updated_at < :before LIMIT :limit
    )
"""


async def organizations_behind(db: Database, *, limit: int) -> list[UUID]:
    """Organizations with settings whose events were not all looked at."""
    return [row[0] for row in await db.fetch(_BEHIND, limit)]


async def lock_settings(conn: AsyncConnection, org_id: UUID, *, wait: bool = True) -> int | None:
    """Lock the settings until the transaction ends; the last event looked at. None without settings.

    Without `wait`, None also when another transaction has them.
    """
    query = select(notification_settings.c.event_seq).where(notification_settings.c.org_id == org_id)
    return (await conn.execute(query.with_for_update(skip_locked=not wait))).scalar_one_or_none()


async def ensure_settings(conn: AsyncConnection, org_id: UUID, *, event_seq: int, now: datetime) -> None:
    """Make the settings where missing, with `event_seq` as the last event looked at."""
    await conn.execute(
        insert(notification_settings)
        .values(org_id=org_id, event_seq=event_seq, updated_at=now)
        .on_conflict_do_nothing()
    )


async def touch_settings(conn: AsyncConnection, org_id: UUID, now: datetime) -> None:
    await conn.execute(
        update(notification_settings).where(notification_settings.c.org_id == org_id).values(updated_at=now)
    )


async def move_cursor(conn: AsyncConnection, org_id: UUID, event_seq: int) -> None:
    """Under the lock of `lock_settings`."""
    await conn.execute(
        update(notification_settings).where(notification_settings.c.org_id == org_id).values(event_seq=event_seq)
    )


async def targets(conn: AsyncConnection, org_id: UUID) -> list[Target]:
    """In the order in which they were first named."""
    found = await conn.execute(
        select(notification_targets)
        .where(notification_targets.c.org_id == org_id)
        .order_by(notification_targets.c.target_id)
    )
    return [_from_row_target(row) for row in found]


async def target(conn: AsyncConnection, org_id: UUID, target_id: UUID) -> Target | None:
    found = await conn.execute(
        select(notification_targets).where(
            notification_targets.c.org_id == org_id, notification_targets.c.target_id == target_id
        )
    )
    row = found.one_or_none()
    return None if row is None else _from_row_target(row)


async def replace_targets(conn: AsyncConnection, org_id: UUID, made: Sequence[Target]) -> None:
    """Under the lock of `lock_settings`."""
    await conn.execute(delete(notification_targets).where(notification_targets.c.org_id == org_id))
    if made:
        await conn.execute(
            insert(notification_targets),
            [
                {
                    "org_id": org_id,
                    "target_id": one.target_id,
                    "address": one.address,
                    "event_types": list(one.event_types),
                    "created_at": one.created_at,
                }
                for one in made
            ],
        )


async def insert_deliveries(conn: AsyncConnection, made: Sequence[Delivery], now: datetime) -> None:
    await conn.execute(
        insert(notification_deliveries),
        [
            {
                "org_id": one.org_id,
                "event_seq": one.event_seq,
                "target_id": one.target_id,
                "state": one.state.value,
                "attempt_count": one.attempt_count,
                "created_at": now,
                "updated_at": now,
            }
            for one in made
        ],
    )


async def lock_delivery(conn: AsyncConnection, org_id: UUID, event_seq: int, target_id: UUID) -> Delivery | None:
    found = await conn.execute(
        select(notification_deliveries).where(_is_delivery(org_id, event_seq, target_id)).with_for_update()
    )
    row = found.one_or_none()
    if row is None:
        return None
    return Delivery(row.org_id, row.event_seq, row.target_id, DeliveryState(row.state), row.attempt_count)


async def update_delivery(conn: AsyncConnection, changed: Delivery, now: datetime, *, error: str | None) -> None:
    await conn.execute(
        update(notification_deliveries)
        .where(_is_delivery(changed.org_id, changed.event_seq, changed.target_id))
        .values(state=changed.state.value, attempt_count=changed.attempt_count, last_error=error, updated_at=now)
    )


async def delete_done(conn: AsyncConnection, *, before: datetime, limit: int) -> int:
    """Forget what was settled before a time, at most `limit`; how many."""
    return (await conn.execute(text(_CLEAN), {"before": before, "limit": limit})).rowcount


def _is_delivery(org_id: UUID, event_seq: int, target_id: UUID) -> Any:
    columns = notification_deliveries.c
    return (columns.org_id == org_id) & (columns.event_seq == event_seq) & (columns.target_id == target_id)


def _from_row_target(row: Row[Any]) -> Target:
    return Target(row.target_id, row.address, tuple(row.event_types), row.created_at)
