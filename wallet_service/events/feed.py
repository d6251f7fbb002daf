"""Who waits for events in this process: one question for all of them, whatever their number."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from wallet_service.background import beside
from wallet_service.db import DATABASE_FAILURES, Database
from wallet_service.errors import Code, Reason, ServiceError

STREAMS_MAX: Final = 2_000
STREAMS_OF_ORGANIZATION_MAX: Final = 50

_POLL: Final = timedelta(milliseconds=250)
_HEADS: Final = "SELECT org_id, seq FROM event_heads WHERE org_id = ANY($1::uuid[])"
_log: Final = structlog.get_logger("wallet.events")


class Subscription:
    """`changed` is set when the organization may have a new event, or `is_closed` has become true."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.is_closed = False


class EventFeed:
    """Tells subscriptions that something new is there. It holds no events: whoever is told reads them by itself."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._subscriptions: dict[UUID, set[Subscription]] = {}
        self._heads: dict[UUID, int] = {}
        self._closing = asyncio.Event()

    @contextmanager
    def subscribe(self, org_id: UUID) -> Generator[Subscription]:
        """Be told within the block. Raises TOO_MANY_RESOURCES."""
        own = self._subscriptions.setdefault(org_id, set())
        everyone = sum(len(each) for each in self._subscriptions.values())
        if len(own) >= STREAMS_OF_ORGANIZATION_MAX or everyone >= STREAMS_MAX:
            raise _too_many()
        made = Subscription()
        made.is_closed = self._closing.is_set()
        own.add(made)
        try:
            yield made
        finally:
            own.discard(made)
            if not own and self._subscriptions.get(org_id) is own:
                del self._subscriptions[org_id]
                self._heads.pop(org_id, None)

    @asynccontextmanager
    async def running(self, draining: asyncio.Event) -> AsyncGenerator[None]:
        """Poll until the block ends; every subscription is closed when `draining` is set."""

        async def stop() -> None:
            self._closing.set()

        async with beside(self._run(draining), stop=stop):
            yield

    async def _run(self, draining: asyncio.Event) -> None:
        while not (draining.is_set() or self._closing.is_set()):
            try:
                await self._poll()
            except (ServiceError, *DATABASE_FAILURES) as error:
                _log.warning("event_feed_failed", error=repr(error))
            await _first_of(draining, self._closing, within=_POLL)
        self._closing.set()
        for own in self._subscriptions.values():
            for subscription in own:
                subscription.is_closed = True
                subscription.changed.set()

    async def _poll(self) -> None:
        if not self._subscriptions:
            return
        rows = await self._db.fetch(_HEADS, list(self._subscriptions))
        self._tell({row["org_id"]: row["seq"] for row in rows})

    def _tell(self, heads: Mapping[UUID, int]) -> None:
        for org_id, seq in heads.items():
            own = self._subscriptions.get(org_id)
            if own and self._heads.get(org_id) != seq:
                self._heads[org_id] = seq
                for subscription in own:
                    subscription.changed.set()


async def _first_of(*signals: asyncio.Event, within: timedelta) -> None:
    waits = [asyncio.create_task(signal.wait()) for signal in signals]
    try:
        await asyncio.wait(waits, timeout=within.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _too_many() -> ServiceError:
    return ServiceError(
        Code.RESOURCE_EXHAUSTED,
        Reason.TOO_MANY_RESOURCES,
        f"an organization watches its events at most {STREAMS_OF_ORGANIZATION_MAX} times at once, a server {STREAMS_MAX}",
        metadata={"kind": "event stream", "maximum": str(STREAMS_OF_ORGANIZATION_MAX)},
        retry_after=timedelta(seconds=5),
    )
