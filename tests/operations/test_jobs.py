"""The job queue on PgQueuer: jobs commit with their cause, are worked, tried again, parked, and given back."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.schema_ddl import target
from pgqueuer.adapters.persistence.schema_inspect import inspect
from pgqueuer.adapters.persistence.schema_plan import plan
from pgqueuer.domain.settings import DBSettings
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.model import OpenHold, Posted
from tests.operations.payments_lab import PaymentsLab, payments_lab
from wallet_service.alerts.operations import Alerts
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.exports.operations import ExportCleaning
from wallet_service.files.object_store import FileStore
from wallet_service.invoices.closing import StatementClosing
from wallet_service.invoices.receipts import MissingReceipts, Receipts
from wallet_service.job_queue import JobName, Payload, enqueue
from wallet_service.job_worker import JobWorker
from wallet_service.jobs import Job, RetryPolicy, Schedule, job_table, schedule_table
from wallet_service.journal.hold_operations import Holds
from wallet_service.limits.marks import LimitMarks
from wallet_service.notifications.operations import Notifications
from wallet_service.notifications.sending import Courier
from wallet_service.topups.model import TopUpState
from wallet_service.usage.months import UsageMonths

QUICK = RetryPolicy(attempts_max=2, delay_min=timedelta(milliseconds=10), delay_max=timedelta(milliseconds=20))


@pytest.fixture
async def lab(db: Database, clock: ManualClock) -> AsyncIterator[PaymentsLab]:
    async with payments_lab(db, clock) as made:
        yield made


@asynccontextmanager
async def working(url: str, jobs: Sequence[Job], schedules: Sequence[Schedule] = ()) -> AsyncIterator[JobWorker]:
    worker = JobWorker(url, jobs, schedules)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker.run())
        try:
            yield worker
        finally:
            await worker.stop(timedelta(seconds=20))


def notifications_of(lab: PaymentsLab) -> Notifications:
    return Notifications(lab.db, lab.clock, Courier(mail_relay=None, is_live=False))


def schedules_of(lab: PaymentsLab) -> tuple[Schedule, ...]:
    holds = Holds(lab.db, lab.ledger, lab.clock)
    return schedule_table(
        topups=lab.topups,
        inbox=lab.inbox,
        holds=holds,
        limit_marks=LimitMarks(lab.db, lab.clock),
        recharge_work=lab.recharge_work,
        alerts=Alerts(lab.db, lab.clock),
        account_states=lab.account_states,
        notifications=notifications_of(lab),
        statement_closing=StatementClosing(lab.db, lab.clock),
        missing_receipts=MissingReceipts(lab.db, lab.clock, Receipts(lab.clock), lab.topups),
        export_cleaning=ExportCleaning(lab.db, lab.clock, FileStore(None, folder=Path("files"))),
        usage_months=UsageMonths("postgresql://", lab.clock, kept_months=None),
        db=lab.db,
        clock=lab.clock,
    )


def jobs_of(lab: PaymentsLab) -> tuple[Job, ...]:
    return job_table(
        inbox=lab.inbox,
        topup_sync=lab.sync,
        payment_methods=lab.methods,
        recharge_work=lab.recharge_work,
        notifications=notifications_of(lab),
    )


async def until(probe: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Ask the database again until it says so."""
    async with asyncio.timeout(seconds):
        while not await probe():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def put(db: Database, value: str, **options: Any) -> None:
    async def work(conn: AsyncConnection) -> None:
        await enqueue(conn, JobName.TOPUP_SYNC, {"value": value}, **options)

    await db.transact(work)


async def statuses(db: Database) -> list[str]:
    return [status for (status,) in await rows(db, "SELECT status::text FROM pgqueuer ORDER BY id")]


async def rows(db: Database, statement: str) -> list[tuple[Any, ...]]:
    async def work(conn: AsyncConnection) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await conn.execute(text(statement))]

    return await db.read(work)


async def test_the_tables_are_those_that_the_installed_library_declares(database_url):
    settings = DBSettings()
    async with owner_of(database_url) as connection:
        live = await inspect(AsyncpgDriver(connection), settings)
    assert list(plan(live, target(settings), settings).statements) == []


async def test_the_job_tables_have_no_foreign_keys(db):
    async def work(conn: AsyncConnection) -> int:
        statement = (
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text LIKE 'pgqueuer%'"
        )
        return (await conn.execute(text(statement))).scalar_one()

    assert await db.read(work) == 0


async def test_a_job_commits_with_its_cause_or_not_at_all(db):
    async def fails(conn: AsyncConnection) -> None:
        await enqueue(conn, JobName.TOPUP_SYNC, {"value": "lost"})
        raise RuntimeError("the cause failed")

    with pytest.raises(RuntimeError):
        await db.transact(fails)
    assert await statuses(db) == []
    await put(db, "kept")
    assert await statuses(db) == ["queued"]


