"""What happened to a wallet, as people are told it."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.money import Money
from wallet_service.accounts.operations import Organizations
from wallet_service.activity.model import ActivityKind
from wallet_service.activity.operations import SHOWN_FOR, ActivityLog
from wallet_service.activity.rules import types_of
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Reason, ServiceError
from wallet_service.events.model import EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.events.wording import sentence

TOPPED_UP = NewEvent(
    EventType.TOPUP_SUCCEEDED, "organizations/my-org/topUps/1", {"amount_minor": 5000, "currency": "USD"}
)
REFUNDED = NewEvent(EventType.TOPUP_REFUNDED, "organizations/my-org/topUps/1", {"amount_minor": 7, "currency": "JPY"})
PROJECT = NewEvent(EventType.PROJECT_CREATED, "projects/p")


async def test_activity_is_newest_first_by_kind_paged_and_ends_after_60_days(db: Database, clock: ManualClock) -> None:
    organization = await Organizations(db, clock).create(slug="my-org")
    activity = ActivityLog(db, clock)

    async def happened(*events: NewEvent) -> None:
        async def work(conn: AsyncConnection) -> None:
            await append(conn, organization.org_id, events, now=clock.now())

        await db.transact(work)

    await happened(TOPPED_UP)
    clock.advance(timedelta(days=1))
    await happened(PROJECT, REFUNDED, NewEvent(EventType.PAYMENT_METHOD_ATTACHED, "organizations/my-org/x"))

    page = await activity.list(organization.org_id, kinds=(), size=2, token="")
    assert [(row.kind, row.summary, row.amount) for row in page.rows] == [
        (ActivityKind.PAYMENT_METHOD, "A payment method was added", None),
        (ActivityKind.REFUND, "Refund of 7 JPY of a top-up", Money(7, "JPY")),
    ]
    rest = await activity.list(organization.org_id, kinds=(), size=2, token=page.next_page_token)
    assert [row.summary for row in rest.rows] == ["Top-up of 50.00 USD succeeded"]
    assert rest.next_page_token == ""
    only = await activity.list(organization.org_id, kinds={ActivityKind.TOP_UP}, size=0, token="")
    assert [row.event_type for row in only.rows] == ["wallet.topup.succeeded"]
    with pytest.raises(ServiceError) as refused:
        await activity.list(organization.org_id, kinds={ActivityKind.TOP_UP}, size=2, token=page.next_page_token)
    assert refused.value.reason is Reason.INVALID_PAGE_TOKEN

    clock.advance(SHOWN_FOR - timedelta(days=1))
    assert len((await activity.list(organization.org_id, kinds=(), size=0, token="")).rows) == 3
    clock.advance(timedelta(microseconds=1))
    assert len((await activity.list(organization.org_id, kinds=(), size=0, token="")).rows) == 2


async def test_nothing_of_another_organization_is_shown(db: Database, clock: ManualClock) -> None:
    organizations = Organizations(db, clock)
    mine, other = await organizations.create(slug="my-org"), await organizations.create(slug="other")

    async def work(conn: AsyncConnection) -> None:
        await append(conn, other.org_id, [TOPPED_UP], now=clock.now())

    await db.transact(work)
    assert (await ActivityLog(db, clock).list(mine.org_id, kinds=(), size=0, token="")).rows == ()


def test_every_kind_has_events_and_every_event_of_one_has_words() -> None:
    assert all(types_of([kind]) for kind in ActivityKind)
    wordless = [event_type for event_type in types_of(()) if sentence(event_type, {}) == event_type]
    assert wordless == []


def test_words_leave_out_what_is_not_told() -> None:
    assert sentence(EventType.TOPUP_FAILED, {}) == "Top-up failed"
    failed = {"amount_minor": 1234, "currency": "KWD", "reason": "PAYMENT_DECLINED", "message": "the card has expired"}
    assert sentence(EventType.TOPUP_FAILED, failed) == "Top-up of 1.234 KWD failed: the card has expired"
    assert sentence(EventType.BILLING_ACCOUNT_SUSPENDED, {"reason": "dispute"}).endswith(": dispute")
    assert sentence("something.new", {}) == "something.new"
