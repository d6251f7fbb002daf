"""Posting: in batches that form by themselves, or in a transaction of the caller's.

`lane_of` puts all requests of one organization in one lane (see `ledger.lane`). Requests with one key are decided one
after the other: in one batch by `decide`, in two by the key that the first leaves. Any number of processes may post at
once: the book of an organization is locked by one of them at a time.

What can go wrong, and what the callers see:
- 40001, 40P01, 55P03, XX000, or a connection lost before the commit was sent: nothing was posted, the batch runs again,
  at most `ATTEMPTS_MAX` times; then `LedgerUnavailable`.
- The connection lost while committing: `OutcomeUnknown`; whoever sends the same key again learns what happened.
- Anything else: the batch is cut in two until the request that provokes it is alone and fails alone with `PostFailed`.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ledger import store, writing
from ledger.clock import Clock, Moment, real_time
from ledger.commands import prepare
from ledger.errors import LedgerClosed, LedgerError
from ledger.lane import Lane, decide_at
from ledger.link import driver_connection
from ledger.model import Outcome, Request
from ledger.store import Directory

BATCH_MAX: Final = 1000
QUEUE_MAX: Final = 20_000
LANES_MAX: Final = 64


def _planner(value: str) -> str:
    """Sets all of the planner's settings until the transaction ends, in one round trip."""
    return ";".join(f"SET LOCAL {name} = {value}" for name in store.PLANNER_SETTINGS)


_NOTHING: Final = text("SELECT")
_PLANNER_OFF: Final = _planner("off")
_PLANNER_ON: Final = _planner("on")


def one_lane(org_id: UUID) -> int:
    """Every organization in one lane: the best there is on one PostgreSQL server."""
    return 0


def on_one_server() -> bool:
    """Whether tables are distributed, where they are not."""
    return False


class Ledger:
    """Posts requests, in batches of its own or in a transaction of the caller's."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        *,
        lane_of: Callable[[UUID], int] = one_lane,
        on_shards: Callable[[], bool] = on_one_server,
        batch_max: int = BATCH_MAX,
        queue_max: int = QUEUE_MAX,
        moment: Moment = real_time,
    ) -> None:
        """Each lane that is used keeps two connections of the engine's pool.

        `lane_of` gives at most 64 different numbers. `on_shards` is whether the tables are distributed, asked for each
        batch: statements then name the organizations of a shard, and are planned each time. `queue_max` bounds the requests
        that wait in a lane. `moment` is asked on each `post`; requests of one moment share batches, which are recorded at
        that moment.
        """
        self._engine = engine
        self._clock = clock
        self._moment = moment
        self._lane_of = lane_of
        self._on_shards = on_shards
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._directory = Directory()
        self._lanes: dict[int, Lane] = {}
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
        return await self._enqueue(request, self._moment())

    async def post_many(self, requests: Sequence[Request]) -> list[Outcome | LedgerError]:
        """Post requests durably, each for itself, in the order given where they are of one organization; what became of
        each, in their order: what `post` answers or raises.

        Cancelling the caller does not undo what was posted.
        """
        moment = self._moment()
        results: list[Outcome | LedgerError | asyncio.Future[Outcome]] = []
        for request in requests:
            try:
                results.append(self._enqueue(request, moment))
            except LedgerError as error:
                results.append(error)
        waiting = [result for result in results if isinstance(result, asyncio.Future)]
        if waiting:
            await asyncio.wait(waiting)
        return [_settled(result) if isinstance(result, asyncio.Future) else result for result in results]

    def _enqueue(self, request: Request, moment: datetime | None) -> "asyncio.Future[Outcome]":
        if self._closed:
            raise LedgerClosed("the ledger is shutting down")
        command = prepare(request)
        if moment is not None:
            command.moment = moment
        number = self._lane_of(command.org_id)
        lane = self._lanes.get(number)
        if lane is None:
            lane = self._open_lane(number)
        return lane.enqueue(command)

    async def post_in(self, conn: AsyncConnection, requests: Sequence[Request]) -> list[Outcome]:
        """A step: post requests in the caller's transaction, in order; they become durable with the caller's commit.

        From here to its commit the transaction holds the books of the requests' organizations. Database errors are left
        to the caller, who runs the whole transaction again on 40001 (also `ConcurrentChange`) and 40P01. Raises
        InvalidRequest, and BookAhead for several organizations of which one lives in another time.
        """
        commands = [prepare(request) for request in requests]
        if not commands:
            return []
        raw = await driver_connection(conn)
        if not raw.is_in_transaction():
            # SQLAlchemy's adapter begins its transaction with the first statement that goes through it.
            await conn.execute(_NOTHING)
        await raw.execute(_PLANNER_OFF)
        on_shards = self._on_shards()
        await store.lock(raw, commands)
        state, _ = await store.read_state(raw, commands, self._directory, on_shards=on_shards)
        decision = decide_at(self._moment() or self._clock.now(), commands, state)
        await writing.write_locked(raw, decision.writes, state.books, on_shards=on_shards)
        await raw.execute(_PLANNER_ON)
        return decision.outcomes

    def _open_lane(self, number: int) -> Lane:
        if len(self._lanes) == LANES_MAX:
            raise ValueError(f"lane_of gave more than {LANES_MAX} lanes")
        lane = Lane(
            self._engine,
            self._clock,
            self._directory,
            on_shards=self._on_shards,
            batch_max=self._batch_max,
            queue_max=self._queue_max,
        )
        self._lanes[number] = lane
        return lane


def _settled(future: "asyncio.Future[Outcome]") -> Outcome | LedgerError:
    """The outcome, or the ledger's error; any other error is raised."""
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, LedgerError):
        return error
    raise error
