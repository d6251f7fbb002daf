"""The way to a connection of the pool: bounded in number and in time, and never all of them for one organization.

Whoever finds too many waiting is refused at once instead of after them. Transactions that change one organization wait for
one another in the database anyway, for the lock of its book, of its events, of its audit log, each with a connection in its
hands. So beyond a share of the pool they wait here, where they hold nothing, and the other organizations go on.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
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
"""One organization takes a fourth of the pool at most."""

changed_organization: Final[ContextVar[UUID | None]] = ContextVar("changed_organization", default=None)
"""Whom the current call is about. None, as for jobs and loops, which are bounded by themselves: no share is asked for."""


@dataclass(slots=True)
class _Queue:
    turns: asyncio.Semaphore
    count: int = 0


class Connections:
    """Connections of one engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        pool = engine.sync_engine.pool
        size = pool.size() if isinstance(pool, QueuePool) else 1
        self._engine = engine
        self._size = size
        self._waiting_max = size * _WAITING_PER_CONNECTION
        self._waiting_count = 0
        self._share = max(1, size // _SHARES)
        self._queues: dict[UUID, _Queue] = {}

    def leave(self, count: int) -> None:
        """So many connections of the pool are kept by others for good: shares are of the rest."""
        self._share = max(1, (self._size - count) // _SHARES)

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

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """A place in the share of the `changed_organization` until the block ends. Raises OVERLOADED.

        A block within a block of the same organization could wait for itself: there is none.
        """
        org_id = changed_organization.get()
        if org_id is None:
            yield
            return
        queue = self._queues.get(org_id)
        if queue is None:
            queue = self._queues[org_id] = _Queue(asyncio.Semaphore(self._share))
        if queue.count >= self._share * (1 + _WAITING_PER_TURN):
            raise overloaded()
        queue.count += 1
        try:
            await _acquire(queue.turns)
            try:
                yield
            finally:
                queue.turns.release()
        finally:
            queue.count -= 1
            if not queue.count:
                del self._queues[org_id]


async def _acquire(turns: asyncio.Semaphore) -> None:
    try:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await turns.acquire()
    except TimeoutError:
        raise overloaded() from None
