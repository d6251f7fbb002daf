"""A lane: gather what arrived while the last batch was at work, decide, lock, write, commit, resolve.

There is no timer: a batch is what waits when its turn comes. Two batches of a lane are at work at most: while the first
is written and committed, the second is decided on what the first leaves, and sent. What that is, the lane remembers
(`ledger.memory`); what it does not remember is read. The statement that writes a batch waits in the database for the lock
of the books, then compares their marks, and looks for the keys that nobody has read: every transaction that changes a
ledger draws a new mark, so equal marks mean that what was decided on is what is there. Otherwise it writes nothing, and
the batch is read and decided again under the lock. So Python and PostgreSQL work at the same time, most batches are one
statement, and no answer depends on a guess.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from ledger import store, writing
from ledger.clock import Clock
from ledger.commands import Command
from ledger.errors import BookAhead, LedgerClosed, LedgerError, LedgerUnavailable, OutcomeUnknown, PostFailed, QueueFull
from ledger.ids import new_mark
from ledger.link import Link, sqlstate_of
from ledger.memory import Memory
from ledger.model import Outcome
from ledger.posting import Decision, decide
from ledger.state import BookRow, State
from ledger.store import Connection, Directory

T = TypeVar("T")

ATTEMPTS_MAX: Final = 8
ANSWER_SECONDS_MAX: Final = 60
"""Longer than any statement may take: a connection that is silent for so long is lost, and would hold up its lane."""
SPLIT_MIN: Final = 8
"""So many waiting requests are cut in two batches when no batch is at work."""
AHEAD_MAX: Final = timedelta(minutes=5)
"""How far a journal's clock, which never runs backwards, may pull the other journals of a batch: not farther than the
clocks of two machines differ. One that is farther ahead (it lives in another time) is posted to alone."""

READS_AFTER_ASTRAY: Final = 16
"""So many batches are read before they are decided once a guess was wrong: whoever else posts here may do so again."""

_RETRY_SECONDS_MAX: Final = 0.5
_NO_ROOM_CLASS: Final = "53"
"""Of a full disk, or of memory that is used up: no request is to blame, so none is looked for."""
_RETRIED_STATES: Final = frozenset({"40001", "40P01", "55P03", "XX000", "57014"})


class _CommitLost(Exception):
    """The connection was lost while committing."""


_Waiting = tuple[Command, "asyncio.Future[Outcome]"]


@dataclass(frozen=True, slots=True)
class _Start:
    """What a batch says to the one after it (decided: now you), and the one before it, if that is still at work."""

    is_over: asyncio.Event
    before: "asyncio.Task[None] | None"

    def is_alone(self) -> bool:
        """Whether the batch before has ended, so that what it did can be read."""
        return self.before is None or self.before.done()

    async def batch_before_done(self) -> None:
        """Wait for it, however it ends."""
        if self.before is not None:
            await asyncio.wait([self.before])


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A decision made before the lock, the heads it was made on, and the commands whose keys nobody has looked for."""

    books: Mapping[UUID, BookRow]
    decision: Decision
    unread: Sequence[Command]


