"""The monthly close and what it leaves: statements that agree with the ledger, once each, without gaps."""

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from pypdf import PdfReader

from ledger.accounts import AccountKind, chart_account_id
from ledger.model import Accrue, Posted
from tests.operations.invoice_scene import InvoiceScene, content_of, months_on
from tests.operations.usage_scene import EGRESS, GPU
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Reason, ServiceError
from wallet_service.invoices import pdf
from wallet_service.invoices.closing import StatementClosing
from wallet_service.invoices.model import InvoiceStatus, LineKind
from wallet_service.invoices.paper import Paper

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
async def months(db: Database, clock: ManualClock, tmp_path: Path) -> AsyncIterator[InvoiceScene]:
    async with months_on(db, clock, tmp_path) as made:
        yield made


async def a_busy_march(months: InvoiceScene) -> None:
    await months.deposit(100_000)
    months.until(2026, 3, 5, 10)
    await months.use("cpu", "730")
    await months.use("gpu", "10", meter=GPU)
    months.until(2026, 3, 20, 8)
    await months.use("net", "100.5", meter=EGRESS)
    await months.use("cpu-back", "-10")
    await months.capture(1999, "Bare metal lease", "lease")


async def test_a_month_is_stated_as_it_was_debited(months: InvoiceScene) -> None:
    await a_busy_march(months)
    months.until(2026, 4, 1, 0, 10)
    assert await months.closing.run_due(None) == 1
    [statement] = await months.statements()
    content = content_of(statement)
    assert (statement.number, statement.status) == ("ST-000001", InvoiceStatus.PAID)
    assert (statement.period_start, statement.period_end) == (MARCH, APRIL)
    # 720 vcpu-hours at 0.5, 10 at 249, 100.5 at 0.9765625: 360 + 2490 + 98.14453125, and the lease.
    assert [
        (line.kind, line.meter, line.quantity, line.unit_price_minor, line.amount_minor) for line in content.lines
    ] == [
        (LineKind.USAGE, EGRESS, Decimal("100.5"), Decimal("0.9765625"), 98),
        (LineKind.USAGE, GPU, 10, 249, 2490),
        (LineKind.USAGE, "compute.vm.vcpu_hours", 720, Decimal("0.5"), 360),
        (LineKind.PURCHASE, "", 1, None, 1999),
    ]
    assert content.carry_out == Decimal("0.14453125")
    totals = content.totals
    assert (totals.opening_minor, totals.topped_up_minor, totals.refunded_minor) == (0, 0, 0)
    assert (totals.adjusted_minor, totals.spent_minor) == (100_000, 4947)
    assert totals.closing_minor == await months.balance_at(APRIL) == 95_053
    assert [(share.title, share.amount_minor) for share in content.projects] == [("my-app", 2948), ("Purchases", 1999)]
    spends = {spend.day: spend.amount_minor for spend in content.days if spend.amount_minor}
    assert spends == {date(2026, 3, 5): 2855, date(2026, 3, 20): 2092}
    [event] = await months.usage.rows("SELECT subject, data FROM events WHERE type = 'invoice.finalized'")
    assert event.subject == f"organizations/my-org/invoices/{statement.invoice_id}"
    assert (event.data["number"], event.data["closing_balance_minor"]) == ("ST-000001", 95_053)


async def test_nothing_is_closed_before_its_time(months: InvoiceScene) -> None:
    await a_busy_march(months)
    due = datetime(2026, 4, 1, 0, 10, tzinfo=UTC)
    assert (await months.closing.next_due([months.org_id])).get(months.org_id) == due
    months.clock.advance(due - months.clock.now() - timedelta(microseconds=1))
    assert await months.closing.run_due(None) == 0
    months.clock.advance(timedelta(microseconds=1))
    assert await months.closing.run_due(months.org_id) == 1
    assert (await months.closing.next_due([months.org_id])).get(months.org_id) == datetime(
        2026, 5, 1, 0, 10, tzinfo=UTC
    )


async def test_three_months_of_downtime_are_closed_one_by_one(months: InvoiceScene) -> None:
    await a_busy_march(months)
    months.until(2026, 4, 10)
    await months.use("april", "3.3")
    months.until(2026, 6, 2)
    await months.use("june", "1")
    assert await months.closing.run_due(None) == 3
    statements = await months.statements()
    assert [statement.number for statement in statements] == ["ST-000001", "ST-000002", "ST-000003"]
    assert [statement.period_start.month for statement in statements] == [3, 4, 5]
    for before, after in pairwise(statements):
        assert before.period_end == after.period_start
        assert content_of(before).totals.closing_minor == content_of(after).totals.opening_minor
        assert content_of(before).carry_out == content_of(after).carry_in
    for statement in statements:
        assert content_of(statement).totals.closing_minor == await months.balance_at(statement.period_end)
    assert content_of(statements[1]).totals.spent_minor == 1
    assert content_of(statements[2]).lines == ()


