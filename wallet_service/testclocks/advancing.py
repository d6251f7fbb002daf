"""One call of an advance: everything that falls due, in order of time over all organizations of the clock."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service import names
from wallet_service.clock import Clock, at
from wallet_service.db import Database
from wallet_service.due import DueWork
from wallet_service.events.model import EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.tenancy import within
from wallet_service.testclocks import store
from wallet_service.testclocks.model import Advanced, ClockState, Member, TestClock
from wallet_service.testclocks.rules import LEASED_FOR, Agenda, Due, busy

AreJobsDone = Callable[[Sequence[UUID]], Awaitable[bool]]
"""Whether no job of these organizations waits or runs that could be worked now."""

SECONDS_MAX: Final = 20
"""What one call works at most, but for the piece of work that it is at: less than the deadline of a call."""

WORK_MAX: Final = 20_000
_POLL_SECONDS: Final = 0.02
_AT_ONCE_MAX: Final = 4
_log: Final = structlog.get_logger("wallet.test_clocks")


class Advance:
    """Works on one leased clock. Whatever it has done stays done if it is stopped, and another one goes on from there."""

    def __init__(
        self,
        db: Database,
        real_clock: Clock,
        works: Sequence[DueWork],
        are_jobs_done: AreJobsDone,
        clock: TestClock,
        members: Sequence[Member],
    ) -> None:
        self._db = db
        self._real_clock = real_clock
        self._works = works
        self._are_jobs_done = are_jobs_done
        self._clock = clock
        self._members = members
        self._org_ids = [member.org_id for member in members]
        self._work_count = 0
        assert clock.target_at is not None, "an advance has a target"
        self._target = clock.target_at

    async def run(self) -> Advanced:
        """Go to the target, or as far as one call may go. Raises TEST_CLOCK_BUSY when another call has taken over."""
        deadline_seconds = asyncio.get_running_loop().time() + SECONDS_MAX
        agenda = Agenda(self._clock.present_at)
        try:
            return await self._go(agenda, deadline_seconds)
        except Exception:
            # Whoever tries again need not wait until the lease is over.
            with suppress(Exception):
                await self._end(agenda.present, arrived=False)
            raise

    async def _go(self, agenda: Agenda, deadline_seconds: float) -> Advanced:
        if not await self._jobs_done(deadline_seconds):
            return await self._end(agenda.present, arrived=False)
        await self._plan(agenda, self._org_ids)
        while found := agenda.next(self._target):
            if self._work_count >= WORK_MAX or asyncio.get_running_loop().time() > deadline_seconds:
                return await self._end(agenda.present, arrived=False)
            if agenda.enter(found[0]):
                await self._move(found[0].at)
            await self._work_on(agenda, found)
            if not await self._jobs_done(deadline_seconds):
                return await self._end(agenda.present, arrived=False)
            await self._plan(agenda, [due.org_id for due in found])
        return await self._end(self._target, arrived=True)

    async def _plan(self, agenda: Agenda, org_ids: Sequence[UUID]) -> None:
        async def ask() -> None:
            times = [await work.next_due(org_ids) for work in self._works]
            for org_id in org_ids:
                agenda.plan(org_id, [of_work.get(org_id) for of_work in times])

        with at(agenda.present):
            await self._db.read_together(ask)

    async def _work_on(self, agenda: Agenda, found: Sequence[Due]) -> None:
        """The same work for organizations for which it is due at one time, a few at once."""
        waiting = iter(found)
        done: dict[Due, int] = {}

        async def in_turn() -> None:
            for due in waiting:
                done[due] = await self._work(due)

        await asyncio.gather(*(in_turn() for _ in range(min(_AT_ONCE_MAX, len(found)))))
        self._work_count += len(found)
        for due in found:
            if not agenda.ran(due, done[due]):
                _log.warning(
                    "due_work_did_nothing", work=self._name(due), org_id=str(due.org_id), at=due.at.isoformat()
                )

    async def _work(self, due: Due) -> int:
        """How many were done; 0 when it fails, which is logged: one work that fails keeps no other from being done."""
        with at(due.at), within(due.org_id):
            try:
                return await self._works[due.work].run_due(due.org_id)
            except Exception as error:
                _log.exception("due_work_failed", work=self._name(due), org_id=str(due.org_id), error=repr(error))
                return 0

    def _name(self, due: Due) -> str:
        return type(self._works[due.work]).__name__

    async def _move(self, present: datetime) -> None:
        lease_id = self._clock.lease_id
        assert lease_id is not None, "an advance has a lease"

        async def work(conn: AsyncConnection) -> bool:
            until = self._real_clock.now() + LEASED_FOR
            return await store.move(
                conn, self._clock.clock_id, lease_id=lease_id, present_at=present, leased_until=until
            )

        if not await self._db.transact(work):
            raise busy(self._clock.clock_id)

    async def _jobs_done(self, deadline_seconds: float) -> bool:
        """Wait until the jobs that have been put off to now are worked, as they belong to this moment."""
        while not await self._are_jobs_done(self._org_ids):
            if asyncio.get_running_loop().time() > deadline_seconds:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    async def _end(self, present: datetime, *, arrived: bool) -> Advanced:
        """Give the lease back; when the clock has arrived, its organizations are told."""
        left = replace(self._clock, present_at=present, lease_id=None, leased_until=None)
        if arrived:
            left = replace(left, state=ClockState.READY, target_at=None)

        async def work(conn: AsyncConnection) -> None:
            found = await store.clock(conn, left.clock_id, lock=True)
            if found is None or found.lease_id != self._clock.lease_id:
                raise busy(left.clock_id)
            await store.update_clock(conn, left)
            if arrived:
                await self._tell(conn, present)

        await self._db.transact(work)
        return Advanced(left, len(self._members), self._work_count)

    async def _tell(self, conn: AsyncConnection, present: datetime) -> None:
        """In the order of their ids, as each takes the head of its organization's events."""
        event = NewEvent(
            EventType.TEST_CLOCK_ADVANCED, names.test_clock(self._clock.clock_id), {"now": present.isoformat()}
        )
        for org_id in self._org_ids:
            await append(conn, org_id, [event], now=present)
