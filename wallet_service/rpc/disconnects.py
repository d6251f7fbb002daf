"""Callers that hang up are noticed, but not looked for while a call is quick.

connectrpc gives every call that waits for anything a task of its own, which listens for the caller's disconnect and is
cancelled when the call ends. That was a seventh of the interpreter's time of a balance (py-spy), for calls that are over
before anybody could hang up. Here the task begins when the call has lasted for a while.
"""

import asyncio
import contextlib
from typing import Any, Final

from connectrpc import _server_async

WATCH_AFTER_SECONDS: Final = 0.05
"""A call that has ended by then is not watched. A caller who hangs up earlier is noticed then."""


def install() -> None:
    """From now on calls in this process are watched like this."""
    _server_async.AsyncioLoop.watch_for_disconnect = _watch_later  # pyright: ignore[reportAttributeAccessIssue]


def _watch_later(loop: object, receive: Any, scope: asyncio.Timeout, *, cancel: bool = True) -> "_Watch":
    del loop, cancel  # asyncio always cancels.
    return _Watch(receive, scope)


class _Watch:
    """While it is open, a disconnect ends the call's time, which cancels its handler where that waits."""

    __slots__ = ("_receive", "_scope", "_task", "_timer")

    def __init__(self, receive: Any, scope: asyncio.Timeout) -> None:
        self._receive = receive
        self._scope = scope
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._begin)

    async def __aexit__(self, *error: object) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        await self._receive.body_done.wait()
        # A failure to listen is not the call's.
        with contextlib.suppress(Exception):
            while not self._receive.disconnected:
                await self._receive()
        # The deadline may have passed meanwhile; its cancellation is on its way.
        if self._receive.disconnected and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())
