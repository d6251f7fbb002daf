"""The lanes: gather what arrived while the last batch committed, lock, decide, write, commit, resolve.

There is no timer: a batch is what waits when the one before it is done. A lane works one batch at a time, and `lane_of`
puts all requests of one organization in one lane, so requests with one key are decided one after the other: in one batch
by `decide`, in two by the key that the first one committed. Any number of processes may do so at once: the
organization's book is locked by one of them at a time.

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
from typing import Final, Protocol, cast
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
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
from ledger.model import Outcome, Request
from ledger.posting import decide
from ledger.store import Connection, Directory

BATCH_MAX: Final = 1000
QUEUE_MAX: Final = 20_000
LANES_MAX: Final = 64
ATTEMPTS_MAX: Final = 8
LOCK_TIMEOUT_MS: Final = 10_000
STATEMENT_TIMEOUT_MS: Final = 30_000
COMMIT_TIMEOUT_SECONDS: Final = 60

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
        """Each lane that is used keeps one connection of the engine's pool.

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
        decision = decide(commands, state, self._clock.now())
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


async def driver_connection(conn: AsyncConnection) -> Connection:
    """The asyncpg connection under a SQLAlchemy one."""
    raw = await conn.get_raw_connection()
    return cast("Connection", raw.driver_connection)


class _CommitLost(Exception):
    """The connection was lost while committing."""


_Waiting = tuple[Command, "asyncio.Future[Outcome]"]


class _Lane:
    """One queue, one task, one connection."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        directory: Directory,
        *,
        batch_max: int,
        queue_max: int,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._directory = directory
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._queue: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._draining = False
        self._conn: AsyncConnection | None = None
        self._raw: Connection | None = None
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
        try:
            while await self._wait():
                size = min(len(self._queue), self._batch_max)
                await self._settle([self._queue.popleft() for _ in range(size)])
        finally:
            for _, future in self._queue:
                _fail(future, LedgerClosed("the ledger was stopped"))
            await self._disconnect()

    async def _wait(self) -> bool:
        """Wait for work; False when there will be none."""
        while not self._queue:
            if self._draining:
                return False
            self._wake.clear()
            await self._wake.wait()
        return True

    async def _settle(self, waiting: list[_Waiting]) -> None:
        """Give every caller an outcome or an error."""
        try:
            outcomes = await self._post([command for command, _ in waiting])
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
            await self._settle(waiting[:middle])
            await self._settle(waiting[middle:])
        except BaseException:
            for _, future in waiting:
                _fail(future, OutcomeUnknown("the ledger was stopped while posting"))
            raise
        else:
            for (_, future), outcome in zip(waiting, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)

    async def _post(self, commands: list[Command]) -> list[Outcome]:
        """One batch, again as long as the database says to try again."""
        failure: Exception | None = None
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                limit = min(_RETRY_SECONDS_MAX, 0.005 * 2**attempt)
                await asyncio.sleep(random.uniform(0, limit))
            try:
                raw = self._raw or await self._connect()
                return await self._post_once(raw, commands)
            except _CommitLost:
                await self._disconnect()
                raise
            except Exception as error:
                if self._raw is None or self._raw.is_closed() or _is_lost(error):
                    await self._disconnect()
                elif _sqlstate(error) not in _RETRIED_STATES:
                    raise
                failure = error
        raise LedgerUnavailable(f"gave up after {ATTEMPTS_MAX} attempts: {failure}") from failure

    async def _post_once(self, raw: Connection, commands: list[Command]) -> list[Outcome]:
        try:
            await store.begin(raw, commands)
            state, fresh = await store.read_state(raw, commands, self._directory)
            decision = decide(commands, state, self._clock.now())
            await store.write(raw, decision.writes)
        except Exception:
            await self._roll_back(raw)
            raise
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                await raw.execute("COMMIT")
        except Exception as error:
            if raw.is_closed() or _is_lost(error) or isinstance(error, TimeoutError):
                raise _CommitLost from error
            raise
        if fresh:
            self._directory.add(fresh)
        return decision.outcomes

    async def _roll_back(self, raw: Connection) -> None:
        """End the transaction; a connection that cannot even do that is given up, which ends it too."""
        try:
            await raw.execute("ROLLBACK")
        except Exception:
            await self._disconnect()

    async def _connect(self) -> Connection:
        conn = self._conn = await self._engine.connect()
        raw = await driver_connection(conn)
        await raw.execute(
            f"SET lock_timeout = {LOCK_TIMEOUT_MS}; SET statement_timeout = {STATEMENT_TIMEOUT_MS};"
            "SET plan_cache_mode = force_generic_plan;"
            + "".join(f"SET {name} = off;" for name in store.PLANNER_SETTINGS)
            + store.PREPARE_LOCK
        )
        self._raw = raw
        return raw

    async def _disconnect(self) -> None:
        """Close the connection instead of giving it back: its session settings are this lane's own."""
        conn, self._conn, self._raw = self._conn, None, None
        if conn is not None:
            await conn.invalidate()
            await conn.close()


def _fail(
    future: "asyncio.Future[Outcome]",
    error: Exception,
    cause: BaseException | None = None,
) -> None:
    error.__cause__ = cause
    if not future.done():
        future.set_exception(error)


def _sqlstate(error: BaseException) -> str | None:
    origin = error.orig if isinstance(error, DBAPIError) else error
    state: object = getattr(origin, "sqlstate", None)
    return state if isinstance(state, str) else None


def _is_lost(error: BaseException) -> bool:
    """Whether the connection is of no more use: closed, reset, or the server is shutting down."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, asyncpg.InterfaceError | OSError):
        return True
    state = _sqlstate(error) or ""
    return state.startswith(("08", "57P"))
