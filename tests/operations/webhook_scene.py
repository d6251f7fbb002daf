"""An organization, its webhook endpoints, their dispatcher, and a receiver on a real socket that answers as it is told."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from standardwebhooks import Webhook

from wallet_service.accounts.operations import Organizations
from wallet_service.clock import ManualClock, SystemClock
from wallet_service.db import Database
from wallet_service.event_webhooks.dispatch import AT_ONCE_MAX, WebhookDispatcher
from wallet_service.event_webhooks.model import Endpoint
from wallet_service.event_webhooks.operations import WebhookEndpoints
from wallet_service.event_webhooks.sending import Sender
from wallet_service.events.model import Event, EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.testclocks.times import OrganizationTimes

SILENT = 0
"""An answer that never comes."""


@dataclass
class Received:
    body: bytes
    headers: dict[str, str]

    @property
    def content(self) -> dict[str, Any]:
        return json.loads(self.body)

    def verify(self, secret: str) -> None:
        """Raises WebhookVerificationError unless the library of the specification accepts it."""
        Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """`answers` are the next answers, status and body; 204 when none is left."""

    url: str = ""
    received: list[Received] = field(default_factory=list[Received])
    answers: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    extra_headers: str = ""
    connection_count: int = 0
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def sequences(self) -> list[int]:
        return [each.content["sequence"] for each in self.received]

    async def wait_for(self, received_count: int) -> None:
        """Until so many requests have come. Raises TimeoutError."""
        async with asyncio.timeout(5), self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= received_count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_count += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                pairs = [line.partition(": ") for line in head.split("\r\n")[1:] if line]
                headers = {name.lower(): value for name, _, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                async with self.arrived:
                    self.received.append(Received(body, headers))
                    self.arrived.notify_all()
                status, answer = self.answers.pop(0) if self.answers else (204, b"")
                if status == SILENT:
                    await asyncio.sleep(3600)
                length = "" if status == 204 else f"content-length: {len(answer)}\r\n"
                writer.write(f"HTTP/1.1 {status} X\r\n{self.extra_headers}{length}\r\n".encode() + answer)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving(*, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Receiver]:
    receiver = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    receiver.url = f"{'https' if tls else 'http'}://localhost:{port}/hook?a=1"
    try:
        yield receiver
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class WebhookScene:
    db: Database
    clock: ManualClock
    org_id: UUID
    endpoints: WebhookEndpoints
    dispatcher: WebhookDispatcher
    sender: Sender
    stack: AsyncExitStack

    def another_dispatcher(self, at_once: int = AT_ONCE_MAX) -> WebhookDispatcher:
        time_of, machine_clock = OrganizationTimes(self.db).time_of, SystemClock()
        return WebhookDispatcher(
            self.db, self.clock, self.sender, time_of=time_of, machine_clock=machine_clock, at_once=at_once
        )

    async def receiver(self) -> Receiver:
        return await self.stack.enter_async_context(receiving())

    async def endpoint(self, url: str, *event_types: str, request_id: str = "") -> tuple[Endpoint, str]:
        return await self.endpoints.create(
            self.org_id, url=url, event_types=event_types, description="", request_id=request_id
        )

    async def happens(self, *names: str, happened: EventType = EventType.PROJECT_CREATED) -> list[Event]:
        told = [NewEvent(happened, f"projects/{name}", {"name": name}) for name in names]
        return list(await self.db.transact(lambda conn: append(conn, self.org_id, told, now=self.clock.now())))

    async def deliver(self) -> int:
        return await self.dispatcher.run_due(None)

    async def current(self, endpoint: Endpoint) -> Endpoint:
        return await self.endpoints.get(endpoint.org_id, endpoint.endpoint_id)


@asynccontextmanager
async def webhook_scene(db: Database, *, timeout: timedelta = timedelta(seconds=2)) -> AsyncGenerator[WebhookScene]:
    clock = ManualClock(datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC))
    org_id = (await Organizations(db, clock).create(slug="acme")).org_id
    sender, times = Sender(loopback_allowed=True, timeout=timeout), OrganizationTimes(db)
    async with AsyncExitStack() as stack:
        yield WebhookScene(
            db,
            clock,
            org_id,
            WebhookEndpoints(db, clock, sender, machine_clock=SystemClock()),
            WebhookDispatcher(db, clock, sender, time_of=times.time_of, machine_clock=SystemClock()),
            sender,
            stack,
        )
