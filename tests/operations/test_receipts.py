"""Receipts of top-ups: one each, numbered without gaps, beside the statements in a list."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.operations.payments_lab import PaymentsLab, payments_lab
from wallet_service.clock import ManualClock
from wallet_service.db import Database, engine_for
from wallet_service.files.object_store import FileStore
from wallet_service.files.operations import Downloads
from wallet_service.invoices.closing import StatementClosing
from wallet_service.invoices.model import ReceiptContent, ReceiptFilter
from wallet_service.invoices.operations import Invoices
from wallet_service.invoices.paper import Paper
from wallet_service.invoices.pdf import PdfFiles
from wallet_service.invoices.receipts import MissingReceipts, Receipts


@pytest.fixture
async def lab(db: Database, clock: ManualClock) -> AsyncIterator[PaymentsLab]:
    async with payments_lab(db, clock) as made:
        yield made


@pytest.fixture
def invoices(lab: PaymentsLab, tmp_path: Path) -> Invoices:
    files = FileStore(None, folder=tmp_path)
    downloads = Downloads(files, lab.clock, secret=lambda: b"s" * 32, base_url="http://127.0.0.1:1")
    return Invoices(lab.db, lab.clock, PdfFiles(files, issuer="x"), downloads, paper=Paper.A4)


async def numbers(invoices: Invoices, lab: PaymentsLab, receipts: ReceiptFilter | None) -> list[str]:
    page = await invoices.list(lab.org_id, receipts=receipts, size=0, token="")
    return [invoice.number for invoice in page.rows]


async def test_a_settled_top_up_has_one_receipt_and_a_failed_one_has_none(lab: PaymentsLab, invoices: Invoices) -> None:
    credited = await lab.credited(5000)
    await lab.sync.sync(credited.org_id, credited.topup_id)
    await lab.settle_everything()
    await lab.start(700)
    await lab.credited(900)
    page = await invoices.list(lab.org_id, receipts=ReceiptFilter.ALL, size=0, token="")
    assert [(receipt.number, receipt.amount_minor) for receipt in page.rows] == [
        ("RC-000002", 900),
        ("RC-000001", 5000),
    ]
    first = page.rows[1].content
    assert isinstance(first, ReceiptContent)
    assert (first.topup_id, first.origin, first.method) == (credited.topup_id, "manual", "stripe-card")
    assert first.external_id == credited.external_id
    events = await lab.rows("SELECT data FROM events WHERE type = 'receipt.issued' ORDER BY seq")
    assert [event[0]["number"] for event in events] == ["RC-000001", "RC-000002"]
    assert (await invoices.download_pdf(lab.org_id, page.rows[1].invoice_id)).url.endswith("/my-org-RC-000001.pdf")


async def test_lists_show_the_receipts_that_are_asked_for(lab: PaymentsLab, invoices: Invoices) -> None:
    await lab.credited(5000)
    await lab.credited(6000)
    await lab.execute("UPDATE topups SET origin = 'auto' WHERE amount_minor = 6000")
    start = lab.clock.now()
    lab.clock.advance(start.replace(month=start.month + 1, day=2) - start)
    assert await StatementClosing(lab.db, lab.clock).run_due(None) == 1
    assert await numbers(invoices, lab, None) == ["ST-000001"]
    assert await numbers(invoices, lab, ReceiptFilter.ALL) == ["ST-000001", "RC-000002", "RC-000001"]
    assert await numbers(invoices, lab, ReceiptFilter.MANUAL) == ["ST-000001", "RC-000002", "RC-000001"]
    assert await numbers(invoices, lab, ReceiptFilter.AUTO) == ["ST-000001"]


async def test_top_ups_of_before_there_were_receipts_get_theirs_once(lab: PaymentsLab, invoices: Invoices) -> None:
    for amount_minor in (500, 600, 700):
        await lab.credited(amount_minor)
    await forget_receipts(lab)
    missing = MissingReceipts(lab.db, lab.clock, Receipts(lab.clock), lab.topups)
    await asyncio.gather(*[missing.issue_missing() for _ in range(3)])
    assert await missing.issue_missing() == 0
    assert sorted(await numbers(invoices, lab, ReceiptFilter.ALL)) == ["RC-000001", "RC-000002", "RC-000003"]


async def test_many_receipts_at_once_are_numbered_without_gaps(lab: PaymentsLab, invoices: Invoices) -> None:
    paid = [await lab.paid(1000 + index) for index in range(6)]
    await asyncio.gather(*[lab.sync.sync(topup.org_id, topup.topup_id) for topup in paid])
    assert sorted(await numbers(invoices, lab, ReceiptFilter.ALL)) == [f"RC-{number:06d}" for number in range(1, 7)]


async def test_top_ups_refunds_and_disputes_stand_on_the_statement(lab: PaymentsLab, invoices: Invoices) -> None:
    first = await lab.credited(5000)
    second = await lab.credited(3000)
    await lab.refund(first, 1200)
    dispute = await lab.dispute(second)
    await lab.settle_everything()
    await lab.spend(100)
    preview: Any = (await invoices.preview(lab.org_id)).content
    totals = preview.totals
    assert (totals.topped_up_minor, totals.refunded_minor, totals.spent_minor) == (8000, 4200, 100)
    assert totals.closing_minor == 3700
    await lab.resolve(dispute, "won")
    await lab.settle_everything()
    totals = (await invoices.preview(lab.org_id)).content.totals  # type: ignore[union-attr]
    assert (totals.refunded_minor, totals.closing_minor, totals.adjusted_minor) == (1200, 6700, 0)


async def forget_receipts(lab: PaymentsLab) -> None:
    """As if the top-ups had been credited by a service that knew no receipts."""
    engine = engine_for(lab.db.engine.url.render_as_string(hide_password=False), pool_size=1, role=None)
    async with engine.begin() as conn:
        await conn.execute(text("DELETE FROM invoices"))
        await conn.execute(text("DELETE FROM invoice_numbers"))
    await engine.dispose()
