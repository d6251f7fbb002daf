"""The loop that sends events: in order to each endpoint, to many endpoints at once."""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service import background, names
from wallet_service.accounts import steps as accounts
from wallet_service.clock import Clock
from wallet_service.db import DATABASE_FAILURES, Database
from wallet_service.errors import ServiceError
from wallet_service.event_webhooks import attempts, store
from wallet_service.event_webhooks.model import Attempts, Endpoint, EndpointState
from wallet_service.event_webhooks.rules import concerns, signing_secrets
from wallet_service.event_webhooks.sending import TIMEOUT, Connection, Sender
from wallet_service.events import steps as events
from wallet_service.events.model import Event
from wallet_service.tenancy import of, within

TimeOf = Callable[[UUID], AbstractAsyncContextManager[object]]
"""Enters the time of an organization and its data, for whoever begins work for it."""

LEASE: Final = timedelta(seconds=90)
TURN: Final = timedelta(seconds=20)
"""After this long an endpoint lets others have their turn. Turn and one last request end well before the lease does."""

AT_ONCE_MAX: Final = 32
_READ_MAX: Final = 100
_PAUSE: Final = timedelta(milliseconds=500)
_PAUSE_MAX: Final = timedelta(seconds=15)
_ROUNDS_MAX: Final = 100
_log: Final = structlog.get_logger("wallet.event_webhooks")

assert TURN + 2 * TIMEOUT < LEASE