async def test_a_dedupe_key_adds_nothing_while_one_waits(db):
    for _ in range(3):
        await put(db, "once", dedupe_key="d1")
    assert await statuses(db) == ["queued"]


async def test_a_job_is_worked_and_gone(db, database_url):
    done: list[str] = []

    async def work(payload: Payload) -> None:
        done.append(payload["value"])

    for i in range(20):
        await put(db, str(i))

    async def finished() -> bool:
        return len(done) == 20 and await statuses(db) == []

    async with working(database_url, [Job(JobName.TOPUP_SYNC, work)]):
        await until(finished)
    assert sorted(done, key=int) == [str(i) for i in range(20)]


async def test_a_job_that_fails_is_tried_again_and_then_parked(db, database_url):
    attempts: list[str] = []

    async def work(payload: Payload) -> None:
        attempts.append(payload["value"])
        raise ValueError("no luck")

    await put(db, "bad")

    async def parked() -> bool:
        return await statuses(db) == ["failed"]

    async with working(database_url, [Job(JobName.TOPUP_SYNC, work, QUICK)]):
        await until(parked)
    assert len(attempts) == QUICK.attempts_max + 1


async def test_an_attempt_is_bounded_in_time(db, database_url):
    started: list[str] = []

    async def work(payload: Payload) -> None:
        started.append(payload["value"])
        if len(started) == 1:
            await asyncio.sleep(60)

    await put(db, "slow")

    async def finished() -> bool:
        return await statuses(db) == []

    async with working(database_url, [Job(JobName.TOPUP_SYNC, work, QUICK, seconds_max=1)]):
        await until(finished)
    assert len(started) == 2


async def test_stop_waits_for_what_is_running(db, database_url):
    running, done = asyncio.Event(), asyncio.Event()

    async def work(payload: Payload) -> None:
        running.set()
        await asyncio.sleep(0.5)
        done.set()

    await put(db, "long")
    async with working(database_url, [Job(JobName.TOPUP_SYNC, work)]):
        async with asyncio.timeout(20):
            await running.wait()
    assert done.is_set()
    assert await statuses(db) == []


@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_a_job_that_takes_too_long_for_the_end_is_given_back(db, database_url, how):
    running = asyncio.Event()

    async def work(payload: Payload) -> None:
        running.set()
        await asyncio.sleep(50)

    await put(db, "long")
    worker = JobWorker(database_url, [Job(JobName.TOPUP_SYNC, work)], [])
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(20):
        await running.wait()
        if how == "stop":
            await worker.stop(timedelta(seconds=0.2))
        else:
            task.cancel()
        await asyncio.wait([task])
    assert await statuses(db) == ["queued"]


@asynccontextmanager
async def owner_of(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    url = make_url(database_url)
    connection = await asyncpg.connect(host=str(url.query["host"]), user=url.username, database=url.database)
    try:
        yield connection
    finally:
        await connection.close()


SLOW_TAKING = """
CREATE FUNCTION take_slowly() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$;
CREATE TRIGGER slowly BEFORE UPDATE ON pgqueuer
  FOR EACH ROW WHEN (NEW.status = 'picked') EXECUTE FUNCTION take_slowly()
"""
IS_TAKING = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep')"


@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_a_job_that_is_taken_while_the_worker_gives_back_is_given_back_too(db, database_url, how):
    """The query for jobs is on its way when the worker is stopped, and finds one."""
    running = asyncio.Event()

    async def work(payload: Payload) -> None:
        running.set()
        await asyncio.sleep(50)

    worker = JobWorker(database_url, [Job(JobName.TOPUP_SYNC, work)], [])
    async with owner_of(database_url) as owner, asyncio.timeout(40), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(worker.run())
        await put(db, "first")
        await running.wait()
        await owner.execute(SLOW_TAKING)
        await put(db, "second")
        while not await owner.fetchval(IS_TAKING):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        if how == "stop":
            await worker.stop(timedelta(0))
        else:
            task.cancel()
    assert await statuses(db) == ["queued", "queued"]
    assert await rows(db, "SELECT attempts FROM pgqueuer") == [(1,), (1,)]


async def test_a_schedule_that_takes_too_long_for_the_end_is_stopped(db, database_url):
    running = asyncio.Event()

    async def work() -> None:
        running.set()
        await asyncio.sleep(50)

    async with asyncio.timeout(20):
        worker = JobWorker(database_url, [], [Schedule("slow", "* * * * * *", work)])
        task = asyncio.create_task(worker.run())
        await running.wait()
        await worker.stop(timedelta(seconds=0.2))
        await task
    assert await rows(db, "SELECT status::text FROM pgqueuer_schedules") == [("queued",)]


async def test_a_lost_database_connection_is_waited_for(db, database_url):
    done: list[str] = []

    async def work(payload: Payload) -> None:
        done.append(payload["value"])

    async def first_is_done() -> bool:
        return done == ["1"]

    async def both_are_done() -> bool:
        return done == ["1", "2"]

    async with working(database_url, [Job(JobName.TOPUP_SYNC, work)]):
        await put(db, "1")
        await until(first_is_done)
        async with owner_of(database_url) as owner:
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wallet-worker'"
            )
        await put(db, "2")
        await until(both_are_done, seconds=40)


