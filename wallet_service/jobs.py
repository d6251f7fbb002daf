"""What the names of jobs mean, how often a job is tried, and what runs on a schedule. Wires; decides nothing."""

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.account_states.operations import AccountStates
from wallet_service.alerts.operations import Alerts
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.exports.operations import ExportCleaning
from wallet_service.invoices.closing import StatementClosing
from wallet_service.invoices.receipts import MissingReceipts
from wallet_service.job_queue import JobName, Payload, delete_finished
from wallet_service.journal.hold_operations import Holds
from wallet_service.limits.marks import LimitMarks
from wallet_service.notifications.operations import Notifications
from wallet_service.payment_methods.operations import PaymentMethods
from wallet_service.recharge.charging import RechargeWork
from wallet_service.tenancy import Reach, within
from wallet_service.testclocks.model import TimeOf
from wallet_service.topups.asking import TopUpSync
from wallet_service.topups.operations import TopUps
from wallet_service.usage.months import UsageMonths
from wallet_service.webhooks.operations import WebhookInbox

LOG_KEPT_FOR: Final = timedelta(days=7)
_LOG_DELETED_MAX: Final = 50_000


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A job that fails runs again after `delay_min`, then twice as long each time up to `delay_max`.

    After `attempts_max` failures it is parked with the status `failed`, where a person can see it and queue it again.
    """

    attempts_max: int = 12
    delay_min: timedelta = timedelta(seconds=2)
    delay_max: timedelta = timedelta(minutes=10)


_RECONCILED: Final = RetryPolicy(attempts_max=3)
"""Of jobs that the reconciler hands out again anyway."""


@dataclass(frozen=True, slots=True)
class Job:
    """An operation that may be put off. `seconds_max` bounds one attempt."""

    name: JobName
    work: Callable[[Payload], Awaitable[object]]
    retry: RetryPolicy = RetryPolicy()
    seconds_max: int = 60


@dataclass(frozen=True, slots=True)
class Schedule:
    """An operation that runs at the times of a cron expression (a sixth field is seconds), on one worker at a time."""

    name: str
    expression: str
    work: Callable[[], Awaitable[object]]
    seconds_max: int = 120


def job_table(
    *,
    inbox: WebhookInbox,
    topup_sync: TopUpSync,
    payment_methods: PaymentMethods,
    recharge_work: RechargeWork,
    notifications: Notifications,
) -> tuple[Job, ...]:
    """Every name of `JobName` with its operation."""
    return (
        Job(
            JobName.PROVIDER_EVENT,
            lambda payload: inbox.work(payload["provider"], payload["event_id"]),
        ),
        Job(
            JobName.TOPUP_SYNC,
            lambda payload: topup_sync.sync(UUID(payload["org_id"]), UUID(payload["topup_id"])),
            _RECONCILED,
        ),
        Job(
            JobName.PAYMENT_SYNC,
            lambda payload: topup_sync.sync_unmatched(
                UUID(payload["org_id"]), UUID(payload["topup_id"]), payload["external_id"]
            ),
            _RECONCILED,
        ),
        Job(
            JobName.PAYMENT_METHOD_DETACH,
            lambda payload: payment_methods.finish_detach(UUID(payload["org_id"]), payload["payment_method_id"]),
        ),
        Job(
            JobName.RECHARGE,
            lambda payload: recharge_work.work(UUID(payload["org_id"]), UUID(payload["attempt_id"])),
        ),
        Job(
            JobName.NOTIFICATION,
            lambda payload: notifications.deliver(
                UUID(payload["org_id"]), int(payload["event_seq"]), UUID(payload["target_id"])
            ),
        ),
    )


def in_own_time(jobs: Iterable[Job], time_of: TimeOf) -> tuple[Job, ...]:
    """Jobs that run in the time of the organization that their payload names, for it alone; the others, for everyone."""

    def timed(job: Job) -> Job:
        async def work(payload: Payload) -> object:
            if "org_id" not in payload:
                with within(Reach.EVERYONE):
                    return await job.work(payload)
            async with time_of(UUID(payload["org_id"])):
                return await job.work(payload)

        return replace(job, work=work)

    return tuple(timed(job) for job in jobs)


def schedule_table(
    *,
    topups: TopUps,
    inbox: WebhookInbox,
    holds: Holds,
    limit_marks: LimitMarks,
    recharge_work: RechargeWork,
    alerts: Alerts,
    account_states: AccountStates,
    notifications: Notifications,
    statement_closing: StatementClosing,
    missing_receipts: MissingReceipts,
    export_cleaning: ExportCleaning,
    usage_months: UsageMonths,
    db: Database,
    clock: Clock,
) -> tuple[Schedule, ...]:
    """What runs by itself, for everyone until it comes to one organization's."""

    async def forget_finished_jobs() -> None:
        before = clock.now() - LOG_KEPT_FOR

        async def work(conn: AsyncConnection) -> int:
            return await delete_finished(conn, before=before, limit=_LOG_DELETED_MAX)

        await db.transact(work)

    schedules = (
        Schedule("topups-reconcile", "* * * * * */15", lambda: topups.run_due(None)),
        Schedule("holds-expire", "* * * * * */15", lambda: holds.run_due(None)),
        Schedule("limits-reset", "* * * * * */5", lambda: limit_marks.run_due(None)),
        Schedule("recharges-due", "* * * * * */5", lambda: recharge_work.run_due(None)),
        Schedule("alerts-sweep", "* * * * *", lambda: alerts.run_due(None)),
        Schedule("account-states", "* * * * * */20", lambda: account_states.run_due(None)),
        Schedule("notifications-dispatch", "* * * * * */5", notifications.dispatch),
        Schedule("notifications-clean", "37 * * * *", notifications.clean),
        Schedule("statements-close", "*/2 * * * *", lambda: statement_closing.run_due(None), seconds_max=1800),
        Schedule("receipts-issue", "7 * * * *", missing_receipts.issue_missing),
        Schedule("exports-clean", "47 * * * *", export_cleaning.clean),
        Schedule("usage-months", "11 * * * *", usage_months.maintain, seconds_max=1800),
        Schedule("webhooks-clean", "17 * * * *", inbox.clean),
        Schedule("jobs-clean", "27 * * * *", forget_finished_jobs),
    )
    return tuple(replace(schedule, work=_for_everyone(schedule.work)) for schedule in schedules)


def _for_everyone(work: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    async def work_for_everyone() -> object:
        with within(Reach.EVERYONE):
            return await work()

    return work_for_everyone


def payload_of(raw: bytes | None) -> Payload:
    """What `enqueue` has stored."""
    content: dict[str, str] = json.loads(raw or b"{}")
    return content
