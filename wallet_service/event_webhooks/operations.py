"""Use cases of webhook endpoints."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from wallet_service import names
from wallet_service.accounts import steps as accounts
from wallet_service.audit_log.pending import note_before
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError, not_found
from wallet_service.event_webhooks import attempts, store
from wallet_service.event_webhooks.model import Delivery, DeliveryState, Endpoint, EndpointState, PausedReason
from wallet_service.event_webhooks.rules import (
    ENDPOINTS_MAX,
    OLD_SECRET_SIGNS_FOR,
    signing_secrets,
)
from wallet_service.event_webhooks.sending import Sender
from wallet_service.events import steps as events
from wallet_service.events.model import Data, Event, EventType, NewEvent
from wallet_service.events.rules import check_event_types
from wallet_service.events.steps import append
from wallet_service.pages import Page, decode_id, decode_token, page_of, page_size, query_digest
from wallet_service.requests.operations import claim

_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChange:
    """What to change; None leaves it. `skip_missed` goes with a change to ACTIVE."""

    url: str | None = None
    event_types: tuple[str, ...] | None = None
    description: str | None = None
    state: EndpointState | None = None
    skip_missed: bool = False


class WebhookEndpoints:
    """Create, read, change and remove endpoints; rotate secrets, test, look at deliveries and repeat them."""

    def __init__(self, db: Database, clock: Clock, sender: Sender, *, machine_clock: Clock) -> None:
        """Signatures carry the time of `machine_clock`, whatever time the organization lives in."""
        self._db = db
        self._clock = clock
        self._sender = sender
        self._machine_clock = machine_clock

    async def create(
        self, org_id: UUID, *, url: str, event_types: Sequence[str], description: str, request_id: str
    ) -> tuple[Endpoint, str]:
        """Register an endpoint for what happens from now on; it, and its secret, which is never told again.

        A repeated `request_id` answers with the endpoint and no secret. Raises URL_REFUSED, INVALID_FIELD,
        TOO_MANY_RESOURCES, IDEMPOTENCY_KEY_REUSED.
        """
        check_event_types(event_types, "event_types")
        await self._sender.check(url)
        now = self._clock.now()
        made = _fresh(org_id, url=url, event_types=event_types, description=description, now=now)

        async def work(conn: AsyncConnection) -> tuple[Endpoint, str]:
            owner = await accounts.organization(conn, org_id)
            first = await claim(
                conn,
                org_id=org_id,
                method="CreateWebhookEndpoint",
                request_id=request_id,
                content={"url": url, "event_types": ",".join(event_types), "description": description},
                resource=str(made.endpoint_id),
                now=now,
            )
            if first is not None:
                return await _endpoint(conn, org_id, UUID(first)), ""
            # The event comes first here: its lock lets no two endpoints be counted at once.
            told = _event(EventType.WEBHOOK_ENDPOINT_CREATED, owner.slug, made, {"url": url})
            (written,) = await append(conn, org_id, [told], now=now)
            if await store.count_endpoints(conn, org_id) >= ENDPOINTS_MAX:
                raise _too_many()
            await store.insert_endpoint(conn, replace(made, handled_seq=written.seq))
            return replace(made, handled_seq=written.seq), made.secret

        return await self._db.transact(work)

    async def get(self, org_id: UUID, endpoint_id: UUID) -> Endpoint:
        """Raises RESOURCE_NOT_FOUND."""
        return await self._db.read(lambda conn: _endpoint(conn, org_id, endpoint_id))

    async def list(self, org_id: UUID, *, size: int, token: str) -> Page[Endpoint]:
        """Oldest first."""
        limit, digest = page_size(size), query_digest("webhook-endpoints", org_id)
        after = decode_id(token, digest)

        async def work(conn: AsyncConnection) -> Page[Endpoint]:
            rows = await store.list_endpoints(conn, org_id, after=after, limit=limit + 1)
            return page_of(rows, size=limit, digest=digest, key=lambda row: (str(row.endpoint_id),))

        return await self._db.read(work)

    async def update(self, org_id: UUID, endpoint_id: UUID, change: EndpointChange) -> Endpoint:
        """Change an endpoint, pause it, or resume it with what it missed. A change makes it be tried again at once.

        Raises RESOURCE_NOT_FOUND, URL_REFUSED, INVALID_FIELD.
        """
        if change.event_types is not None:
            check_event_types(change.event_types, "event_types.types")
        if change.url is not None:
            await self._sender.check(change.url)

        async def work(conn: AsyncConnection) -> Endpoint:
            now = self._clock.now()
            current = await _endpoint(conn, org_id, endpoint_id, lock=True)
            changed, happened = _changed(current, change, now)
            if not happened and not change.skip_missed:
                return current
            owner = await accounts.organization(conn, org_id)
            note_before(names.child("webhook-endpoints", owner.slug, str(endpoint_id)), _state_of(current))
            told = [_event(each, owner.slug, changed, _facts(each, changed)) for each in happened]
            await store.give_up_pending(conn, org_id, endpoint_id)
            await append(conn, org_id, told, now=now)
            if change.skip_missed and changed.state is EndpointState.ACTIVE:
                changed = replace(changed, handled_seq=await events.head(conn, org_id))
            await store.update_endpoint(conn, changed)
            return changed

        return await self._db.transact(work)

    async def delete(self, org_id: UUID, endpoint_id: UUID) -> None:
        """Remove an endpoint with its deliveries; a request under way may still arrive. Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> None:
            current = await _endpoint(conn, org_id, endpoint_id, lock=True)
            owner = await accounts.organization(conn, org_id)
            await store.delete_endpoint(conn, org_id, endpoint_id)
            told = _event(EventType.WEBHOOK_ENDPOINT_DELETED, owner.slug, current, {"url": current.url})
            await append(conn, org_id, [told], now=self._clock.now())

        await self._db.transact(work)

    async def rotate_secret(self, org_id: UUID, endpoint_id: UUID) -> tuple[str, datetime]:
        """A new secret, and until when the old one signs beside it: 24 hours. Raises RESOURCE_NOT_FOUND."""
        fresh = _new_secret()

        async def work(conn: AsyncConnection) -> datetime:
            now = self._clock.now()
            current = await _endpoint(conn, org_id, endpoint_id, lock=True)
            owner = await accounts.organization(conn, org_id)
            until = now + OLD_SECRET_SIGNS_FOR
            changed = replace(
                current,
                secret=fresh,
                previous_secret=current.secret,
                previous_secret_expires_at=until,
                revision=current.revision + 1,
                updated_at=now,
            )
            await store.update_endpoint(conn, changed)
            facts = {"url": changed.url, "secret_rotated": True}
            told = _event(EventType.WEBHOOK_ENDPOINT_UPDATED, owner.slug, changed, facts)
            await append(conn, org_id, [told], now=now)
            return until

        return fresh, await self._db.transact(work)

    async def send_test(self, org_id: UUID, endpoint_id: UUID) -> Event:
        """Write an event that this endpoint alone receives, in its turn, whatever its filter. Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> Event:
            current = await _endpoint(conn, org_id, endpoint_id)
            owner = await accounts.organization(conn, org_id)
            told = _event(EventType.WEBHOOK_ENDPOINT_TEST, owner.slug, current, {"url": current.url})
            (written,) = await append(conn, org_id, [told], now=self._clock.now())
            return written

        return await self._db.transact(work)

    async def list_deliveries(
        self, org_id: UUID, endpoint_id: UUID, *, state: DeliveryState | None, size: int, token: str
    ) -> Page[Delivery]:
        """The last 100, newest event first. Raises RESOURCE_NOT_FOUND."""
        limit, digest = page_size(size), query_digest("webhook-deliveries", org_id, endpoint_id, state)
        key = decode_token(token, digest, [int])

        async def work(conn: AsyncConnection) -> Page[Delivery]:
            await _endpoint(conn, org_id, endpoint_id)
            rows = await store.list_deliveries(
                conn,
                org_id,
                endpoint_id,
                state=state,
                before_seq=None if key is None else int(key[0]),
                limit=limit + 1,
            )
            return page_of(rows, size=limit, digest=digest, key=lambda row: (row.seq,))

        return await self._db.read(work)

    async def redeliver(self, org_id: UUID, endpoint_id: UUID, event_id: UUID) -> Delivery:
        """Send an event now, out of turn, once, also to a paused endpoint; whatever comes back is noted and answered.

        Raises RESOURCE_NOT_FOUND for an unknown endpoint or event.
        """

        async def look(conn: AsyncConnection) -> tuple[Endpoint, Event, str]:
            slug = (await accounts.organization(conn, org_id)).slug
            current = await _endpoint(conn, org_id, endpoint_id)
            event = await events.event(conn, org_id, event_id)
            if event is None:
                raise not_found("event", names.child("events", slug, str(event_id)))
            return current, event, slug

        endpoint, event, slug = await self._db.read(look)
        async with self._sender.connection(endpoint.url) as connection:
            answer = await connection.send(
                event,
                org_slug=slug,
                secrets=signing_secrets(endpoint, self._clock.now()),
                machine_now=self._machine_clock.now(),
            )

        async def note(conn: AsyncConnection) -> Delivery:
            await _endpoint(conn, org_id, endpoint_id, lock=True)
            planned = await store.delivery(conn, org_id, endpoint_id, event.seq)
            next_attempt_at = None if planned is None else planned.next_attempt_at
            return await attempts.record(
                conn, endpoint, event, answer, now=self._clock.now(), next_attempt_at=next_attempt_at
            )

        return await self._db.transact(note)


async def _endpoint(conn: AsyncConnection, org_id: UUID, endpoint_id: UUID, *, lock: bool = False) -> Endpoint:
    found = await store.endpoint(conn, org_id, endpoint_id, lock=lock)
    if found is None:
        owner = await accounts.organization(conn, org_id)
        raise not_found("webhook endpoint", names.child("webhook-endpoints", owner.slug, str(endpoint_id)))
    return found


def _fresh(org_id: UUID, *, url: str, event_types: Sequence[str], description: str, now: datetime) -> Endpoint:
    return Endpoint(
        org_id=org_id,
        endpoint_id=new_id(now),
        url=url,
        description=description,
        event_types=tuple(event_types),
        state=EndpointState.ACTIVE,
        paused_reason=None,
        secret=_new_secret(),
        previous_secret=None,
        previous_secret_expires_at=None,
        handled_seq=0,
        failure_count=0,
        next_attempt_at=None,
        revision=1,
        created_at=now,
        updated_at=now,
    )


def _changed(current: Endpoint, change: EndpointChange, now: datetime) -> tuple[Endpoint, list[EventType]]:
    """The endpoint after a change, and what happened by it."""
    wanted = replace(
        current,
        url=current.url if change.url is None else change.url,
        event_types=current.event_types if change.event_types is None else change.event_types,
        description=current.description if change.description is None else change.description,
    )
    happened = [] if wanted == current else [EventType.WEBHOOK_ENDPOINT_UPDATED]
    if change.state is EndpointState.PAUSED and current.state is EndpointState.ACTIVE:
        wanted = replace(wanted, state=EndpointState.PAUSED, paused_reason=PausedReason.MANUAL)
        happened.append(EventType.WEBHOOK_ENDPOINT_PAUSED)
    elif change.state is EndpointState.ACTIVE and current.state is EndpointState.PAUSED:
        wanted = replace(wanted, state=EndpointState.ACTIVE, paused_reason=None)
        happened.append(EventType.WEBHOOK_ENDPOINT_RESUMED)
    changed = replace(wanted, failure_count=0, next_attempt_at=None, revision=current.revision + 1, updated_at=now)
    return changed, happened


def _state_of(endpoint: Endpoint) -> Data:
    types = ",".join(endpoint.event_types)
    return {
        "url": endpoint.url,
        "state": endpoint.state.value,
        "event_types": types,
        "description": endpoint.description,
    }


def _facts(happened: EventType, endpoint: Endpoint) -> Data:
    if happened is EventType.WEBHOOK_ENDPOINT_PAUSED:
        return {"url": endpoint.url, "reason": PausedReason.MANUAL.value}
    return {"url": endpoint.url}


def _event(happened: EventType, org_slug: str, endpoint: Endpoint, facts: Data) -> NewEvent:
    return NewEvent(happened, names.child("webhook-endpoints", org_slug, str(endpoint.endpoint_id)), facts)


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _too_many() -> ServiceError:
    return ServiceError(
        Code.RESOURCE_EXHAUSTED,
        Reason.TOO_MANY_RESOURCES,
        f"an organization has at most {ENDPOINTS_MAX} webhook endpoints",
        metadata={"kind": "webhook endpoint", "maximum": str(ENDPOINTS_MAX)},
    )