class WebhookDispatcher:
    """Sends what endpoints have not got yet. Any number of these may run: an endpoint is leased by one at a time.

    Of the turns at a time half may be repetitions: endpoints that failed before, most often by being slow, leave room for
    the others, however many they are.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        sender: Sender,
        *,
        time_of: TimeOf,
        machine_clock: Clock,
        at_once: int = AT_ONCE_MAX,
    ) -> None:
        """`clock` shows the time of the organization being worked for; leases and signatures are in the machine's.

        `at_once`: turns at a time, at least 2.
        """
        self._db = db
        self._clock = clock
        self._sender = sender
        self._time_of = time_of
        self._machine_clock = machine_clock
        self._stopping = asyncio.Event()
        self._at_once = at_once
        self._free = asyncio.Semaphore(at_once)
        self._repeating_count = 0

    async def run(self) -> None:
        """Look again and again until `stop`; a database that goes away is waited for."""
        pause = _PAUSE
        async with asyncio.TaskGroup() as turns:
            while not self._stopping.is_set():
                try:
                    # A slow endpoint keeps its own place only: the others are looked for again meanwhile.
                    count = await self._begin_turns(turns)
                    pause = timedelta(0) if count else _PAUSE
                except (ServiceError, *DATABASE_FAILURES) as error:
                    pause = min(max(2 * pause, _PAUSE), _PAUSE_MAX)
                    _log.warning("webhook_round_failed", error=repr(error))
                await background.pause(pause, unless=self._stopping)

    async def stop(self) -> None:
        """End `run` when the requests that are under way have been answered."""
        self._stopping.set()

    async def next_due(self, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """When the earliest repeated attempt is due; first attempts are made at once and need no time to pass."""
        return await self._db.read(lambda conn: store.next_retries(conn, org_ids))

    async def run_due(self, org_id: UUID | None) -> int:
        """Send what is due, of one organization or of all in real time (and first attempts of all); how many turns."""
        turn_count = 0
        for _ in range(_ROUNDS_MAX):
            lease_id, leased = await self._lease(org_id, limit=self._at_once)
            if not leased:
                break
            await asyncio.gather(*(self._turn(endpoint, lease_id) for endpoint in leased))
            turn_count += len(leased)
        return turn_count

    async def _begin_turns(self, turns: asyncio.TaskGroup) -> int:
        await self._free.acquire()
        room = 1
        while not self._free.locked():
            await self._free.acquire()
            room += 1
        begun_count = 0
        try:
            for which in (Attempts.FIRST, Attempts.REPEATED):
                limit = room - begun_count
                if which is Attempts.REPEATED:
                    limit = min(limit, self._at_once // 2 - self._repeating_count)
                lease_id, leased = await self._lease(None, limit=limit, which=which)
                for endpoint in leased:
                    self._repeating_count += which is Attempts.REPEATED
                    turns.create_task(self._turn_and_free(endpoint, lease_id, which))
                begun_count += len(leased)
        finally:
            for _ in range(room - begun_count):
                self._free.release()
        return begun_count

    async def _turn_and_free(self, endpoint: Endpoint, lease_id: UUID, which: Attempts) -> None:
        try:
            await self._turn(endpoint, lease_id)
        finally:
            self._repeating_count -= which is Attempts.REPEATED
            self._free.release()

    async def _lease(
        self, org_id: UUID | None, *, limit: int, which: Attempts = Attempts.ALL
    ) -> tuple[UUID, list[Endpoint]]:
        """None of them with a `limit` of 0."""
        machine_now, lease_id = self._machine_clock.now(), uuid.uuid4()

        if limit == 0:
            return lease_id, []

        async def work(conn: AsyncConnection) -> list[Endpoint]:
            return await store.lease(
                conn,
                lease_id=lease_id,
                machine_now=machine_now,
                expires_at=machine_now + LEASE,
                retries_due_at=self._clock.now(),
                org_id=org_id,
                limit=limit,
                which=which,
            )

        with within(of(org_id)):
            return lease_id, await self._db.transact(work)

    async def _turn(self, endpoint: Endpoint, lease_id: UUID) -> None:
        """Send until nothing is left, an attempt fails or the turn is over. Failures of ours are logged: others go on."""
        try:
            async with self._time_of(endpoint.org_id):
                async with self._sender.connection(endpoint.url) as connection:
                    await self._send_in_order(endpoint, lease_id, connection)
                await self._db.transact(
                    lambda conn: store.release(
                        conn, endpoint.org_id, endpoint.endpoint_id, lease_id, machine_now=self._machine_clock.now()
                    )
                )
        except Exception as error:
            # Not given back: whatever is wrong is met again when the lease ends, and not at once.
            _log.exception("webhook_turn_failed", endpoint_id=str(endpoint.endpoint_id), error=repr(error))

    async def _send_in_order(self, endpoint: Endpoint, lease_id: UUID, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        over = loop.time() + TURN.total_seconds()
        seq = endpoint.handled_seq
        slug, found = await self._events_after(endpoint, seq)
        name = names.child("webhook-endpoints", slug, str(endpoint.endpoint_id))
        while found:
            for event in found:
                seq = event.seq
                if not concerns(endpoint, name, event_type=event.type, subject=event.subject):
                    continue
                if loop.time() >= over or self._stopping.is_set():
                    await self._skip_to(endpoint, lease_id, seq - 1)
                    return
                if not await self._attempt(endpoint, lease_id, connection, event, slug):
                    return
            if not await self._skip_to(endpoint, lease_id, seq):
                return
            _, found = await self._events_after(endpoint, seq)

    async def _attempt(
        self, endpoint: Endpoint, lease_id: UUID, connection: Connection, event: Event, slug: str
    ) -> bool:
        answer = await connection.send(
            event,
            org_slug=slug,
            secrets=signing_secrets(endpoint, self._clock.now()),
            machine_now=self._machine_clock.now(),
        )
        attempt = attempts.Attempt(event, answer, lease_id, slug, self._clock.now())
        return await self._db.transact(lambda conn: attempts.settle(conn, endpoint, attempt))

    async def _events_after(self, endpoint: Endpoint, seq: int) -> tuple[str, list[Event]]:
        async def work(conn: AsyncConnection) -> tuple[str, list[Event]]:
            owner = await accounts.organization(conn, endpoint.org_id)
            return owner.slug, await events.events_after(conn, endpoint.org_id, seq, limit=_READ_MAX)

        return await self._db.read(work)

    async def _skip_to(self, endpoint: Endpoint, lease_id: UUID, seq: int) -> bool:
        """Move the cursor over events that do not concern the endpoint; whether the turn may go on."""

        async def work(conn: AsyncConnection) -> bool:
            current = await store.leased_endpoint(conn, endpoint.org_id, endpoint.endpoint_id, lease_id)
            if current is None or current.revision != endpoint.revision:
                return False
            if seq > current.handled_seq:
                await store.move_cursor(conn, current.org_id, current.endpoint_id, seq)
            return current.state is EndpointState.ACTIVE

        return await self._db.transact(work)
