"""Organizations that live on a test clock: made at its time, advanced through what falls due, left alone by sweeps."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.batcher import Ledger
from ledger.hold_queries import HoldView
from ledger.model import HoldState
from wallet_service.accounts.model import Organization
from wallet_service.accounts.operations import Organizations
from wallet_service.clock import ManualClock, ServiceClock, moment
from wallet_service.db import Database
from wallet_service.due import DueWork
from wallet_service.errors import Reason, ServiceError
from wallet_service.job_queue import JobName, Payload, are_jobs_done, enqueue
from wallet_service.jobs import Job, in_own_time
from wallet_service.journal.hold_operations import Holds
from wallet_service.journal.operations import Journal
from wallet_service.tenancy import BeyondTenants
from wallet_service.testclocks import advancing
from wallet_service.testclocks.model import ClockState
from wallet_service.testclocks.operations import TestClocks, no_jobs
from wallet_service.testclocks.times import OrganizationTimes

PAST = datetime(2024, 2, 28, 9, tzinfo=UTC)
FUTURE = datetime(2031, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Scene:
    """Real time is `manual`; organizations are made in real time or on a clock, with money to hold."""

    db: Database
    manual: ManualClock
    organizations: Organizations
    journal: Journal
    holds: Holds
    times: OrganizationTimes
    clocks: TestClocks

    async def organization(self, slug: str, test_clock: str | None = None) -> Organization:
        made = await self.organizations.create(slug=slug, test_clock=test_clock)
        async with self.times.time_of(made.org_id):
            await self.journal.deposit(made.org_id, amount_minor=1000, currency="", description="", key="deposit")
        return made

    async def hold(self, org: Organization, lasts: timedelta, key: str = "hold", amount_minor: int = 100) -> UUID:
        async with self.times.time_of(org.org_id):
            made = await self.holds.create(
                org.org_id,
                amount_minor=amount_minor,
                currency="",
                expires_at=(moment() or self.manual.now()) + lasts,
                description="",
                key=key,
            )
        return made.hold_id

    async def list_holds(self, org: Organization) -> Sequence[HoldView]:
        page, _ = await self.holds.list(org.org_id, state=None, size=100, token="")
        return page.rows

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async def work(conn: AsyncConnection) -> list[Any]:
            return list(await conn.execute(text(statement), values))

        return await self.db.read(work)

    def clocks_with(self, *works: DueWork, jobs: bool = False) -> TestClocks:
        async def done(org_ids: Sequence[UUID]) -> bool:
            return await are_jobs_done(self.db, org_ids)

        return TestClocks(self.db, self.manual, works, allowed=True, are_jobs_done=done if jobs else no_jobs)


@asynccontextmanager
async def scene_of(db: Database, manual: ManualClock) -> AsyncGenerator[Scene]:
    clock = ServiceClock(manual)
    async with Ledger(db.engine, clock, moment=moment) as ledger:
        holds = Holds(db, ledger, clock)
        yield Scene(
            db,
            manual,
            Organizations(db, clock),
            Journal(db, ledger, clock),
            holds,
            OrganizationTimes(db),
            TestClocks(db, manual, [holds], allowed=True),
        )


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncGenerator[Scene]:
    async with scene_of(db, clock) as made:
        yield made


async def test_holds_expire_by_the_advance_and_never_by_the_sweep(scene: Scene):
    past, future = await make(scene, "past", PAST), await make(scene, "future", FUTURE)
    real = await scene.organization("real")
    for org in (past, future, real):
        await scene.hold(org, HOUR)
    scene.manual.advance(timedelta(days=1))

    assert await scene.holds.run_due(None) == 1
    assert [hold.state for hold in await scene.list_holds(real)] == [HoldState.EXPIRED]
    assert {hold.state for org in (past, future) for hold in await scene.list_holds(org)} == {HoldState.OPEN}

    for org, start in ((past, PAST), (future, FUTURE)):
        done = await scene.clocks.advance(org.slug, target=start + 2 * HOUR)
        assert (done.clock.state, done.clock.present_at) == (ClockState.READY, start + 2 * HOUR)
        assert (done.organization_count, done.work_count) == (1, 1)
        [hold] = await scene.list_holds(org)
        assert (hold.state, hold.updated_at) == (HoldState.EXPIRED, start + HOUR)


async def make(scene: Scene, slug: str, now: datetime) -> Organization:
    """A clock and an organization on it, both by this name."""
    await scene.clocks.create(clock_id=slug, display_name="", now=now)
    return await scene.organization(slug, slug)


async def test_everything_of_an_organization_is_of_its_time(scene: Scene):
    org = await make(scene, "past", PAST)
    assert org.created_at == PAST
    for statement in (
        "SELECT recorded_at AS at FROM ledger_entries WHERE org_id = :org",
        "SELECT created_at AS at FROM wallets WHERE org_id = :org",
        "SELECT created_at AS at FROM events WHERE org_id = :org",
    ):
        rows = await scene.rows(statement, org=org.org_id)
        assert {row.at for row in rows} == {PAST}, statement


async def test_time_of_all_organizations_of_a_clock_runs_in_order(scene: Scene):
    await scene.clocks.create(clock_id="c", display_name="", now=PAST)
    one, two = await scene.organization("one", "c"), await scene.organization("two", "c")
    for number, org in enumerate([one, two, one, two]):
        await scene.hold(org, (4 - number) * HOUR, key=f"h{number}")
    done = await scene.clocks.advance("c", target=PAST + 3 * HOUR)
    assert done.work_count == 3
    entries = await scene.rows(
        "SELECT o.slug, e.recorded_at FROM ledger_entries e JOIN organizations o USING (org_id)"
        " WHERE e.recorded_at > :start ORDER BY e.recorded_at",
        start=PAST,
    )
    assert [(row.slug, row.recorded_at - PAST) for row in entries] == [
        ("two", HOUR),
        ("one", 2 * HOUR),
        ("two", 3 * HOUR),
    ]
    [event] = await scene.rows(
        "SELECT subject, data, created_at FROM events WHERE type = 'test_clock.advanced' AND org_id = :org",
        org=one.org_id,
    )
    assert (event.subject, event.created_at) == ("test-clocks/c", PAST + 3 * HOUR)


async def test_more_holds_than_one_run_expires(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wallet_service.journal.hold_operations._EXPIRED_MAX", 2)
    org = await make(scene, "past", PAST)
    for number in range(5):
        await scene.hold(org, HOUR, key=f"h{number}", amount_minor=1)
    assert (await scene.clocks.advance("past", target=PAST + HOUR)).work_count == 3
    assert {hold.state for hold in await scene.list_holds(org)} == {HoldState.EXPIRED}


async def test_an_advance_is_idempotent_and_only_goes_forward(scene: Scene):
    await make(scene, "past", PAST)
    target = PAST + HOUR
    await scene.clocks.advance("past", target=target)
    again = await scene.clocks.advance("past", target=target)
    assert (again.clock.present_at, again.clock.state, again.work_count) == (target, ClockState.READY, 0)
    [row] = await scene.rows("SELECT count(*) AS n FROM events WHERE type = 'test_clock.advanced'")
    assert row.n == 1
    for refused in (PAST, target + timedelta(days=401), datetime(2101, 1, 1, tzinfo=UTC)):
        with pytest.raises(ServiceError) as caught:
            await scene.clocks.advance("past", target=refused)
        assert caught.value.reason is Reason.INVALID_FIELD


@dataclass
class Slow:
    """Work that waits at its time until it may go on, and counts."""

    due_at: datetime
    begun: asyncio.Event
    may_end: asyncio.Event
    run_count: int = 0

    async def next_due(self, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        return {} if self.run_count else dict.fromkeys(org_ids, self.due_at)

    async def run_due(self, org_id: UUID | None) -> int:
        self.begun.set()
        await self.may_end.wait()
        self.run_count += 1
        return 1


async def test_one_advance_at_a_time_and_one_that_was_left_is_taken_up(scene: Scene):
    org = await make(scene, "past", PAST)
    await scene.hold(org, 3 * HOUR)
    slow = Slow(PAST + HOUR, asyncio.Event(), asyncio.Event())
    clocks = scene.clocks_with(slow, scene.holds)
    first = asyncio.create_task(clocks.advance("past", target=PAST + 4 * HOUR))
    await slow.begun.wait()
    for operation in (
        clocks.advance("past", target=PAST + 4 * HOUR),
        scene.organizations.create(slug="late", test_clock="past"),
    ):
        with pytest.raises(ServiceError) as caught:
            await operation
        assert caught.value.reason is Reason.TEST_CLOCK_BUSY

    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    left, _ = await clocks.get("past")
    assert (left.state, left.present_at, left.target_at) == (
        ClockState.ADVANCING,
        PAST + HOUR,
        PAST + 4 * HOUR,
    )
    with pytest.raises(ServiceError):
        await clocks.advance("past", target=PAST + 4 * HOUR)

    scene.manual.advance(timedelta(minutes=3))
    with pytest.raises(ServiceError) as caught:
        await clocks.advance("past", target=PAST + 2 * HOUR)
    assert caught.value.reason is Reason.INVALID_FIELD
    slow.may_end.set()
    done = await clocks.advance("past", target=PAST + 4 * HOUR)
    assert (done.clock.state, slow.run_count) == (ClockState.READY, 1)
    [hold] = await scene.list_holds(org)
    assert (hold.state, hold.updated_at) == (HoldState.EXPIRED, PAST + 3 * HOUR)


async def test_who_has_lost_the_lease_moves_nothing(scene: Scene):
    await make(scene, "past", PAST)
    slow = Slow(PAST + HOUR, asyncio.Event(), asyncio.Event())
    first = asyncio.create_task(scene.clocks_with(slow).advance("past", target=PAST + 4 * HOUR))
    await slow.begun.wait()
    scene.manual.advance(timedelta(minutes=3))
    assert (await scene.clocks.advance("past", target=PAST + 5 * HOUR)).clock.present_at == PAST + 5 * HOUR
    slow.may_end.set()
    with pytest.raises(ServiceError) as caught:
        await first
    assert caught.value.reason is Reason.TEST_CLOCK_BUSY
    left, _ = await scene.clocks.get("past")
    assert (left.state, left.present_at) == (ClockState.READY, PAST + 5 * HOUR)


@dataclass
class Failing:
    """Work that is due and never gets done."""

    due_at: datetime
    fails: bool
    run_count: int = 0

    async def next_due(self, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        return dict.fromkeys(org_ids, self.due_at)

    async def run_due(self, org_id: UUID | None) -> int:
        self.run_count += 1
        if self.fails:
            raise RuntimeError("it does not work")
        return 0


@pytest.mark.parametrize("fails", [True, False])
async def test_work_that_gets_nowhere_is_passed_over(scene: Scene, fails: bool):
    org = await make(scene, "past", PAST)
    await scene.hold(org, 2 * HOUR)
    failing = Failing(PAST + HOUR, fails)
    done = await scene.clocks_with(failing, scene.holds).advance("past", target=PAST + 3 * HOUR)
    assert (done.clock.state, failing.run_count) == (ClockState.READY, 1)
    assert [hold.state for hold in await scene.list_holds(org)] == [HoldState.EXPIRED]


async def test_time_waits_for_the_jobs_of_its_organizations(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(advancing, "SECONDS_MAX", 0)
    org = await make(scene, "past", PAST)
    stranger = await scene.organization("real")
    clocks = scene.clocks_with(jobs=True)
    await scene.db.transact(
        lambda conn: enqueue(conn, JobName.PAYMENT_METHOD_DETACH, {"org_id": str(org.org_id), "payment_method_id": "-"})
    )
    await scene.db.transact(
        lambda conn: enqueue(
            conn, JobName.PAYMENT_METHOD_DETACH, {"org_id": str(stranger.org_id), "payment_method_id": "-"}
        )
    )
    waiting = await clocks.advance("past", target=PAST + HOUR)
    assert (waiting.clock.state, waiting.clock.present_at) == (ClockState.ADVANCING, PAST)

    async def work_it(conn: AsyncConnection) -> None:
        await conn.execute(
            text("DELETE FROM pgqueuer WHERE convert_from(payload, 'UTF8') LIKE :mine"), {"mine": f"%{org.org_id}%"}
        )

    await scene.db.transact(work_it)
    assert (await clocks.advance("past", target=PAST + HOUR)).clock.state is ClockState.READY


async def test_clocks_are_made_listed_and_deleted(scene: Scene):
    for number in range(3):
        await scene.clocks.create(clock_id=f"c{number}", display_name=f"Clock {number}", now=PAST)
    await scene.organization("org", "c1")
    first = await scene.clocks.list(size=2, token="")
    rest = await scene.clocks.list(size=2, token=first.next_page_token)
    listed = [*first.rows, *rest.rows]
    assert [(clock.clock_id, count) for clock, count in listed] == [("c0", 0), ("c1", 1), ("c2", 0)]
    assert (await scene.clocks.get("c1"))[1] == 1
    await scene.clocks.delete("c0")
    refusals = {
        Reason.TEST_CLOCK_IN_USE: scene.clocks.delete("c1"),
        Reason.RESOURCE_NOT_FOUND: scene.clocks.get("c0"),
        Reason.RESOURCE_EXISTS: scene.clocks.create(clock_id="c1", display_name="", now=PAST),
        Reason.INVALID_FIELD: scene.clocks.create(clock_id="c9", display_name="", now=datetime(1999, 1, 1, tzinfo=UTC)),
        Reason.INVALID_PAGE_TOKEN: scene.clocks.list(size=1, token="nonsense"),
        Reason.NOT_IMPLEMENTED: TestClocks(scene.db, scene.manual, allowed=False).get("c1"),
    }
    for reason, operation in refusals.items():
        with pytest.raises(ServiceError) as caught:
            await operation
        assert caught.value.reason is reason


async def test_an_organization_is_made_once_on_its_clock(scene: Scene):
    await scene.clocks.create(clock_id="c", display_name="", now=PAST)
    create = scene.organizations.create
    made = await create(slug="one", test_clock="c", request_id="r")
    await scene.clocks.advance("c", target=PAST + HOUR)
    assert await create(slug="one", test_clock="c", request_id="r") == made
    for reason, operation in {
        Reason.IDEMPOTENCY_KEY_REUSED: create(slug="one", request_id="r"),
        Reason.RESOURCE_NOT_FOUND: create(slug="two", test_clock="nowhere"),
    }.items():
        with pytest.raises(ServiceError) as caught:
            await operation
        assert caught.value.reason is reason


async def test_a_job_runs_in_the_time_of_the_organization_that_it_names(scene: Scene):
    org, real = await make(scene, "past", PAST), await scene.organization("real")
    seen: list[datetime | None] = []

    async def work(payload: Payload) -> None:
        seen.append(moment())

    [job] = in_own_time([Job(JobName.TOPUP_SYNC, work)], scene.times.time_of)
    for payload in ({"org_id": str(org.org_id)}, {"org_id": str(real.org_id)}, {"provider": "stripe"}):
        await job.work(payload)
    assert seen == [PAST, None, None]


async def test_work_stays_in_its_time_and_with_its_organization(scene: Scene):
    past, future = await make(scene, "past", PAST), await make(scene, "future", FUTURE)
    real = await scene.organization("real")
    elsewhere = copy_context()
    async with scene.times.time_of(past.org_id):
        for other in (real, future):
            with pytest.raises(BeyondTenants):
                async with scene.times.time_of(other.org_id):
                    raise AssertionError("unreachable: nobody is let in")
        await asyncio.create_task(scene.clocks.advance("past", target=PAST + HOUR), context=elsewhere)
        assert moment() == PAST
    for organization, present in ((real, None), (future, FUTURE), (past, PAST + HOUR)):
        async with scene.times.time_of(organization.org_id):
            assert moment() == present
