"""SQL of the inbox."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from providers.protocol import EventKind, ProviderEvent
from wallet_service.webhooks.tables import provider_events


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """What the job of an event needs."""

    kind: EventKind
    event_type: str
    object_id: str
    payment_external_id: str | None
    is_processed: bool


async def insert_event(conn: AsyncConnection, event: ProviderEvent, at: datetime) -> bool:
    """Whether the event is new."""
    written = await conn.execute(
        insert(provider_events)
        .values(
            provider=event.provider,
            event_id=event.event_id,
            kind=event.kind.value,
            event_type=event.event_type,
            object_id=event.object_id,
            payment_external_id=event.payment_external_id,
            created_at=event.created_at,
            received_at=at,
        )
        .on_conflict_do_nothing()
    )
    return written.rowcount == 1


async def read_event(conn: AsyncConnection, *, provider: str, event_id: str) -> InboxEvent | None:
    found = await conn.execute(
        select(provider_events).where(provider_events.c.provider == provider, provider_events.c.event_id == event_id)
    )
    row = found.one_or_none()
    if row is None:
        return None
    return InboxEvent(
        kind=EventKind(row.kind),
        event_type=row.event_type,
        object_id=row.object_id,
        payment_external_id=row.payment_external_id,
        is_processed=row.processed_at is not None,
    )


async def mark_processed(conn: AsyncConnection, *, provider: str, event_id: str, at: datetime) -> None:
    await conn.execute(
        update(provider_events)
        .where(provider_events.c.provider == provider, provider_events.c.event_id == event_id)
        .values(processed_at=at)
    )


async def delete_processed(conn: AsyncConnection, *, before: datetime, limit: int) -> int:
    """Forget events that were processed before a time, at most `limit`; how many."""
    key = (provider_events.c.provider, provider_events.c.event_id)
    old = select(*key).where(provider_events.c.processed_at < before).limit(limit)
    written = await conn.execute(delete(provider_events).where(tuple_(*key).in_(old)))
    return written.rowcount
