"""What users of other systems suffered from, by the numbers of the published complaints: statements."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.operations.invoice_scene import InvoiceScene, content_of, months_on
from tests.operations.usage_scene import EGRESS, GPU, VCPU
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.invoices.closing import StatementClosing
from wallet_service.invoices.model import LineKind

BERLIN = ZoneInfo("Europe/Berlin")
LOS_ANGELES = ZoneInfo("America/Los_Angeles")


@pytest.fixture
async def months(db: Database, clock: ManualClock, tmp_path: Path) -> AsyncIterator[InvoiceScene]:
    async with months_on(db, clock, tmp_path) as made:
        yield made


async def test_pain_15_one_cent_drift_between_lines_statement_and_balance(months: InvoiceScene) -> None:
    """Hundreds of sub-cent events, corrections and purchases over a quarter: every sum is the ledger's, to the unit."""
    chance = random.Random(15)
    await months.deposit(1_000_000)
    for index in range(60):
        months.clock.advance(timedelta(hours=chance.randint(6, 60)))
        for meter in (VCPU, GPU, EGRESS):
            quantity = Decimal(chance.randint(-200, 9999)) / 1000
            await months.use(f"{index}-{meter}", str(quantity), meter=meter)
        if index % 20 == 7:
            await months.capture(333, f"Lease {index}", f"lease-{index}")
    months.until(2026, 8, 2)
    await months.closing.run_due(None)
    statements = [content_of(statement) for statement in await months.statements()]
    for content in statements:
        spent_minor = content.totals.spent_minor
        assert sum(line.amount_minor for line in content.lines) == spent_minor
        assert sum(share.amount_minor for share in content.categories) == spent_minor
        assert sum(share.amount_minor for share in content.projects) == spent_minor
        assert sum(spend.amount_minor for spend in content.days) == spent_minor
        assert all(abs(line.exact_minor - line.amount_minor) < 1 for line in content.lines)
    assert all(before.totals.closing_minor == after.totals.opening_minor for before, after in pairwise(statements))
    assert all(before.carry_out == after.carry_in for before, after in pairwise(statements))
    accrued, carry, available = await months.usage.accrued(months.org_id)
    metered = [line for content in statements for line in content.lines if line.kind is not LineKind.PURCHASE]
    assert sum(line.exact_minor for line in metered) == accrued
    assert statements[-1].carry_out == carry
    assert statements[-1].totals.closing_minor == available == 1_000_000 - sum(c.totals.spent_minor for c in statements)


@pytest.mark.parametrize("zone", [BERLIN, LOS_ANGELES], ids=str)
async def test_pain_20_daylight_saving_and_time_zones_move_no_usage_between_months(
    months: InvoiceScene, zone: ZoneInfo
) -> None:
    """Events each hour over the nights in which clocks change and months end, told in local time: one statement has each."""
    moments = [datetime(2026, 3, day, hour, 30, tzinfo=UTC) for day in (8, 29, 31) for hour in range(24)]
    moments += [datetime(2026, 4, 1, hour, 30, tzinfo=UTC) for hour in range(12)]
    for moment in moments:
        months.clock.advance(moment - months.clock.now())
        await months.use(moment.isoformat(), "2", event_time=moment.astimezone(zone))
    months.until(2026, 5, 1, 0, 10)
    await months.closing.run_due(None)
    march, april = await months.statements()
    assert march.period_end == april.period_start == datetime(2026, 4, 1, tzinfo=UTC)
    assert [line.quantity for line in content_of(march).lines] == [2 * 72]
    assert [(line.kind, line.quantity) for line in content_of(april).lines] == [(LineKind.USAGE, 2 * 12)]


async def test_pain_20_no_month_is_stated_twice_or_left_out(months: InvoiceScene) -> None:
    """Several workers that close at every step through a year, one of them behind by a restart."""
    closings = [StatementClosing(months.usage.db, months.clock) for _ in range(3)]
    for day in range(0, 300, 5):
        if day % 3 == 0:
            await months.use(f"day-{day}", "3.7")
        months.clock.advance(timedelta(days=5))
        await asyncio.gather(*[closing.run_due(None) for closing in closings])
    statements = await months.statements()
    assert [statement.number for statement in statements] == [f"ST-{n:06d}" for n in range(1, len(statements) + 1)]
    assert len(statements) == 9
    assert all(before.period_end == after.period_start for before, after in pairwise(statements))
    stated = [spend.day for statement in statements for spend in content_of(statement).days]
    assert stated == sorted(set(stated))
    assert len(stated) == (statements[-1].period_end - statements[0].period_start).days
