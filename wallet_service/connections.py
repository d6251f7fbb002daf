"""The way to a connection of the pool: bounded in number and in time, and never all of them for one organization.

Whoever finds too many waiting is refused at once instead of after them. Transactions that change one organization wait for
one another in the database anyway, for the lock of its book, of its events, of its audit log, each with a connection in its
hands. So beyond a share of the pool they wait here, where they hold nothing, and the other organizations go on. Reads for
one organization have a share of the same size, and neither wait for its changes nor stand in their way.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import QueuePool

from wallet_service.errors import overloaded

WAIT_SECONDS_MAX: Final = 5
"""How long a transaction waits for a connection, and before that for the turn of its organization."""

_WAITING_PER_CONNECTION: Final = 16
_WAITING_PER_TURN: Final = 8
_SHARES: Final = 4
"""One organization takes a fourth of the pool to change something, and as much to read, at most."""

sharing_organization: Final[ContextVar[UUID | None]] = ContextVar("sharing_organization", default=None)
"""Whom the current call is about. None, as for jobs and loops, which are bounded by themselves: no share is asked for."""


@contextmanager
def no_share() -> Generator[None]:
    """For the block no share is asked for: it has its turn already, or is bounded by itself."""
    before = sharing_organization.set(None)
    try:
        yield
    finally:
        sharing_organization.reset(before)


@dataclass(slots=True)
class _Queue:
    turns: asyncio.Semaphore
    count: int = 0


class _Shares:
    """What one organization may take at a time, and how many may wait for that."""

    def __init__(self, size: int, *, waiting_max: int) -> None:
        self._size = size
        self._waiting_max = waiting_max
        self._queues: dict[UUID, _Queue] = {}

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """A place in the share of the `sharing_organization` until the block ends. Raises OVERLOADED.

        A block within a block asks for none.
        """
        org_id = sharing_organization.get()
        if org_id is None:
            yield
            return
        queue = self._queues.get(org_id)
        if queue is None:
            queue = self._queues[org_id] = _Queue(asyncio.Semaphore(self._size))
        if queue.count >= self._size + self._waiting_max:
            raise overloaded()
        queue.count += 1
        try:
            await _acquire(queue.turns)
            try:
                with no_share():
                    yield
            finally:
                queue.turns.release()
        finally:
            queue.count -= 1
            if not queue.count:
                del self._queues[org_id]


class Connections:
    """Connections of one engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        pool = engine.sync_engine.pool
        size = pool.size() if isinstance(pool, QueuePool) else 1
        self._engine = engine
        self._size = size
        self._waiting_max = size * _WAITING_PER_CONNECTION
        self._waiting_count = 0
        self.leave(0)

    def leave(self, count: int) -> None:
        """So many connections of the pool are kept by others for good: shares are of the rest, from the next turn on."""
        share = max(1, (self._size - count) // _SHARES)
        self.changes = _Shares(share, waiting_max=share * _WAITING_PER_TURN)
        # Reads of one organization alone may wait in the number in which all may wait for the pool.
        self.reads = _Shares(share, waiting_max=self._waiting_max)

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[AsyncConnection]:
        """A connection until the block ends. Raises OVERLOADED, or what SQLAlchemy's pool raises when the wait is over."""
        if self._waiting_count >= self._waiting_max:
            raise overloaded()
        async with AsyncExitStack() as stack:
            self._waiting_count += 1
            try:
                conn = await stack.enter_async_context(self._engine.connect())
            finally:
                self._waiting_count -= 1
            yield conn


async def _acquire(turns: asyncio.Semaphore) -> None:
    try:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await turns.acquire()
    except TimeoutError:
        raise overloaded() from None
