"""Holding a lease: taken when it is free, renewed while the process lives, given up when it stops."""

import asyncio
import os
import secrets
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service import background
from wallet_service.db import DATABASE_FAILURES, Database
from wallet_service.errors import ServiceError
from wallet_service.leases import store
from wallet_service.tenancy import Reach, within

LENGTH: Final = timedelta(seconds=10)
"""So long after the last sign of its holder a lease is another's."""

RENEWED_EVERY: Final = timedelta(seconds=2)
"""How often a holder renews, and all others ask."""

_log: Final = structlog.get_logger("wallet.leases")


@dataclass(frozen=True, slots=True)
class _Held:
    """One taking, good until then by the event loop's clock."""

    fence: int
    until_seconds: float


class Leadership:
    """One process's part in a lease, between the begin and the end of `run`."""

    def __init__(
        self,
        db: Database,
        name: str,
        *,
        length: timedelta = LENGTH,
        renewed_every: timedelta = RENEWED_EVERY,
    ) -> None:
        """`length` is several times `renewed_every`: one renewal that fails does not lose the lease."""
        self._db = db
        self._name = name
        self._length = length
        self._renewed_every = renewed_every
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._held: _Held | None = None
        self._stopping = asyncio.Event()

    @property
    def fence(self) -> int | None:
        """The number of the taking that this process holds; None while it holds none, also when no answer came in time."""
        held = self._held
        return None if held is None or asyncio.get_running_loop().time() >= held.until_seconds else held.fence

    async def run(self) -> None:
        """Hold the lease whenever it can be had until `stop`, then give it up; a database that goes away is waited for."""
        told: int | None = None
        while not self._stopping.is_set():
            await self._ask_or_log()
            if self.fence != told:
                self._tell(told, self.fence)
                told = self.fence
            await background.pause(self._renewed_every, unless=self._stopping)
        await self._give_up()

    async def stop(self) -> None:
        """End `run`: another process has the lease as soon as it asks."""
        self._stopping.set()

    async def _ask_or_log(self) -> None:
        try:
            await self._ask()
        except (ServiceError, *DATABASE_FAILURES) as error:
            _log.warning("lease_not_asked_for", lease=self._name, error=repr(error))

    async def _ask(self) -> None:
        # Counted from before the question: the database counts from later, so it lets nobody else in before that.
        until_seconds = asyncio.get_running_loop().time() + self._length.total_seconds()
        held = self._held

        async def work(conn: AsyncConnection) -> int | None:
            if held is not None:
                renewed = await store.renew(conn, self._name, fence=held.fence, length=self._length)
                if renewed is not None:
                    return renewed
            return await store.take(conn, self._name, holder=self._holder, length=self._length)

        with within(Reach.NOBODY):
            fence = await self._db.transact(work)
        self._held = None if fence is None else _Held(fence, until_seconds)

    async def _give_up(self) -> None:
        held, self._held = self._held, None
        if held is None:
            return
        try:
            with within(Reach.NOBODY):
                await self._db.transact(lambda conn: store.give_up(conn, self._name, fence=held.fence))
        except (ServiceError, *DATABASE_FAILURES) as error:
            _log.warning("lease_not_given_up", lease=self._name, error=repr(error))

    def _tell(self, before: int | None, now: int | None) -> None:
        if now is None:
            _log.warning("lease_lost", lease=self._name, fence=before)
        else:
            _log.info("lease_taken", lease=self._name, fence=now, holder=self._holder)
