"""The lanes: gather what arrived while the last batch was at work, decide, lock, write, commit, resolve.

There is no timer: a batch is what waits when its turn comes. Two batches of a lane are at work at most: while the first
is written and committed, the second is read and decided on what the first leaves (its `Tip`). Only then it takes the
lock, which it gets when the first has committed, and compares the books' marks: every transaction that changes a ledger
draws a new mark, so equal marks mean that what was decided on is what is there. Otherwise it reads and decides again
under the lock. So Python and PostgreSQL work at the same time, and no answer depends on a guess.

`lane_of` puts all requests of one organization in one lane. Requests with one key are decided one after the other: in one
batch by `decide`, in two by the key that the first leaves. Any number of processes may do so at once: the book of an
organization is locked by one of them at a time.

What can go wrong, and what the callers see:
- 40001, 40P01, 55P03, XX000, or a connection lost before the commit was sent: nothing was posted, the batch runs again,
  at most `ATTEMPTS_MAX` times; then `LedgerUnavailable`.
- The connection lost while committing: `OutcomeUnknown`; whoever sends the same key again learns what happened.
- Anything else: the batch is cut in two until the request that provokes it is alone and fails alone with `PostFailed`.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ledger import store
from ledger.commands import Command, prepare
from ledger.errors import (
    LedgerClosed,
    LedgerUnavailable,
    OutcomeUnknown,
    PostFailed,
    QueueFull,
)
from ledger.ids import new_mark
from ledger.link import Link, driver_connection, sqlstate_of
from ledger.model import Outcome, Request
from ledger.posting import Decision, decide
from ledger.state import State, Tip
from ledger.store import Connection, Directory

BATCH_MAX: Final = 1000
QUEUE_MAX: Final = 20_000
LANES_MAX: Final = 64
ATTEMPTS_MAX: Final = 8
COMMIT_TIMEOUT_SECONDS: Final = 60
SPLIT_MIN: Final = 8
"""So many waiting requests are cut in two batches when no batch is at work."""

_RETRY_SECONDS_MAX: Final = 0.5
_RETRIED_STATES: Final = frozenset({"40001", "40P01", "55P03", "XX000", "57014"})


class Clock(Protocol):
    """Aware UTC now."""

    def now(self) -> datetime: ...


def one_lane(org_id: UUID) -> int:
    """Every organization in one lane: the best there is on one PostgreSQL server."""
    return 0


class Ledger:
    """Posts requests, in batches of its own or in a transaction of the caller's."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        *,
        lane_of: Callable[[UUID], int] = one_lane,
        batch_max: int = BATCH_MAX,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        """Each lane that is used keeps two connections of the engine's pool.

        `lane_of` gives at most 64 different numbers. `queue_max` bounds the requests that wait in a lane.
        """
        self._engine = engine
        self._clock = clock
        self._lane_of = lane_of
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._directory = Directory()
        self._lanes: dict[int, _Lane] = {}
        self._closed = False

    async def __aenter__(self) -> "Ledger":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Refuse new requests, post what is queued, give the connections back."""
        self._closed = True
        await asyncio.gather(*(lane.drain() for lane in self._lanes.values()))

    async def post(self, request: Request) -> Outcome:
        """Post one request durably, in a batch with whatever else is there.

        Cancelling the caller does not undo the post. Raises InvalidRequest, QueueFull, LedgerClosed, LedgerUnavailable,
        OutcomeUnknown or PostFailed.
        """
        if self._closed:
            raise LedgerClosed("the ledger is shutting down")
        command = prepare(request)
        number = self._lane_of(command.org_id)
        lane = self._lanes.get(number)
        if lane is None:
            lane = self._open_lane(number)
        return await lane.enqueue(command)

    async def post_in(self, conn: AsyncConnection, requests: Sequence[Request]) -> list[Outcome]:
        """A step: post requests in the caller's transaction, in order; they become durable with the caller's commit.

        From here to its commit the transaction holds the books of the requests' organizations. Database errors are left
        to the caller, who runs the whole transaction again on 40001 (also `ConcurrentChange`) and 40P01. Raises
        InvalidRequest.
        """
        commands = [prepare(request) for request in requests]
        if not commands:
            return []
        # Through SQLAlchemy, so that its adapter has begun the transaction before the driver is used directly.
        for name in store.PLANNER_SETTINGS:
            await conn.execute(text(f"SET LOCAL {name} = off"))
        raw = await driver_connection(conn)
        await store.lock(raw, commands)
        state, _ = await store.read_state(raw, commands, self._directory)
        decision = decide(commands, state, self._clock.now(), mark=new_mark())
        await store.write(raw, decision.writes)
        for name in store.PLANNER_SETTINGS:
            await conn.execute(text(f"SET LOCAL {name} = on"))
        return decision.outcomes

    def _open_lane(self, number: int) -> "_Lane":
        if len(self._lanes) == LANES_MAX:
            raise ValueError(f"lane_of gave more than {LANES_MAX} lanes")
        lane = _Lane(
            self._engine,
            self._clock,
            self._directory,
            batch_max=self._batch_max,
            queue_max=self._queue_max,
        )
        self._lanes[number] = lane
        return lane


class _CommitLost(Exception):
    """The connection was lost while committing."""


_Waiting = tuple[Command, "asyncio.Future[Outcome]"]


class _Lane:
    """One queue, one task that cuts it into batches, and two batches at work at most, each on a link of its own."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        directory: Directory,
        *,
        batch_max: int,
        queue_max: int,
    ) -> None:
        self._clock = clock
        self._directory = directory
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._queue: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._draining = False
        self._tip: Tip | None = None
        self._links = (Link(engine), Link(engine))
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run(), name="ledger-lane")

    def enqueue(self, command: Command) -> "asyncio.Future[Outcome]":
        """Queue a command. The lane owns the work: a caller that stops waiting changes nothing."""
        if len(self._queue) >= self._queue_max:
            raise QueueFull(f"{self._queue_max} requests wait already")
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._queue.append((command, future))
        self._wake.set()
        return future

    async def drain(self) -> None:
        """Post what is queued and stop."""
        self._draining = True
        self._wake.set()
        await self._task

    async def _run(self) -> None:
        jobs: list[asyncio.Task[None] | None] = [None, None]
        turn = 0
        try:
            while await self._wait():
                job = jobs[turn]
                if job is not None:
                    await job
                written = asyncio.Event()
                batch = self._cut(alone=all(job is None or job.done() for job in jobs))
                jobs[turn] = asyncio.create_task(self._work(self._links[turn], batch, written))
                await written.wait()
                turn = 1 - turn
        finally:
            for job in jobs:
                if job is not None:
                    await job
            for _, future in self._queue:
                _fail(future, LedgerClosed("the ledger was stopped"))
            for link in self._links:
                await link.close()

    async def _wait(self) -> bool:
        """Wait for work; False when there will be none."""
        while not self._queue:
            if self._draining:
                return False
            self._wake.clear()
            await self._wake.wait()
        return True

    def _cut(self, *, alone: bool) -> list[_Waiting]:
        """The next batch: what waits, but only half of many while no other batch is at work, so that the two then
        alternate.
        """
        size = len(self._queue)
        if alone and size >= SPLIT_MIN:
            size = (size + 1) // 2
        return [self._queue.popleft() for _ in range(min(size, self._batch_max))]

    async def _work(self, link: Link, waiting: list[_Waiting], written: asyncio.Event) -> None:
        try:
            await self._settle(link, waiting, written)
        finally:
            written.set()

    async def _settle(self, link: Link, waiting: list[_Waiting], written: asyncio.Event | None) -> None:
        """Give every caller an outcome or an error. `written` is set once the batch after this one may start."""
        try:
            outcomes = await self._post(link, [command for command, _ in waiting], written)
        except _CommitLost as error:
            for _, future in waiting:
                _fail(future, OutcomeUnknown("lost while committing"), error.__cause__)
        except LedgerUnavailable as error:
            for _, future in waiting:
                _fail(future, LedgerUnavailable(str(error)), error.__cause__)
        except Exception as error:
            if len(waiting) == 1:
                _fail(waiting[0][1], PostFailed("the request was refused"), error)
                return
            middle = len(waiting) // 2
            await self._settle(link, waiting[:middle], None)
            await self._settle(link, waiting[middle:], None)
        except BaseException:
            for _, future in waiting:
                _fail(future, OutcomeUnknown("the ledger was stopped while posting"))
            raise
        else:
            for (_, future), outcome in zip(waiting, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)

    async def _post(self, link: Link, commands: list[Command], written: asyncio.Event | None) -> list[Outcome]:
        """One batch, again as long as the database says to try again."""
        failure: Exception | None = None
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                limit = min(_RETRY_SECONDS_MAX, 0.005 * 2**attempt)
                await asyncio.sleep(random.uniform(0, limit))
            try:
                raw = await link.connection()
                return await self._post_once(link, raw, commands, None if attempt else written)
            except _CommitLost:
                await link.close()
                raise
            except Exception as error:
                if link.is_lost(error):
                    await link.close()
                elif sqlstate_of(error) not in _RETRIED_STATES:
                    raise
                failure = error
        raise LedgerUnavailable(f"gave up after {ATTEMPTS_MAX} attempts: {failure}") from failure

    async def _post_once(
        self, link: Link, raw: Connection, commands: list[Command], written: asyncio.Event | None
    ) -> list[Outcome]:
        try:
            decision: Decision | None = None
            if written is not None and store.reads_at_once(commands):
                decision = await self._decide_ahead(raw, commands)
            else:
                await store.begin(raw, commands, None)
            if decision is None:
                decision = self._decide(commands, await self._read(raw, commands))
            if written is not None:
                self._tip = decision.tip
                written.set()
            await store.write(raw, decision.writes)
        except Exception:
            await link.roll_back()
            raise
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                await raw.execute("COMMIT")
        except Exception as error:
            if link.is_lost(error) or isinstance(error, TimeoutError):
                raise _CommitLost from error
            raise
        return decision.outcomes

    async def _decide_ahead(self, raw: Connection, commands: list[Command]) -> Decision | None:
        """Decide while the batch before commits, on what it leaves; then take the lock.

        None if the state under the lock turns out to be another: that batch failed, or another process was here.
        """
        state = await self._read(raw, commands)
        if self._tip is not None:
            state = self._tip.over(state)
        decision = self._decide(commands, state)
        return decision if await store.begin(raw, commands, state.books) else None

    async def _read(self, raw: Connection, commands: list[Command]) -> State:
        state, fresh = await store.read_state(raw, commands, self._directory)
        # Whether before the lock or under it, nothing is read here that is not committed.
        self._directory.add(fresh)
        return state

    def _decide(self, commands: list[Command], state: State) -> Decision:
        return decide(commands, state, self._clock.now(), mark=new_mark())


def _fail(future: "asyncio.Future[Outcome]", error: Exception, cause: BaseException | None = None) -> None:
    error.__cause__ = cause
    if not future.done():
        future.set_exception(error)
