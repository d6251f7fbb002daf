"""SQL of endpoints and deliveries."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.due import first_times
from wallet_service.event_webhooks.model import (
    Answer,
    Attempts,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointState,
    PausedReason,
)
from wallet_service.event_webhooks.tables import webhook_deliveries, webhook_endpoints
from wallet_service.events.tables import event_heads
from wallet_service.testclocks.steps import in_real_time

_E = webhook_endpoints.c
_D = webhook_deliveries.c

_NEXT_RETRIES: Final = """
    SELECT org_id, min(next_attempt_at) FROM webhook_endpoints
    WHERE org_id = ANY ($1) AND state = 'active'
    GROUP BY org_id
"""


async def insert_endpoint(conn: AsyncConnection, made: Endpoint) -> None:
    await conn.execute(
        insert(webhook_endpoints).values(
            org_id=made.org_id,
            endpoint_id=made.endpoint_id,
            created_at=made.created_at,
            # Free from the beginning, whatever time the organization lives in.
            lease_expires_at=datetime.fromtimestamp(0, made.created_at.tzinfo),
            **_changeable(made),
        )
    )


async def update_endpoint(conn: AsyncConnection, changed: Endpoint) -> None:
    """Store an endpoint that was read with `lock`."""
    await conn.execute(
        update(webhook_endpoints).where(_is(changed.org_id, changed.endpoint_id)).values(**_changeable(changed))
    )


async def delete_endpoint(conn: AsyncConnection, org_id: uuid.UUID, endpoint_id: uuid.UUID) -> None:
    """Remove it with its deliveries."""
    await conn.execute(delete(webhook_deliveries).where(_D.org_id == org_id, _D.endpoint_id == endpoint_id))
    await conn.execute(delete(webhook_endpoints).where(_is(org_id, endpoint_id)))


async def endpoint(
    conn: AsyncConnection, org_id: uuid.UUID, endpoint_id: uuid.UUID, *, lock: bool = False
) -> Endpoint | None:
    query = select(webhook_endpoints).where(_is(org_id, endpoint_id))
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else from_row_endpoint(row)


async def leased_endpoint(
    conn: AsyncConnection, org_id: uuid.UUID, endpoint_id: uuid.UUID, lease_id: uuid.UUID
) -> Endpoint | None:
    """The endpoint, locked, while the lease on it is the given one."""
    query = select(webhook_endpoints).where(_is(org_id, endpoint_id), _E.lease_id == lease_id)
    row = (await conn.execute(query.with_for_update())).one_or_none()
    return None if row is None else from_row_endpoint(row)


async def count_endpoints(conn: AsyncConnection, org_id: uuid.UUID) -> int:
    found = await conn.execute(select(func.count()).select_from(webhook_endpoints).where(_E.org_id == org_id))
    return found.scalar_one()


async def list_endpoints(
    conn: AsyncConnection, org_id: uuid.UUID, *, after: uuid.UUID | None, limit: int
) -> list[Endpoint]:
    """By id, which is oldest first."""
    query = select(webhook_endpoints).where(_E.org_id == org_id)
    if after is not None:
        query = query.where(_E.endpoint_id > after)
    found = await conn.execute(query.order_by(_E.endpoint_id).limit(limit))
    return [from_row_endpoint(row) for row in found]


async def lease(
    conn: AsyncConnection,
    *,
    lease_id: uuid.UUID,
    machine_now: datetime,
    expires_at: datetime,
    retries_due_at: datetime,
    org_id: uuid.UUID | None,
    limit: int,
    which: Attempts = Attempts.ALL,
) -> list[Endpoint]:
    """Take endpoints that have events to be sent and are free, those that have waited longest first.

    First attempts are due at once. Repeated ones are due by `retries_due_at`: of the organization, or with None of all
    that live in real time.
    """
    retries = _E.next_attempt_at <= retries_due_at
    if org_id is None:
        retries = and_(retries, in_real_time(_E.org_id))
    first = _E.next_attempt_at.is_(None)
    due = {Attempts.FIRST: first, Attempts.REPEATED: retries, Attempts.ALL: or_(first, retries)}
    query = (
        select(_E.org_id, _E.endpoint_id)
        .join(event_heads, event_heads.c.org_id == _E.org_id)
        .where(
            _E.state == EndpointState.ACTIVE.value,
            _E.handled_seq < event_heads.c.seq,
            _E.lease_expires_at <= machine_now,
            due[which],
        )
        .order_by(_E.lease_expires_at)
        .limit(limit)
    )
    if org_id is not None:
        query = query.where(_E.org_id == org_id)
    free = (await conn.execute(query)).all()
    if not free:
        return []
    # Read without a lock, which only one organization's rows can be given at a time. Who is first with the update has it.
    rows = await conn.execute(
        update(webhook_endpoints)
        .where(
            tuple_(_E.org_id, _E.endpoint_id).in_([(row.org_id, row.endpoint_id) for row in free]),
            _E.lease_expires_at <= machine_now,
        )
        .values(lease_id=lease_id, lease_expires_at=expires_at)
        .returning(webhook_endpoints)
    )
    return [from_row_endpoint(row) for row in rows]


async def release(
    conn: AsyncConnection, org_id: uuid.UUID, endpoint_id: uuid.UUID, lease_id: uuid.UUID, *, machine_now: datetime
) -> None:
    """Give a lease back; one that somebody else has by now stays."""
    await conn.execute(
        update(webhook_endpoints)
        .where(_is(org_id, endpoint_id), _E.lease_id == lease_id)
        .values(lease_expires_at=machine_now)
    )


async def move_cursor(conn: AsyncConnection, org_id: uuid.UUID, endpoint_id: uuid.UUID, seq: int) -> None:
    """Note that every event up to `seq` is done with."""
    await conn.execute(update(webhook_endpoints).where(_is(org_id, endpoint_id)).values(handled_seq=seq))


async def next_retries(conn: AsyncConnection, org_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, datetime]:
    """When the earliest repeated attempt of each organization is due."""
    return await first_times(conn, _NEXT_RETRIES, org_ids)


async def delivery(conn: AsyncConnection, org_id: uuid.UUID, endpoint_id: uuid.UUID, seq: int) -> Delivery | None:
    found = await conn.execute(
        select(webhook_deliveries).where(_D.org_id == org_id, _D.endpoint_id == endpoint_id, _D.seq == seq)
    )
    row = found.one_or_none()
    return None if row is None else from_row_delivery(row)


async def store_delivery(conn: AsyncConnection, row: Delivery, *, kept: int) -> None:
    """Insert or replace, and forget all but the newest `kept` of the endpoint."""
    values = {
        "state": row.state.value,
        "attempt_count": row.attempt_count,
        "status_code": row.answer.status_code,
        "error": row.answer.error,
        "response_snippet": row.answer.snippet,
        "last_attempt_at": row.last_attempt_at,
        "next_attempt_at": row.next_attempt_at,
        "delivered_at": row.delivered_at,
    }
    await conn.execute(
        upsert(webhook_deliveries)
        .values(
            org_id=row.org_id,
            endpoint_id=row.endpoint_id,
            seq=row.seq,
            event_id=row.event_id,
            event_type=row.event_type,
            created_at=row.created_at,
            **values,
        )
        .on_conflict_do_update(index_elements=[_D.org_id, _D.endpoint_id, _D.seq], set_=values)
    )
    own = and_(_D.org_id == row.org_id, _D.endpoint_id == row.endpoint_id)
    oldest_kept = select(_D.seq).where(own).order_by(_D.seq.desc()).offset(kept - 1).limit(1).scalar_subquery()
    await conn.execute(delete(webhook_deliveries).where(own, _D.seq < oldest_kept))


async def give_up_pending(conn: AsyncConnection, org_id: uuid.UUID, endpoint_id: uuid.UUID) -> None:
    """Note that no attempt follows by itself for what was to be sent again."""
    await conn.execute(
        update(webhook_deliveries)
        .where(_D.org_id == org_id, _D.endpoint_id == endpoint_id, _D.state == DeliveryState.PENDING.value)
        .values(state=DeliveryState.FAILED.value, next_attempt_at=None)
    )


async def list_deliveries(
    conn: AsyncConnection,
    org_id: uuid.UUID,
    endpoint_id: uuid.UUID,
    *,
    state: DeliveryState | None,
    before_seq: int | None,
    limit: int,
) -> list[Delivery]:
    """Newest event first."""
    query = select(webhook_deliveries).where(_D.org_id == org_id, _D.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(_D.state == state.value)
    if before_seq is not None:
        query = query.where(_D.seq < before_seq)
    found = await conn.execute(query.order_by(_D.seq.desc()).limit(limit))
    return [from_row_delivery(row) for row in found]


def from_row_endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(
        org_id=row.org_id,
        endpoint_id=row.endpoint_id,
        url=row.url,
        description=row.description,
        event_types=tuple(row.event_types),
        state=EndpointState(row.state),
        paused_reason=None if row.paused_reason is None else PausedReason(row.paused_reason),
        secret=row.secret,
        previous_secret=row.previous_secret,
        previous_secret_expires_at=row.previous_secret_expires_at,
        handled_seq=row.handled_seq,
        failure_count=row.failure_count,
        next_attempt_at=row.next_attempt_at,
        revision=row.revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def from_row_delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        org_id=row.org_id,
        endpoint_id=row.endpoint_id,
        seq=row.seq,
        event_id=row.event_id,
        event_type=row.event_type,
        state=DeliveryState(row.state),
        attempt_count=row.attempt_count,
        answer=Answer(row.status_code, row.error, row.response_snippet),
        created_at=row.created_at,
        last_attempt_at=row.last_attempt_at,
        next_attempt_at=row.next_attempt_at,
        delivered_at=row.delivered_at,
    )


def _is(org_id: uuid.UUID, endpoint_id: uuid.UUID) -> ColumnElement[bool]:
    return and_(_E.org_id == org_id, _E.endpoint_id == endpoint_id)


def _changeable(row: Endpoint) -> dict[str, object]:
    return {
        "url": row.url,
        "description": row.description,
        "event_types": list(row.event_types),
        "state": row.state.value,
        "paused_reason": None if row.paused_reason is None else row.paused_reason.value,
        "secret": row.secret,
        "previous_secret": row.previous_secret,
        "previous_secret_expires_at": row.previous_secret_expires_at,
        "handled_seq": row.handled_seq,
        "failure_count": row.failure_count,
        "next_attempt_at": row.next_attempt_at,
        "revision": row.revision,
        "updated_at": row.updated_at,
    }
