"""Statements add up: lines, categories, projects and days, whatever was used."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import floor_split
from wallet_service.invoices.documents import from_receipt_document, from_statement_document, to_document
from wallet_service.invoices.model import (
    EntryTotal,
    InvoiceKind,
    LineKind,
    MeterName,
    Purchase,
    ReceiptContent,
    StatementContent,
    UsageTotal,
)
from wallet_service.invoices.rules import (
    DoesNotAddUp,
    month_after,
    month_of,
    number_text,
    statement_content,
    usage_lines,
    whole_amounts,
)

MARCH = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
METERS = {
    "cpu": MeterName("vCPU", "vcpu-hour", "vCPU"),
    "gpu": MeterName("GPU", "gpu-hour", "GPU"),
    "net": MeterName("Egress", "GiB", "Data Transfer"),
}


def total(meter: str, price: str, quantity: str, *, discount: str = "0", **fields: Any) -> UsageTotal:
    exact = Decimal(price) * Decimal(quantity)
    given_fields: dict[str, Any] = {"project": "app", "used_in": None, "event_count": 1, **fields}
    return UsageTotal(
        meter=meter,
        unit_price_minor=Decimal(price),
        quantity=Decimal(quantity),
        exact_minor=exact,
        discount_exact_minor=Decimal(discount) * exact,
        **given_fields,
    )


totals = st.lists(
    st.builds(
        total,
        st.sampled_from(sorted(METERS)),
        st.decimals(0, 1000, places=6).map(str),
        st.decimals(-50, 5000, places=9).map(str),
        discount=st.sampled_from(["0", "0", "0.1", "0.333333"]),
        project=st.sampled_from(["app", "web", "batch"]),
        used_in=st.sampled_from([None, None, date(2026, 1, 1), date(2026, 2, 1)]),
    ),
    max_size=40,
)
carries = st.decimals(0, Decimal("0.999999999"), places=9)
purchases = st.lists(st.builds(Purchase, st.text(max_size=8), st.integers(1, 9), st.integers(-500, 10**6)), max_size=6)
other_entries = st.lists(
    st.builds(
        lambda purpose, amount, day: EntryTotal(date(2026, 3, day), False, purpose, amount, 0),
        st.sampled_from(["top_up", "refund", "dispute", "deposit", "", "transfer"]),
        st.integers(-(10**9), 10**9),
        st.integers(1, 31),
    ),
    max_size=10,
)


def stated(
    usage: list[UsageTotal], bought: list[Purchase], others: list[EntryTotal], carry: Decimal
) -> StatementContent:
    """A statement of usage that was accrued as the ledger does it, with its entries spread over two days."""
    exact = carry + sum((one.exact_minor - one.discount_exact_minor for one in usage), Decimal(0))
    accrued, _ = floor_split(exact)
    entries = [
        EntryTotal(date(2026, 3, 2), True, "", -(accrued // 2), accrued // 2),
        EntryTotal(date(2026, 3, 31), True, "", -(accrued - accrued // 2), accrued - accrued // 2),
        *[EntryTotal(date(2026, 3, 5), False, "", -one.amount_minor, one.amount_minor) for one in bought],
        *others,
    ]
    return statement_content(
        opening_minor=1000,
        closing_minor=1000 + sum(entry.moved_minor for entry in entries),
        carry_in=carry,
        entries=entries,
        usage=usage,
        purchases=bought,
        meters=METERS,
        period=MARCH,
    )


@given(totals, purchases, other_entries, carries)
def test_everything_adds_up_to_what_was_debited(
    usage: list[UsageTotal], bought: list[Purchase], others: list[EntryTotal], carry: Decimal
) -> None:
    content = stated(usage, bought, others, carry)
    sums = content.totals
    assert sum(line.amount_minor for line in content.lines) == sums.spent_minor
    assert sum(share.amount_minor for share in content.categories) == sums.spent_minor
    assert sum(share.amount_minor for share in content.projects) == sums.spent_minor
    assert sum(spend.amount_minor for spend in content.days) == sums.spent_minor
    assert len(content.days) == 31
    assert sums.closing_minor == (
        sums.opening_minor + sums.topped_up_minor - sums.refunded_minor - sums.spent_minor + sums.adjusted_minor
    )
    assert all(abs(line.exact_minor - line.amount_minor) < 1 for line in content.lines)
    metered = [line for line in content.lines if line.kind in (LineKind.USAGE, LineKind.LATE_USAGE)]
    assert all(line.quantity * line.unit_price_minor == line.exact_minor for line in metered)  # type: ignore[operator]
    exact = sum((line.exact_minor for line in content.lines), Decimal(0))
    assert content.carry_in + exact == sums.spent_minor + content.carry_out
    assert 0 <= content.carry_out < 1
    assert from_statement_document(to_document(content)) == content


@given(st.lists(totals, min_size=2, max_size=6), carries)
def test_carries_hand_over_from_month_to_month_and_lose_nothing(months: list[list[UsageTotal]], carry: Decimal) -> None:
    first, debited, exact = carry, 0, Decimal(0)
    for usage in months:
        content = stated(usage, [], [], carry)
        carry = content.carry_out
        debited += content.totals.spent_minor
        exact += sum((one.exact_minor - one.discount_exact_minor for one in usage), Decimal(0))
    assert first + exact == debited + carry


@given(st.lists(st.decimals(-100, 100, places=6), max_size=30), carries)
def test_whole_amounts_of_any_sign(exact: list[Decimal], carry: Decimal) -> None:
    wanted, _ = floor_split(carry + sum(exact, Decimal(0)))
    amounts = whole_amounts(exact, wanted)
    assert sum(amounts) == wanted
    assert all(abs(whole - part) < 1 for whole, part in zip(amounts, exact, strict=True))


def test_the_largest_remainder_gets_the_unit() -> None:
    assert whole_amounts([Decimal("1.4"), Decimal("1.4"), Decimal("1.2")], 4) == [2, 1, 1]


def test_730_hours_of_a_sub_cent_rate_are_250() -> None:
    lines, carry = usage_lines([total("cpu", "0.342466", "730")], METERS, accrued_minor=250, carry_in=Decimal(0))
    assert [(line.amount_minor, line.exact_minor) for line in lines] == [(250, Decimal("250.000180"))]
    assert carry == Decimal("0.000180")


def test_late_usage_and_discounts_have_lines_of_their_own() -> None:
    usage = [
        total("cpu", "2", "10", discount="0.1"),
        total("cpu", "2", "5", used_in=date(2026, 2, 1)),
        total("cpu", "3", "1"),
    ]
    lines, _ = usage_lines(usage, METERS, accrued_minor=31, carry_in=Decimal(0))
    assert [(line.kind.value, line.unit_price_minor, line.used_in, line.amount_minor) for line in lines] == [
        ("usage", 2, None, 20),
        ("usage", 3, None, 3),
        ("late_usage", 2, date(2026, 2, 1), 10),
        ("discount", None, None, -2),
    ]


def test_what_contradicts_itself_is_no_statement() -> None:
    with pytest.raises(DoesNotAddUp, match="cannot have accrued"):
        usage_lines([total("cpu", "1", "10")], METERS, accrued_minor=9, carry_in=Decimal(0))
    with pytest.raises(DoesNotAddUp, match="do not lead"):
        statement_content(
            opening_minor=0,
            closing_minor=5,
            carry_in=Decimal(0),
            entries=[EntryTotal(date(2026, 3, 1), False, "top_up", 4, 0)],
            usage=[],
            purchases=[],
            meters={},
            period=MARCH,
        )
    with pytest.raises(DoesNotAddUp, match="lines do not add up"):
        statement_content(
            opening_minor=0,
            closing_minor=-5,
            carry_in=Decimal(0),
            entries=[EntryTotal(date(2026, 3, 1), False, "", -5, 5)],
            usage=[],
            purchases=[Purchase("vm", 1, 4)],
            meters={},
            period=MARCH,
        )


@given(st.datetimes(timezones=st.just(ZoneInfo("Europe/Berlin"))).filter(lambda at: 1970 < at.year < 2100))
def test_months_are_those_of_utc_also_around_a_change_of_the_clocks(at: datetime) -> None:
    start, end = month_of(at), month_after(month_of(at))
    assert start <= at < end
    assert (start.day, start.hour, end.day, end.hour) == (1, 0, 1, 0)
    assert start.utcoffset() == timedelta(0)
    assert timedelta(days=28) <= end - start <= timedelta(days=31)
    assert month_of(end - timedelta(microseconds=1)) == start


def test_numbers_and_receipts_as_they_are_stored() -> None:
    assert number_text(InvoiceKind.STATEMENT, 7) == "ST-000007"
    assert number_text(InvoiceKind.RECEIPT, 1234567) == "RC-1234567"
    receipt = ReceiptContent(
        topup_id=UUID(int=3), origin="auto", method="stripe-card", amount_minor=500, external_id="pi_1"
    )
    assert from_receipt_document(to_document(receipt)) == receipt
