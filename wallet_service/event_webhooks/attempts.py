"""Steps that decide what one attempt to send an event changes, and store it."""

import random
import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service import names
from wallet_service.event_webhooks import store
from wallet_service.event_webhooks.model import Answer, Delivery, DeliveryState, Endpoint, EndpointState, PausedReason
from wallet_service.event_webhooks.rules import (
    DELIVERIES_KEPT,
    JITTER_PERMILLE_MAX,
    is_gone,
    is_success,
    retry_delay,
)
from wallet_service.events.model import Event, EventType, NewEvent
from wallet_service.events.steps import append


@dataclass(frozen=True, slots=True)
class Attempt:
    """An event that was sent to an endpoint in its turn, under a lease, and what came back. `now` is the organization's."""

    event: Event
    answer: Answer
    lease_id: uuid.UUID
    org_slug: str
    now: datetime


async def settle(conn: AsyncConnection, endpoint: Endpoint, attempt: Attempt) -> bool:
    """Store an attempt: move the cursor, plan the next attempt, or pause the endpoint with an event.

    Whether the next event may be sent under the same lease: not after a failure, nor when the endpoint was changed,
    paused, deleted or leased to somebody else meanwhile.
    """
    current = await store.leased_endpoint(conn, endpoint.org_id, endpoint.endpoint_id, attempt.lease_id)
    if current is None:
        return False
    if is_success(attempt.answer):
        changed = replace(current, failure_count=0, next_attempt_at=None)
        changed = replace(changed, handled_seq=max(current.handled_seq, attempt.event.seq))
        paused_by = None
    else:
        changed, paused_by = _failed(current, attempt)
    await store.update_endpoint(conn, changed)
    await record(conn, current, attempt.event, attempt.answer, now=attempt.now, next_attempt_at=changed.next_attempt_at)
    if paused_by is not None:
        told = paused_event(changed, attempt.org_slug, seq=attempt.event.seq)
        await append(conn, endpoint.org_id, [told], now=attempt.now)
    return (
        is_success(attempt.answer) and current.state is EndpointState.ACTIVE and current.revision == endpoint.revision
    )


async def record(
    conn: AsyncConnection,
    endpoint: Endpoint,
    event: Event,
    answer: Answer,
    *,
    now: datetime,
    next_attempt_at: datetime | None,
) -> Delivery:
    """Note an attempt in the log of deliveries. A later failure does not undo that an event was delivered once."""
    before = await store.delivery(conn, endpoint.org_id, endpoint.endpoint_id, event.seq)
    if is_success(answer):
        state, delivered_at = DeliveryState.DELIVERED, now
    elif before is not None and before.delivered_at is not None:
        state, delivered_at = DeliveryState.DELIVERED, before.delivered_at
    else:
        state, delivered_at = DeliveryState.FAILED, None
        if next_attempt_at is not None:
            state = DeliveryState.PENDING
    row = Delivery(
        org_id=endpoint.org_id,
        endpoint_id=endpoint.endpoint_id,
        seq=event.seq,
        event_id=event.event_id,
        event_type=event.type,
        state=state,
        attempt_count=1 if before is None else before.attempt_count + 1,
        answer=answer,
        created_at=now if before is None else before.created_at,
        last_attempt_at=now,
        next_attempt_at=next_attempt_at if state is DeliveryState.PENDING else None,
        delivered_at=delivered_at,
    )
    await store.store_delivery(conn, row, kept=DELIVERIES_KEPT)
    return row


def paused_event(endpoint: Endpoint, org_slug: str, *, seq: int) -> NewEvent:
    """That an endpoint was paused, and which event is the first that it misses."""
    assert endpoint.paused_reason is not None, "it is paused"
    subject = names.child("webhook-endpoints", org_slug, str(endpoint.endpoint_id))
    facts = {"reason": endpoint.paused_reason.value, "sequence": seq, "url": endpoint.url}
    return NewEvent(EventType.WEBHOOK_ENDPOINT_PAUSED, subject, facts)


def _failed(current: Endpoint, attempt: Attempt) -> tuple[Endpoint, PausedReason | None]:
    """The endpoint after a failure, and why it is paused by it. One that is paused already stays as it is."""
    if current.state is EndpointState.PAUSED:
        return current, None
    failed = replace(current, failure_count=current.failure_count + 1)
    delay = retry_delay(failed.failure_count, random.randint(0, JITTER_PERMILLE_MAX))
    if delay is not None and not is_gone(attempt.answer):
        return replace(failed, next_attempt_at=attempt.now + delay), None
    reason = PausedReason.GONE if is_gone(attempt.answer) else PausedReason.FAILING
    paused = replace(
        failed,
        state=EndpointState.PAUSED,
        paused_reason=reason,
        next_attempt_at=None,
        updated_at=attempt.now,
    )
    return paused, reason
