"""A webhook receiver on a real socket: it keeps raw deliveries and answers as it is told."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

WAIT_SECONDS_MAX = 30


@dataclass
class Received:
    raw: bytes
    headers: dict[str, str]


@dataclass
class Receiver:
    """`answers` are the status codes of the next deliveries; 200 when none is left."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: Request) -> Response:
        async with self.arrived:
            self.received.append(Received(await request.body(), dict(request.headers)))
            self.arrived.notify_all()
        return Response(status_code=self.answers.pop(0) if self.answers else 200)

    async def wait_for(self, received_count: int) -> None:
        """Until so many deliveries have come; raises TimeoutError after a while."""
        async with asyncio.timeout(WAIT_SECONDS_MAX), self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= received_count)


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver, None]:
    receiver = Receiver()
    listener = socket.create_server(("127.0.0.1", 0))
    receiver.url = f"http://127.0.0.1:{listener.getsockname()[1]}/webhooks/test"
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 1
    stop = asyncio.Event()
    app: Any = Starlette(routes=[Route("/webhooks/test", receiver.take, methods=["POST"])])
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield receiver
    finally:
        stop.set()
        await server