async def test_closing_again_and_at_once_closes_nothing_twice(months: InvoiceScene) -> None:
    await a_busy_march(months)
    months.until(2026, 6, 2)
    others = [StatementClosing(months.usage.db, months.clock) for _ in range(4)]
    counts = await asyncio.gather(*[closing.run_due(None) for closing in [months.closing, *others]])
    assert sum(counts) == 3
    assert await months.closing.run_due(None) == 0
    assert [statement.number for statement in await months.statements()] == ["ST-000001", "ST-000002", "ST-000003"]
    [row] = await months.usage.rows("SELECT last_number FROM invoice_numbers")
    assert row.last_number == 3


async def test_usage_of_a_closed_month_stands_on_its_own_line_in_the_next(months: InvoiceScene) -> None:
    await a_busy_march(months)
    months.until(2026, 4, 1, 0, 10)
    await months.closing.run_due(None)
    before = (await months.statements())[0]
    months.until(2026, 4, 2)
    await months.use("late", "8", event_time=datetime(2026, 3, 31, 23, 59, tzinfo=UTC))
    await months.use("late-too", "2", event_time=datetime(2026, 3, 3, tzinfo=UTC))
    await months.use("now", "4")
    months.until(2026, 5, 2)
    await months.closing.run_due(None)
    first, second = await months.statements()
    assert first == before
    assert [(line.kind, line.used_in, line.quantity, line.amount_minor) for line in content_of(second).lines] == [
        (LineKind.USAGE, None, 4, 2),
        (LineKind.LATE_USAGE, date(2026, 3, 1), 10, 5),
    ]


async def test_the_edge_of_a_month_is_where_the_ledger_has_it(months: InvoiceScene) -> None:
    """Usage recorded in the last and in the first microsecond, some of it absorbed by the carry and without an entry."""
    months.clock.advance(APRIL - months.clock.now() - timedelta(microseconds=1))
    await months.use("last", "0.5")
    await months.use("last-2", "1")
    months.clock.advance(timedelta(microseconds=1))
    await months.use("first", "0.5")
    await months.use("first-2", "2")
    months.until(2026, 5, 2)
    assert await months.closing.run_due(None) == 2
    march, april = (content_of(statement) for statement in await months.statements())
    assert [(line.quantity, line.amount_minor) for line in march.lines] == [(Decimal("1.5"), 0)]
    assert march.carry_out == Decimal("0.75")
    assert [(line.quantity, line.amount_minor) for line in april.lines] == [(Decimal("2.5"), 2)]
    assert april.carry_out == 0


async def test_a_thousand_events_over_three_months_add_up(months: InvoiceScene) -> None:
    await months.deposit(50_000)
    step = timedelta(hours=22, minutes=7)
    for index in range(90):
        months.clock.advance(step)
        await asyncio.gather(*[months.use(f"{index}-{number}", f"{index}.{number}37") for number in range(4)])
    months.until(2026, 6, 2)
    await months.closing.run_due(None)
    statements = [content_of(statement) for statement in await months.statements()]
    assert len(statements) == 3
    accrued, carry, available = await months.usage.accrued(months.org_id)
    assert sum(content.totals.spent_minor for content in statements) == 50_000 - available
    assert sum(line.exact_minor for content in statements for line in content.lines) == accrued
    assert statements[-1].carry_out == carry


async def test_the_months_are_those_of_utc_when_clocks_change(months: InvoiceScene) -> None:
    """In the last hour of March in UTC it is April in most of Europe, which has just changed its clocks."""
    months.until(2026, 3, 29, 1)
    await months.use("change", "2")
    months.until(2026, 3, 31, 23, 30)
    await months.use("last-hour", "2")
    months.until(2026, 4, 1, 0, 10)
    await months.closing.run_due(None)
    [march] = await months.statements()
    assert [line.quantity for line in content_of(march).lines] == [4]
    assert len(content_of(march).days) == 31


async def test_the_open_month_can_be_looked_at_and_nothing_changes(months: InvoiceScene) -> None:
    await a_busy_march(months)
    before = await months.counts()
    for _ in range(2):
        preview = await months.invoices.preview(months.org_id)
    assert (preview.status, preview.number, preview.finalized_at) == (InvoiceStatus.DRAFT, "", None)
    assert content_of(preview).totals.spent_minor == 4947
    assert content_of(preview).totals.closing_minor == 95_053
    # March has ended and is not closed yet: the open month is April, with what March leaves.
    months.until(2026, 4, 1, 0, 5)
    preview = await months.invoices.preview(months.org_id)
    assert preview.period_start == APRIL
    assert content_of(preview).totals.opening_minor == 95_053
    assert content_of(preview).carry_in == Decimal("0.14453125")
    assert await months.counts() == before