class Lane:
    """One queue, one task that cuts it into batches, and two batches at work at most, each on a link of its own."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        directory: Directory,
        *,
        on_shards: Callable[[], bool],
        batch_max: int,
        queue_max: int,
    ) -> None:
        self._clock = clock
        self._directory = directory
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._queue: deque[_Waiting] = deque()
        self._elsewhen_count = 0
        self._wake = asyncio.Event()
        self._draining = False
        self._memory = Memory()
        self._reads_left = 0
        self._astray = False
        self._links = (Link(engine, on_shards), Link(engine, on_shards))
        self._loop = asyncio.get_running_loop()
        # In a context of its own: the lane works for many callers, and inherits nothing of the first.
        self._task = asyncio.create_task(self._run(), name="ledger-lane", context=Context())

    def enqueue(self, command: Command) -> "asyncio.Future[Outcome]":
        """Queue a command. The lane owns the work: a caller that stops waiting changes nothing."""
        if len(self._queue) >= self._queue_max:
            raise QueueFull(f"{self._queue_max} requests wait already")
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._queue.append((command, future))
        if command.moment is not None:
            self._elsewhen_count += 1
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
                await _done(jobs[turn])
                if self._astray:
                    # What is at work was decided on something that is not so. Begin again from what is committed.
                    # A batch of unknown outcome may still be committed by the server, so what it leaves is no ground either.
                    await _done(jobs[1 - turn])
                    self._astray = False
                    self._memory = Memory()
                    self._reads_left = READS_AFTER_ASTRAY
                started = asyncio.Event()
                batch = self._cut(alone=all(job is None or job.done() for job in jobs))
                before = jobs[1 - turn]
                jobs[turn] = asyncio.create_task(self._work(self._links[turn], batch, _Start(started, before)))
                await started.wait()
                turn = 1 - turn
        finally:
            for job in jobs:
                await _done(job)
            _fail_all(self._queue, LedgerClosed, "the ledger was stopped", None)
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
        size = min(size, self._batch_max)
        if self._elsewhen_count:
            return self._cut_moment(size)
        return [self._queue.popleft() for _ in range(size)]

    def _cut_moment(self, size: int) -> list[_Waiting]:
        """As many as share the moment of the first: a batch is recorded at one time."""
        queue = self._queue
        moment = queue[0][0].moment
        batch: list[_Waiting] = []
        while queue and len(batch) < size and queue[0][0].moment == moment:
            batch.append(queue.popleft())
        if moment is not None:
            self._elsewhen_count -= len(batch)
        return batch

    async def _work(self, link: Link, waiting: list[_Waiting], start: _Start) -> None:
        try:
            await self._settle(link, waiting, start)
        finally:
            start.is_over.set()

    async def _settle(self, link: Link, waiting: list[_Waiting], start: _Start | None) -> None:
        """Give every caller an outcome or an error. A batch without a start is no part of the alternation any more."""
        try:
            outcomes = await self._post(link, [command for command, _ in waiting], start)
        except _CommitLost as error:
            _fail_all(waiting, OutcomeUnknown, "lost while committing", error.__cause__)
        except LedgerUnavailable as error:
            _fail_all(waiting, LedgerUnavailable, str(error), error.__cause__)
        except Exception as error:
            if len(waiting) == 1 or (sqlstate_of(error) or "").startswith(_NO_ROOM_CLASS):
                _fail_all(waiting, PostFailed, "the request was refused", error)
                return
            if start is not None:
                await start.batch_before_done()
            middle = len(waiting) // 2
            await self._settle(link, waiting[:middle], None)
            await self._settle(link, waiting[middle:], None)
        except BaseException:
            _fail_all(waiting, OutcomeUnknown, "the ledger was stopped while posting", None)
            raise
        else:
            for (_, future), outcome in zip(waiting, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)

    async def _post(self, link: Link, commands: list[Command], start: _Start | None) -> list[Outcome]:
        """One batch, again as long as the database says to try again."""
        failure: Exception | None = None
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                limit = min(_RETRY_SECONDS_MAX, 0.005 * 2**attempt)
                await asyncio.sleep(random.uniform(0, limit))
                if start is not None:
                    await start.batch_before_done()
            try:
                raw = await link.connection()
                return await self._post_once(link, raw, commands, None if attempt else start)
            except _CommitLost:
                self._astray = True
                await link.close()
                raise
            except Exception as error:
                self._astray = True
                if link.is_lost(error):
                    await link.close()
                elif sqlstate_of(error) not in _RETRIED_STATES:
                    raise
                failure = error
        raise LedgerUnavailable(f"gave up after {ATTEMPTS_MAX} attempts: {failure}") from failure

    async def _post_once(
        self, link: Link, raw: Connection, commands: list[Command], start: _Start | None
    ) -> list[Outcome]:
        """One attempt: decided ahead of the lock if a batch waits for this one to start, and under the lock otherwise."""
        if start is not None:
            ahead = await self._decide_ahead(link, raw, commands, start)
            if ahead is not None:
                start.is_over.set()
                if await self._write_ahead(link, raw, commands, ahead):
                    return ahead.decision.outcomes
            # What does not follow from the batch before follows it in time: requests stay in their order.
            await start.batch_before_done()
            if ahead is not None:
                # That one was sent first, and still the lock may have been taken in the other order.
                if not self._astray and await self._write_ahead(link, raw, commands, ahead):
                    return ahead.decision.outcomes
                self._astray = True
        return await self._post_locked(link, raw, commands)

    async def _decide_ahead(self, link: Link, raw: Connection, commands: list[Command], start: _Start) -> _Ahead | None:
        """Decide while the batch before commits, on what it leaves. None if that takes several reads, which would not be of
        one moment, or if it is not known what the batch before leaves."""
        memory = self._memory
        state = None if self._reads_left else memory.state_for(commands, self._directory.accounts)
        if state is not None:
            decision = self._decide(commands, state)
            # Where all is refused nothing is written that would look for the keys, and the first of them may be a
            # repetition of what was done long ago.
            if decision.writes.keys:
                memory.learn(state, decision.tip)
                known = state.keys
                return _Ahead(state.books, decision, [c for c in commands if c.scoped_key not in known])
        self._reads_left = max(0, self._reads_left - 1)
        if not store.reads_at_once(commands):
            return None
        is_alone = start.is_alone()
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            read = await self._read(link, raw, commands)
        state = read if is_alone else memory.over(read)
        if state is None:
            return None
        decision = self._decide(commands, state)
        memory.learn(state, decision.tip)
        return _Ahead(state.books, decision, [])

    async def _write_ahead(self, link: Link, raw: Connection, commands: list[Command], ahead: _Ahead) -> bool:
        """Lock, compare and write, mostly in one statement; False, and nothing is done, if what was decided on is not what
        is there: the batch before failed, another process was here, or a key was used long ago."""
        writes = ahead.decision.writes
        if writes.keys:
            written = writing.write(raw, writes, ahead.books, unread=ahead.unread, on_shards=link.on_shards)
            return await self._committed(link, written)
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                matched = await store.begin(raw, commands, ahead.books)
        except Exception:
            await link.roll_back()
            raise
        await self._committed(link, raw.execute("COMMIT"))
        return matched

    async def _post_locked(self, link: Link, raw: Connection, commands: list[Command]) -> list[Outcome]:
        """Lock, read, decide, write, commit."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                await store.begin(raw, commands, None)
                state = await self._read(link, raw, commands)
                decision = self._decide(commands, state)
                await writing.write_locked(raw, decision.writes, state.books, on_shards=link.on_shards)
        except Exception:
            await link.roll_back()
            raise
        await self._committed(link, raw.execute("COMMIT"))
        if not self._astray:
            self._memory.learn(state, decision.tip)
        return decision.outcomes

    async def _committed(self, link: Link, work: Awaitable[T]) -> T:
        """The result of what ends in a commit. Raises _CommitLost if it is not known whether it got there."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                return await work
        except Exception as error:
            if link.is_lost(error) or isinstance(error, TimeoutError):
                raise _CommitLost from error
            raise

    async def _read(self, link: Link, raw: Connection, commands: list[Command]) -> State:
        state, fresh = await store.read_state(raw, commands, self._directory, on_shards=link.on_shards)
        # Whether before the lock or under it, nothing is read here that is not committed.
        self._directory.add(fresh)
        return state

    def _decide(self, commands: list[Command], state: State) -> Decision:
        return decide_at(commands[0].moment or self._clock.now(), commands, state)


def decide_at(now: datetime, commands: Sequence[Command], state: State) -> Decision:
    """The decision of a batch at `now`. Raises BookAhead when one journal would take others along to another time."""
    decision = decide(commands, state, now, mark=new_mark())
    if decision.writes.recorded_at - now > AHEAD_MAX and len(state.books) > 1:
        raise BookAhead("the clock of one of the journals is far ahead")
    return decision


async def _done(job: "asyncio.Task[None] | None") -> None:
    if job is not None:
        await job


def _fail_all(waiting: Iterable[_Waiting], kind: type[LedgerError], message: str, cause: BaseException | None) -> None:
    """Give each caller an error of its own."""
    for _, future in waiting:
        if not future.done():
            error = kind(message)
            error.__cause__ = cause
            future.set_exception(error)
