"""Use cases of test clocks: make, get, list, advance and delete them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from wallet_service import names
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.due import DueWork
from wallet_service.errors import Code, Reason, ServiceError, already_exists, invalid_field, not_found
from wallet_service.pages import Page, decode_token, page_of, page_size, query_digest
from wallet_service.testclocks import rules, store
from wallet_service.testclocks.advancing import Advance, AreJobsDone
from wallet_service.testclocks.model import Advanced, ClockState, Member, TestClock


async def no_jobs(org_ids: Sequence[UUID]) -> bool:
    """Where no jobs are queued, all are done."""
    return True


class TestClocks:
    """The clocks of a service that is not live; where they are not allowed, every operation is refused."""

    __test__ = False

    def __init__(
        self,
        db: Database,
        real_clock: Clock,
        works: Sequence[DueWork] = (),
        *,
        allowed: bool,
        are_jobs_done: AreJobsDone = no_jobs,
    ) -> None:
        """`works`: what falls due, in the order in which it is done when it is due at one time."""
        self._db = db
        self._real_clock = real_clock
        self._works = tuple(works)
        self._allowed = allowed
        self._are_jobs_done = are_jobs_done

    async def create(self, *, clock_id: str, display_name: str, now: datetime) -> TestClock:
        """Raises RESOURCE_EXISTS, INVALID_FIELD, NOT_IMPLEMENTED in a live service."""
        self._check_allowed()
        rules.check_start(now, "now")
        made = TestClock(
            clock_id=clock_id,
            display_name=display_name,
            state=ClockState.READY,
            present_at=now,
            target_at=None,
            lease_id=None,
            leased_until=None,
            created_at=self._real_clock.now(),
        )
        if not await self._db.transact(lambda conn: store.insert_clock(conn, made)):
            raise already_exists("test clock", names.test_clock(clock_id))
        return made

    async def get(self, clock_id: str) -> tuple[TestClock, int]:
        """The clock, and how many organizations live on it. Raises RESOURCE_NOT_FOUND."""
        self._check_allowed()

        async def work(conn: AsyncConnection) -> tuple[TestClock, int]:
            found = await store.clock(conn, clock_id)
            if found is None:
                raise not_found("test clock", names.test_clock(clock_id))
            return found, len(await store.members(conn, clock_id))

        return await self._db.read(work)

    async def list(self, *, size: int, token: str) -> Page[tuple[TestClock, int]]:
        """Oldest first, each with how many organizations live on it."""
        self._check_allowed()
        limit, digest = page_size(size), query_digest("test-clocks")
        start = decode_token(token, digest, [str, str])
        try:
            after = (datetime.fromisoformat(str(start[0])), str(start[1])) if start else None
        except ValueError as error:
            raise invalid_field("page_token", "is of another list", reason=Reason.INVALID_PAGE_TOKEN) from error

        async def work(conn: AsyncConnection) -> Page[tuple[TestClock, int]]:
            rows = await store.list_clocks(conn, after=after, limit=limit + 1)
            return page_of(
                rows, size=limit, digest=digest, key=lambda row: (row[0].created_at.isoformat(), row[0].clock_id)
            )

        return await self._db.read(work)

    async def advance(self, clock_id: str, *, target: datetime) -> Advanced:
        """Move the clock, doing what falls due. One that was left behind is taken up; at the target, nothing is done.

        Raises RESOURCE_NOT_FOUND, INVALID_FIELD, and TEST_CLOCK_BUSY while another call works on it.
        """
        self._check_allowed()
        lease_id = new_id(self._real_clock.now())

        async def begin(conn: AsyncConnection) -> tuple[TestClock, Sequence[Member]]:
            found = await store.clock(conn, clock_id, lock=True)
            if found is None:
                raise not_found("test clock", names.test_clock(clock_id))
            members = await store.members(conn, clock_id)
            begun = rules.begin(found, target, lease_id=lease_id, real_now=self._real_clock.now())
            if found.state is ClockState.READY and found.present_at == target:
                return found, members
            await store.update_clock(conn, begun)
            return begun, members

        clock, members = await self._db.transact(begin)
        if clock.state is ClockState.READY:
            return Advanced(clock, len(members), 0)
        return await Advance(self._db, self._real_clock, self._works, self._are_jobs_done, clock, members).run()

    async def delete(self, clock_id: str) -> None:
        """Raises RESOURCE_NOT_FOUND, and TEST_CLOCK_IN_USE while organizations live on it."""
        self._check_allowed()

        async def work(conn: AsyncConnection) -> None:
            if await store.clock(conn, clock_id, lock=True) is None:
                raise not_found("test clock", names.test_clock(clock_id))
            count = len(await store.members(conn, clock_id))
            if count:
                raise ServiceError(
                    Code.FAILED_PRECONDITION,
                    Reason.TEST_CLOCK_IN_USE,
                    f"{count} organizations live on the test clock {clock_id}",
                    metadata={"organization_count": str(count), "test_clock": clock_id},
                )
            await store.delete_clock(conn, clock_id)

        await self._db.transact(work)

    def _check_allowed(self) -> None:
        if not self._allowed:
            raise ServiceError(
                Code.UNIMPLEMENTED, Reason.NOT_IMPLEMENTED, "a live service has no test clocks; try it elsewhere"
            )
