"""Lanes of usage: concurrent calls share transactions.

There is no timer: a batch is what waits when the one before it has committed, whole calls up to a number of events, all of
one moment: calls of organizations that live in another time are recorded in batches of their own.
`lane_of` puts all calls of one organization in one lane. A call that the database refuses does not take others with it: the
batch is cut in two until that call is alone and fails alone. When the database is out of reach every caller of the batch
learns so, and sends the same events again: their keys make that safe.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from wallet_service.clock import at
from wallet_service.errors import Code, Reason, ServiceError, overloaded
from wallet_service.usage.model import Call, CallResult

BATCH_EVENTS_MAX: Final = 2000
QUEUE_EVENTS_MAX: Final = 50_000

Commit = Callable[[Sequence[Call]], Awaitable[Sequence[CallResult]]]
"""Decides and writes calls in one transaction of its own; results call by call."""


@dataclass(slots=True)
class _Waiting:
    call: Call
    future: "asyncio.Future[CallResult]"


class UsageLanes:
    """Queues calls and commits them in batches. Used between `async with` and its end, which commits what is queued."""

    def __init__(
        self,
        commit: Commit,
        *,
        lane_of: Callable[[UUID], int],
        batch_events_max: int = BATCH_EVENTS_MAX,
        queue_events_max: int = QUEUE_EVENTS_MAX,
    ) -> None:
        """A call of more events than `batch_events_max` is a batch of its own. `queue_events_max` is for each lane."""
        self._commit = commit
        self._lane_of = lane_of
        self._batch_events_max = batch_events_max
        self._queue_events_max = queue_events_max
        self._lanes: dict[int, _Lane] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        await asyncio.gather(*(lane.drain() for lane in self._lanes.values()))

    async def submit(self, call: Call) -> CallResult:
        """The result of each event, once durable. A caller that stops waiting does not undo anything.

        Raises RESOURCE_EXHAUSTED / OVERLOADED when too much is waiting, and what the commit raises.
        """
        if self._closed:
            raise _stopping()
        number = self._lane_of(call.org_id)
        lane = self._lanes.get(number)
        if lane is None:
            lane = self._lanes[number] = _Lane(
                self._commit, batch_events_max=self._batch_events_max, queue_events_max=self._queue_events_max
            )
        return await lane.enqueue(call)


class _Lane:
    """One queue and one task."""

    def __init__(self, commit: Commit, *, batch_events_max: int, queue_events_max: int) -> None:
        self._commit = commit
        self._batch_events_max = batch_events_max
        self._queue_events_max = queue_events_max
        self._queue: deque[_Waiting] = deque()
        self._event_count = 0
        self._draining = False
        self._wake = asyncio.Event()
        # In a context of its own: the lane works for many callers, and inherits nothing of the first.
        self._task = asyncio.create_task(self._run(), name="usage-lane", context=Context())

    def enqueue(self, call: Call) -> "asyncio.Future[CallResult]":
        if self._queue and self._event_count + len(call.events) > self._queue_events_max:
            raise overloaded()
        waiting = _Waiting(call, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._event_count += len(call.events)
        self._wake.set()
        return waiting.future

    async def drain(self) -> None:
        """Commit what is queued, then stop."""
        self._draining = True
        self._wake.set()
        await self._task

    async def _run(self) -> None:
        while self._queue or not self._draining:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._settle(self._next_batch())
            # Let the callers that were just answered queue their next call, so that they share the next batch.
            await asyncio.sleep(0)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        event_count = 0
        while self._queue:
            call = self._queue[0].call
            size = len(call.events)
            if batch and (event_count + size > self._batch_events_max or call.moment != batch[0].call.moment):
                break
            event_count += size
            batch.append(self._queue.popleft())
        self._event_count -= event_count
        return batch

    async def _settle(self, batch: list[_Waiting]) -> None:
        """Give every caller of the batch its results or an error."""
        try:
            with at(batch[0].call.moment):
                results = await self._commit([waiting.call for waiting in batch])
        except Exception as error:
            if len(batch) == 1 or isinstance(error, ServiceError):
                _fail(batch, error)
                return
        except BaseException:
            _fail(batch, _stopping())
            raise
        else:
            for waiting, of_call in zip(batch, results, strict=True):
                if not waiting.future.done():
                    waiting.future.set_result(of_call)
            return
        middle = len(batch) // 2
        await self._settle(batch[:middle])
        await self._settle(batch[middle:])


def _fail(batch: list[_Waiting], error: Exception) -> None:
    """Empties `batch`: the error's traceback holds the frame that has it, and with it every event of these calls would stay
    until garbage is collected, which may be hundreds of calls later."""
    for waiting in batch:
        if not waiting.future.done():
            waiting.future.set_exception(error)
    batch.clear()


def _stopping() -> ServiceError:
    return ServiceError(
        Code.UNAVAILABLE,
        Reason.OVERLOADED,
        "the service is stopping; send the same events again",
        retry_after=timedelta(seconds=1),
    )
