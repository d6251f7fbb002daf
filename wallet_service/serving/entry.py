"""The ASGI callable that pyvoy imports inside Envoy.

It builds the application at lifespan startup, never at import, and makes `receive` and `send` what the ASGI specification
says:

- Both safe to cancel. connectrpc cancels them when a call ends, its deadline passes or its caller hangs up, and pyvoy would
  then resolve a cancelled future (InvalidStateError).
- `receive` waiting, once the body has ended, until the caller hangs up. For a request without a body (a GET) pyvoy answers
  at once, every time, that the body has ended; whoever waits for the disconnect would never let go of the event loop. Of a
  gRPC call it says so by futures, as often as it is asked: three quarters of the time of the interpreter went into asking.

A socket to the parent process carries both ways: the parent says when the drain begins, and hears once a second that the
event loop turns.
"""

import asyncio
import importlib
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

FACTORY_VARIABLE: Final = "WALLET_SERVING_FACTORY"
PARENT_FD_VARIABLE: Final = "WALLET_SERVING_PARENT_FD"

BEAT_SECONDS: Final = 1.0
"""How often the event loop says that it turns."""

DISCONNECT_POLL_SECONDS: Final = 0.05
"""How soon a request whose body has ended is asked whether its caller is still there; then after twice as long each time."""
DISCONNECT_POLL_SECONDS_MAX: Final = 1.0
"""A thousand streams that are idle, asked every 0.05 s, took half a core."""

_ENVOY_ONLY_VARIABLES: Final = ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "PYTHONHOME")

AppFactory = Callable[[asyncio.Event], ASGIApp]


def load_factory(path: str) -> AppFactory:
    """The factory at `module:attribute`."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def shield_receive(receive: Receive) -> Receive:
    """`receive`, safe to cancel and to repeat: no event is lost, and the end of the body is told once."""
    pending: asyncio.Future[Message] | None = None
    ended = False
    pause_seconds = DISCONNECT_POLL_SECONDS

    async def receive_shielded() -> Message:
        nonlocal pending, ended, pause_seconds
        while True:
            event = receive() if pending is None else pending
            if asyncio.isfuture(event):
                pending = event
                message = await asyncio.shield(event)
                pending = None
            else:
                # What has arrived already comes as a plain awaitable, which nothing can cancel.
                message = await event
            is_end = message["type"] == "http.request" and not message.get("more_body", False)
            if not (ended and is_end):
                ended = is_end
                return message
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, DISCONNECT_POLL_SECONDS_MAX)

    return receive_shielded


def shield_send(send: Send) -> Send:
    """`send`, safe to cancel: what it was given is sent all the same, or fails without a sound."""

    async def send_shielded(message: Message) -> None:
        event = send(message)
        if not asyncio.isfuture(event):
            await event
            return
        try:
            await asyncio.shield(event)
        except asyncio.CancelledError:
            event.add_done_callback(_ignore_failure)
            raise

    return send_shielded


def _ignore_failure(event: asyncio.Future[None]) -> None:
    """Ask for it, so that it is not logged as never retrieved."""
    if not event.cancelled():
        event.exception()


class HostedApp:
    """The application inside Envoy: made at startup, told of the drain by the parent process."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None
        self._parent: socket.socket | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._app = self._build()
            await self._app(scope, receive, send)
            return
        assert self._app is not None, "pyvoy serves only after lifespan startup"
        await self._app(scope, shield_receive(receive), shield_send(send))

    def _build(self) -> ASGIApp:
        # Processes that the application starts must not load Envoy's libpython.
        for name in _ENVOY_ONLY_VARIABLES:
            os.environ.pop(name, None)
        draining = asyncio.Event()
        parent = self._parent = socket.socket(fileno=int(os.environ[PARENT_FD_VARIABLE]))
        parent.setblocking(False)
        loop = asyncio.get_running_loop()

        def on_drain() -> None:
            loop.remove_reader(parent)
            draining.set()

        def beat() -> None:
            # A parent that does not listen leaves it full.
            with suppress(OSError):
                parent.send(b".")
            loop.call_later(BEAT_SECONDS, beat)

        # Readable means a byte from the parent, or its end.
        loop.add_reader(parent, on_drain)
        beat()
        return load_factory(os.environ[FACTORY_VARIABLE])(draining)


app: Final = HostedApp()
