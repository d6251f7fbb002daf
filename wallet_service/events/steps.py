"""Steps that other domains join to their own transactions: write what happened, and look back at it."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from wallet_service.audit_log.pending import note_event
from wallet_service.events import store
from wallet_service.events.model import Event, NewEvent


async def append(
    conn: AsyncConnection, org_id: uuid.UUID, new_events: Sequence[NewEvent], *, now: datetime
) -> tuple[Event, ...]:
    """Write events, numbered on from the organization's last one, and return them; none is no work.

    The last write of the caller's transaction: until it ends no other event of the organization can be written. The
    organization exists, `now` is aware.
    """
    if not new_events:
        return ()
    first = await store.take_numbers(conn, org_id, len(new_events)) - len(new_events) + 1
    written = tuple(
        Event(
            org_id=org_id,
            seq=first + index,
            event_id=new_id(now),
            type=new.type.value,
            subject=new.subject,
            data=new.data,
            created_at=now,
        )
        for index, new in enumerate(new_events)
    )
    await store.insert_events(conn, written)
    for event in written:
        note_event(event.type, event.subject, event.data)
    return written


async def recent(
    conn: AsyncConnection,
    org_id: uuid.UUID,
    *,
    types: Sequence[str],
    since: datetime,
    before_seq: int | None,
    limit: int,
) -> list[Event]:
    """Newest first: at most `limit` events of some types, not older than `since`, below `before_seq` unless that is None."""
    return await store.recent(conn, org_id, types=types, since=since, before_seq=before_seq, limit=limit)


async def events_after(conn: AsyncConnection, org_id: uuid.UUID, seq: int, *, limit: int) -> list[Event]:
    """At most `limit` events numbered higher than `seq`, in order, whatever their type."""
    return await store.after(conn, org_id, seq, limit=limit)


async def event(conn: AsyncConnection, org_id: uuid.UUID, event_id: uuid.UUID) -> Event | None:
    """One event of the organization."""
    return await store.event(conn, org_id, event_id)


async def head(conn: AsyncConnection, org_id: uuid.UUID) -> int:
    """The number of the newest event, 0 before the first."""
    return await store.head(conn, org_id)
