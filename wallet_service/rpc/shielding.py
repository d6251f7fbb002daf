"""Writes that finish although the caller has hung up.

connectrpc cancels a handler when its deadline passes or its client disconnects. A write runs in a task of its own instead:
the caller's cancellation ends the waiting, not the work, and a retry with the same key gets the first answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, Final, TypeVar

import structlog
from connectrpc.method import IdempotencyLevel
from connectrpc.request import RequestContext

from wallet_service.rpc.admission import Place
from wallet_service.rpc.call import current_call

T = TypeVar("T")
REQ = TypeVar("REQ")
RES = TypeVar("RES")

WRITE_SECONDS_MAX: Final = 60
"""No write takes longer; one that does is cancelled, and its transaction rolls back."""

_ENDS_WITH_ITS_CALLER: Final = frozenset({"ExportUsage"})
"""Methods that may take as long as their deadline, move no money, and undo what they began when they are cancelled."""

_log: Final = structlog.get_logger("wallet.shielding")


class ShieldedWrites:
    """Holds the writes in flight, so that shutdown can wait for them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, write: Coroutine[Any, Any, T], place: Place | None = None) -> T:
        """Await `write`; when the awaiting task is cancelled, the write goes on, and its failure is logged.

        The write keeps its call's `place`: callers that leave make no room for more than the process can do.
        """
        task = asyncio.create_task(_bounded(write))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if place is not None:
            place.keep()
            task.add_done_callback(lambda _: place.let_go())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_log_unseen_failure)
            raise

    async def drain(self, bound: timedelta) -> int:
        """Wait for the writes in flight; returns how many were still running after `bound` and have been cancelled."""
        if not self._tasks:
            return 0
        _, late = await asyncio.wait(self._tasks, timeout=bound.total_seconds())
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return len(late)


class WriteShield:
    """Every method that is not a read runs shielded, from authorization on to its record in the audit log, but for a few
    that take longer."""

    def __init__(self, writes: ShieldedWrites) -> None:
        self._writes = writes

    async def intercept_unary(
        self,
        call_next: Callable[[REQ, RequestContext[REQ, RES]], Awaitable[RES]],
        request: REQ,
        ctx: RequestContext[REQ, RES],
        /,
    ) -> RES:
        is_read = ctx.method.idempotency_level is IdempotencyLevel.NO_SIDE_EFFECTS
        if is_read or ctx.method.name in _ENDS_WITH_ITS_CALLER:
            return await call_next(request, ctx)

        async def write() -> RES:
            return await call_next(request, ctx)

        return await self._writes.run(write(), current_call().place)


async def _bounded(write: Coroutine[Any, Any, T]) -> T:
    async with asyncio.timeout(WRITE_SECONDS_MAX):
        return await write


def _log_unseen_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.warning("write_failed_after_caller_left", exc_info=error)
