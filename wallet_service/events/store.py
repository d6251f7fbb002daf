"""SQL of events."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.events.model import Event
from wallet_service.events.tables import event_heads, events


async def take_numbers(conn: AsyncConnection, org_id: uuid.UUID, count: int) -> int:
    """Give out `count` numbers and return the last of them. Nobody else gets any until the transaction ends."""
    statement = insert(event_heads).values(org_id=org_id, seq=count)
    taken = await conn.execute(
        statement.on_conflict_do_update(
            index_elements=[event_heads.c.org_id],
            set_={"seq": event_heads.c.seq + statement.excluded.seq},
        ).returning(event_heads.c.seq)
    )
    return taken.scalar_one()


async def insert_events(conn: AsyncConnection, rows: Sequence[Event]) -> None:
    await conn.execute(
        insert(events),
        [
            {
                "org_id": row.org_id,
                "seq": row.seq,
                "event_id": row.event_id,
                "type": row.type,
                "subject": row.subject,
                "data": dict(row.data),
                "created_at": row.created_at,
            }
            for row in rows
        ],
    )


async def head(conn: AsyncConnection, org_id: uuid.UUID) -> int:
    """The number of the newest event, 0 before the first."""
    found = await conn.execute(select(event_heads.c.seq).where(event_heads.c.org_id == org_id))
    return found.scalar_one_or_none() or 0


async def heads(conn: AsyncConnection, org_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """The numbers of the newest events of those organizations that have any."""
    found = await conn.execute(select(event_heads.c.org_id, event_heads.c.seq).where(event_heads.c.org_id.in_(org_ids)))
    return {row.org_id: row.seq for row in found}


async def after(
    conn: AsyncConnection,
    org_id: uuid.UUID,
    seq: int,
    *,
    limit: int,
    types: Sequence[str] = (),
    type_prefixes: Sequence[str] = (),
) -> list[Event]:
    """At most `limit` events numbered higher than `seq`, in order; with filters, those of a type or prefix in them."""
    query = select(events).where(events.c.org_id == org_id, events.c.seq > seq)
    if types or type_prefixes:
        matches = [events.c.type.startswith(prefix, autoescape=True) for prefix in type_prefixes]
        query = query.where(or_(events.c.type.in_(types), *matches))
    found = await conn.execute(query.order_by(events.c.seq).limit(limit))
    return [from_row(row) for row in found]


async def recent(
    conn: AsyncConnection,
    org_id: uuid.UUID,
    *,
    types: Sequence[str],
    since: datetime,
    before_seq: int | None,
    limit: int,
) -> list[Event]:
    """At most `limit` events of some types and not older than `since`, newest first, numbered below `before_seq`."""
    query = select(events).where(events.c.org_id == org_id, events.c.type.in_(types), events.c.created_at >= since)
    if before_seq is not None:
        query = query.where(events.c.seq < before_seq)
    found = await conn.execute(query.order_by(events.c.seq.desc()).limit(limit))
    return [from_row(row) for row in found]


async def event(conn: AsyncConnection, org_id: uuid.UUID, event_id: uuid.UUID) -> Event | None:
    found = await conn.execute(select(events).where(events.c.org_id == org_id, events.c.event_id == event_id))
    row = found.one_or_none()
    return None if row is None else from_row(row)


def from_row(row: Row[Any]) -> Event:
    return Event(
        org_id=row.org_id,
        seq=row.seq,
        event_id=row.event_id,
        type=row.type,
        subject=row.subject,
        data=row.data,
        created_at=row.created_at,
    )
