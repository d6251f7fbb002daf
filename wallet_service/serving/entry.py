"""The ASGI callable that pyvoy imports inside Envoy.

It builds the application at lifespan startup, never at import, and shields a pending `receive()`: connectrpc cancels it when
a call ends or its deadline passes, and pyvoy would then resolve a cancelled future (InvalidStateError).
"""

import asyncio
import importlib
import os
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

FACTORY_VARIABLE: Final = "WALLET_SERVING_FACTORY"
DRAIN_FD_VARIABLE: Final = "WALLET_SERVING_DRAIN_FD"

_ENVOY_ONLY_VARIABLES: Final = ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "PYTHONHOME")

AppFactory = Callable[[asyncio.Event], ASGIApp]


def load_factory(path: str) -> AppFactory:
    """The factory at `module:attribute`."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def shield_receive(receive: Receive) -> Receive:
    """`receive`, safe to cancel: the event that was being waited for is kept for the next call."""
    pending: asyncio.Future[Message] | None = None

    async def receive_shielded() -> Message:
        nonlocal pending
        if pending is None:
            event = receive()
            # What has arrived already comes as a plain awaitable, which nothing can cancel.
            if not asyncio.isfuture(event):
                return await event
            pending = event
        message = await asyncio.shield(pending)
        pending = None
        return message

    return receive_shielded


class HostedApp:
    """The application inside Envoy: made at startup, told of the drain by a pipe from the parent process."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._app = self._build()
            await self._app(scope, receive, send)
            return
        assert self._app is not None, "pyvoy serves only after lifespan startup"
        await self._app(scope, shield_receive(receive), send)

    def _build(self) -> ASGIApp:
        # Processes that the application starts must not load Envoy's libpython.
        for name in _ENVOY_ONLY_VARIABLES:
            os.environ.pop(name, None)
        draining = asyncio.Event()
        drain_fd = int(os.environ[DRAIN_FD_VARIABLE])
        loop = asyncio.get_running_loop()

        def on_drain() -> None:
            loop.remove_reader(drain_fd)
            draining.set()

        # Readable means a byte from the parent, or its end.
        loop.add_reader(drain_fd, on_drain)
        return load_factory(os.environ[FACTORY_VARIABLE])(draining)


app: Final = HostedApp()