async def test_a_preview_at_the_end_is_what_the_close_writes(months: InvoiceScene) -> None:
    await a_busy_march(months)
    months.until(2026, 3, 31, 23)
    preview = await months.invoices.preview(months.org_id)
    months.until(2026, 4, 1, 0, 10)
    await months.closing.run_due(None)
    assert (await months.statements())[0].content == preview.content


async def test_a_closed_wallet_has_a_last_statement(months: InvoiceScene) -> None:
    await months.use("cpu", "2")
    months.until(2026, 3, 10)
    await months.deposit(1)
    await Wallets(months.usage.db, months.clock).delete(months.org_id)
    months.until(2026, 6, 2)
    assert await months.closing.run_due(None) == 1
    assert (await months.closing.next_due([months.org_id])).get(months.org_id) is None
    [statement] = await months.statements()
    totals = content_of(statement).totals
    assert (totals.spent_minor, totals.closing_minor) == (1, 0)


async def test_what_does_not_add_up_is_left_open_and_keeps_no_other_from_closing(months: InvoiceScene) -> None:
    """Cost that no usage explains: only a defect can do that."""
    other = await months.usage.organization("other-org", project="other-app")
    [wallet] = await months.usage.rows("SELECT account_id FROM wallets WHERE org_id = :o", o=months.org_id)
    posted = await months.usage.ledger.post(
        Accrue(
            org_id=months.org_id,
            key="unexplained",
            wallet=wallet.account_id,
            revenue_account=chart_account_id(months.org_id, "USD", AccountKind.REVENUE),
            exact_minor=Decimal(7),
        )
    )
    assert isinstance(posted, Posted)
    months.until(2026, 4, 2)
    assert await months.closing.run_due(None) == 1
    assert await months.statements() == []
    page = await months.invoices.list(other, receipts=None, size=0, token="")
    assert [invoice.number for invoice in page.rows] == ["ST-000001"]


async def test_pages_of_statements(months: InvoiceScene) -> None:
    months.until(2026, 12, 2)
    assert await months.closing.run_due(None) == 9
    numbers: list[str] = []
    token = ""
    while True:
        page = await months.invoices.list(months.org_id, receipts=None, size=4, token=token)
        numbers += [invoice.number for invoice in page.rows]
        if not (token := page.next_page_token):
            break
    assert numbers == [f"ST-{number:06d}" for number in range(9, 0, -1)]
    with pytest.raises(ServiceError) as refused:
        await months.invoices.list(months.org_id, receipts=None, size=4, token="bm9uc2Vuc2U")
    assert refused.value.reason is Reason.INVALID_PAGE_TOKEN


async def test_a_pdf_is_made_once_for_each_paper(months: InvoiceScene) -> None:
    await a_busy_march(months)
    months.until(2026, 4, 2)
    await months.closing.run_due(None)
    [statement] = await months.statements()
    links = await asyncio.gather(*[months.invoices.download_pdf(months.org_id, statement.invoice_id) for _ in range(3)])
    assert {link.expires_at for link in links} == {datetime(2026, 4, 2, 1, tzinfo=UTC)}
    assert all(link.url.endswith("/my-org-ST-000001.pdf") for link in links)
    letter = await months.invoices.download_pdf(months.org_id, statement.invoice_id, paper=Paper.LETTER)
    assert letter.url not in {link.url for link in links}
    stored = sorted((path for path in months.files._folder.rglob("*.pdf")), key=lambda path: path.name)  # pyright: ignore[reportPrivateUsage]
    assert ["-a4-" in path.name for path in stored] == [True, False]
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(stored[0].read_bytes())).pages)
    assert "ST-000001" in text
    assert "49.47" in text


async def test_another_organizations_statement_is_not_found(months: InvoiceScene) -> None:
    months.until(2026, 4, 2)
    await months.closing.run_due(None)
    [statement] = await months.statements()
    for org_id, invoice_id in ((UUID(int=1), statement.invoice_id), (months.org_id, UUID(int=2))):
        with pytest.raises(ServiceError) as refused:
            await months.invoices.get(org_id, invoice_id)
        assert refused.value.reason is Reason.RESOURCE_NOT_FOUND
    assert await months.invoices.get(months.org_id, statement.invoice_id) == statement


async def test_a_pdf_that_takes_too_long_is_refused_and_made_later(
    months: InvoiceScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    months.until(2026, 4, 2)
    await months.closing.run_due(None)
    [statement] = await months.statements()
    with monkeypatch.context() as shorter:
        shorter.setattr(pdf, "DEADLINE", timedelta(0))
        with pytest.raises(ServiceError) as refused:
            await months.invoices.download_pdf(months.org_id, statement.invoice_id)
    assert refused.value.reason is Reason.OVERLOADED
    assert refused.value.retry_after is not None
    assert (await months.invoices.download_pdf(months.org_id, statement.invoice_id)).url.endswith(".pdf")
