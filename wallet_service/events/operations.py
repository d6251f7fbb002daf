"""Use cases of events: list them from any number on, and follow them as they are written."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.events import store
from wallet_service.events.feed import EventFeed, Subscription
from wallet_service.events.model import Event, Watched
from wallet_service.events.rules import check_event_types, split_filter
from wallet_service.pages import Page, decode_token, page_of, page_size, query_digest

HEARTBEAT: Final = timedelta(seconds=15)
"""An idle stream says this often that it is alive."""

_READ_MAX: Final = 100


class EventLog:
    """The events of an organization."""

    def __init__(self, db: Database, feed: EventFeed, *, heartbeat: timedelta = HEARTBEAT) -> None:
        self._db = db
        self._feed = feed
        self._heartbeat_seconds = heartbeat.total_seconds()

    async def list(
        self, org_id: UUID, *, after_seq: int, event_types: Sequence[str], size: int, token: str
    ) -> Page[Event]:
        """Events numbered higher than `after_seq`, in order. Raises INVALID_FIELD for a filter that can match nothing."""
        check_event_types(event_types, "event_types")
        limit, digest = page_size(size), query_digest("events", org_id, after_seq, sorted(event_types))
        key = decode_token(token, digest, [int])
        start = after_seq if key is None else int(key[0])

        async def work(conn: AsyncConnection) -> Page[Event]:
            _, rows = await _read(conn, org_id, start, event_types, limit=limit + 1)
            return page_of(rows, size=limit, digest=digest, key=lambda event: (event.seq,))

        return await self._db.read(work)

    async def watch(
        self, org_id: UUID, *, after_seq: int | None, event_types: Sequence[str]
    ) -> AsyncGenerator[Watched]:
        """Events numbered higher than `after_seq` (None: than the newest one), then each as it is written, without end.

        Between events a `Watched` without one, at least every 15 seconds and first of all when there is nothing to replay.
        Nothing is held while the consumer thinks: no connection, and at most 100 events. Raises INVALID_FIELD,
        TOO_MANY_RESOURCES, and UNAVAILABLE when the service is shutting down.
        """
        check_event_types(event_types, "event_types")
        loop = asyncio.get_running_loop()
        with self._feed.subscribe(org_id) as subscription:
            cursor = await self._head(org_id) if after_seq is None else after_seq
            sign_of_life_seconds = loop.time()
            while True:
                _check_open(subscription)
                subscription.changed.clear()
                head, found = await self._next(org_id, cursor, event_types)
                for event in found:
                    cursor = event.seq
                    yield Watched(event, cursor)
                    _check_open(subscription)
                    sign_of_life_seconds = loop.time() + self._heartbeat_seconds
                if len(found) == _READ_MAX:
                    continue
                cursor = max(cursor, head)
                if loop.time() >= sign_of_life_seconds:
                    yield Watched(None, cursor)
                    sign_of_life_seconds = loop.time() + self._heartbeat_seconds
                await _changed(subscription, until_seconds=sign_of_life_seconds)

    async def _next(self, org_id: UUID, cursor: int, event_types: Sequence[str]) -> tuple[int, Sequence[Event]]:
        return await self._db.read(lambda conn: _read(conn, org_id, cursor, event_types, limit=_READ_MAX))

    async def _head(self, org_id: UUID) -> int:
        return await self._db.read(lambda conn: store.head(conn, org_id))


async def _read(
    conn: AsyncConnection, org_id: uuid.UUID, after: int, event_types: Sequence[str], *, limit: int
) -> tuple[int, Sequence[Event]]:
    """The newest number, and events of one snapshot with it: fewer than `limit` are all up to that number."""
    exact, prefixes = split_filter(event_types)
    head = await store.head(conn, org_id)
    found = await store.after(conn, org_id, after, limit=limit, types=exact, type_prefixes=prefixes)
    return head, found


async def _changed(subscription: Subscription, *, until_seconds: float) -> None:
    try:
        async with asyncio.timeout_at(until_seconds):
            await subscription.changed.wait()
    except TimeoutError:
        return


def _check_open(subscription: Subscription) -> None:
    if subscription.is_closed:
        raise ServiceError(
            Code.UNAVAILABLE,
            Reason.OVERLOADED,
            "this server is shutting down; continue after the last number that you have",
            retry_after=timedelta(seconds=1),
        )