async def test_a_schedule_runs_on_one_of_two_workers(db, database_url):
    runs: list[float] = []

    async def work() -> None:
        runs.append(asyncio.get_running_loop().time())

    async def thrice() -> bool:
        return len(runs) >= 3

    every_second = [Schedule("tick", "* * * * * *", work)]
    async with working(database_url, [], every_second), working(database_url, [], every_second):
        await until(thrice)
    gaps = [later - earlier for earlier, later in pairwise(runs)]
    assert all(gap > 0.3 for gap in gaps)


async def test_the_whole_table_settles_a_payment_by_itself(lab, database_url):
    jobs = jobs_of(lab)
    assert {job.name for job in jobs} == set(JobName)
    schedules = schedules_of(lab)
    first = await lab.paid(1000)

    async def settled(topup=first) -> bool:
        return (await lab.stored(topup)).state is TopUpState.SUCCEEDED

    async with working(database_url, jobs, schedules):
        await lab.flush()
        await until(settled)
        await lab.deliver("drop")
        lost = await lab.paid(2000)
        lab.clock.advance(timedelta(minutes=1))

        async def lost_is_settled() -> bool:
            return await settled(lost)

        await until(lost_is_settled, seconds=40)
    assert (await lab.balances())["wallet"] == 3000


async def test_finished_jobs_are_forgotten(lab, database_url):
    schedules = {s.name: s for s in schedules_of(lab)}
    old = lab.clock.now() - timedelta(days=8)
    for aggregated, created in ((True, old), (False, old), (True, lab.clock.now())):
        await lab.execute(
            """
            INSERT INTO pgqueuer_log (created, job_id, status, priority, entrypoint, aggregated)
            VALUES (:created, 1, 'successful', 0, 'topup-sync', :aggregated)
            """,
            created=created,
            aggregated=aggregated,
        )
    await schedules["jobs-clean"].work()
    [(count,)] = await lab.rows("SELECT count(*) FROM pgqueuer_log")
    assert count == 2


async def hold_for_a_minute(lab: PaymentsLab, amount_minor: int) -> None:
    outcome = await lab.ledger.post(
        OpenHold(
            org_id=lab.org_id,
            key="hold-1",
            wallet=lab.wallet.account_id,
            amount_minor=amount_minor,
            expires_at=lab.clock.now() + timedelta(minutes=1),
        )
    )
    assert isinstance(outcome, Posted)


async def test_due_holds_expire_on_schedule(lab):
    await lab.credited(5000)
    await hold_for_a_minute(lab, 2000)
    expire = {schedule.name: schedule for schedule in schedules_of(lab)}["holds-expire"]
    await expire.work()
    assert (await lab.balances())["wallet"] == 3000
    lab.clock.advance(timedelta(minutes=1))
    await expire.work()
    assert (await lab.balances())["wallet"] == 5000


async def test_a_worker_expires_due_holds_and_no_others(lab, database_url):
    await lab.credited(5000)
    await hold_for_a_minute(lab, 2000)
    [scheduled] = [schedule for schedule in schedules_of(lab) if schedule.name == "holds-expire"]
    run_count = 0

    async def work() -> None:
        nonlocal run_count
        await scheduled.work()
        run_count += 1

    async def has_run_twice() -> bool:
        return run_count >= 2

    async def given_back() -> bool:
        return (await lab.balances())["wallet"] == 5000

    every_second = replace(scheduled, expression="* * * * * *", work=work)
    async with working(database_url, [], [every_second]):
        await until(has_run_twice)
        assert not await given_back()
        lab.clock.advance(timedelta(minutes=1))
        await until(given_back)


@pytest.mark.parametrize("seed", range(3))
async def test_events_in_any_order_with_a_worker_end_in_the_same_ledger(lab, database_url, seed):
    rng = random.Random(seed)
    jobs = jobs_of(lab)
    async with working(database_url, jobs):
        await lab.deliver(rng.choice(["duplicate", "shuffle"]))
        topups = [await lab.paid(amount) for amount in (1000, 2000, 3000)]
        await lab.refund(topups[0])
        dispute_id = await lab.dispute(topups[1])
        await lab.flush()
        await lab.resolve(dispute_id, "won")
        await lab.refund(topups[2], 500)
        await lab.flush()

        async def worked() -> bool:
            unprocessed = await lab.rows("SELECT 1 FROM provider_events WHERE processed_at IS NULL")
            return not unprocessed and not await lab.queued("provider-event")

        await until(worked)
    assert (await lab.balances())["wallet"] == 4500
