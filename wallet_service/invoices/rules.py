"""What a statement says, from what a period recorded: pure, exact, and adding up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from ledger.money import EXACT, floor_split
from wallet_service.invoices.model import (
    DaySpend,
    EntryTotal,
    InvoiceKind,
    InvoiceLine,
    LineKind,
    MeterName,
    Purchase,
    Reconciliation,
    Share,
    StatementContent,
    UsageTotal,
)

CLOSE_AFTER: Final = timedelta(minutes=10)
"""A month is closed this long after its end: longer than any transaction may take that still records in it."""

PURCHASE_LINES_MAX: Final = 2_000
"""Purchases with a line of their own; the rest share one."""

PURCHASES: Final = "Purchases"
OTHER_PURCHASES: Final = "Other purchases"
DISCOUNT: Final = "Promotion discount"
_TOP_UPS: Final = frozenset({"top_up"})
_TAKEN_BACK: Final = frozenset({"refund", "dispute"})
ZERO: Final = Decimal(0)
_PREFIX: Final = {InvoiceKind.STATEMENT: "ST", InvoiceKind.RECEIPT: "RC"}


class DoesNotAddUp(Exception):
    """What was read of a period contradicts itself: a defect of ours, or somebody changed the past."""


def month_of(at: datetime) -> datetime:
    """The beginning of the UTC month of an aware time."""
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_after(start: datetime) -> datetime:
    """The beginning of the UTC month behind the one that begins at `start`."""
    return month_of(start + timedelta(days=31))


def number_text(kind: InvoiceKind, number: int) -> str:
    """`ST-000001` of a statement, `RC-000001` of a receipt."""
    return f"{_PREFIX[kind]}-{number:06d}"


def statement_content(
    *,
    opening_minor: int,
    closing_minor: int,
    carry_in: Decimal,
    entries: Sequence[EntryTotal],
    usage: Sequence[UsageTotal],
    purchases: Sequence[Purchase],
    meters: Mapping[str, MeterName],
    period: tuple[datetime, datetime],
) -> StatementContent:
    """Everything that a statement says. Raises DoesNotAddUp."""
    totals = _reconciled(entries, opening_minor=opening_minor, closing_minor=closing_minor)
    accrued_minor = sum(entry.earned_minor for entry in entries if entry.is_usage)
    lines, carry_out = usage_lines(usage, meters, accrued_minor=accrued_minor, carry_in=carry_in)
    lines += [_purchase_line(purchase) for purchase in purchases]
    if sum(line.amount_minor for line in lines) != totals.spent_minor:
        raise DoesNotAddUp("the lines do not add up to what was spent")
    return StatementContent(
        totals=totals,
        carry_in=carry_in,
        carry_out=carry_out,
        lines=tuple(lines),
        categories=_categories(lines),
        projects=_projects(usage, purchases, accrued_minor=accrued_minor),
        days=_days(entries, period),
    )


def usage_lines(
    usage: Sequence[UsageTotal], meters: Mapping[str, MeterName], *, accrued_minor: int, carry_in: Decimal
) -> tuple[list[InvoiceLine], Decimal]:
    """Lines by meter, price and month of use, discounts behind them, with whole amounts that add up to `accrued_minor`;
    and the exact cost that is left for the next period.

    No amount is a whole unit or more away from its exact cost. Raises DoesNotAddUp when the usage cannot have accrued
    that much.
    """
    exact = _sum(total.exact_minor - total.discount_exact_minor for total in usage)
    carry_out = EXACT.subtract(EXACT.add(carry_in, exact), Decimal(accrued_minor))
    if not 0 <= carry_out < 1:
        raise DoesNotAddUp(f"usage of {exact} and a carry of {carry_in} cannot have accrued {accrued_minor}")
    drafts = _usage_drafts(usage, meters) + _discount_drafts(usage)
    amounts = whole_amounts([draft.exact_minor for draft in drafts], accrued_minor)
    return [replace(line, amount_minor=amount) for line, amount in zip(drafts, amounts, strict=True)], carry_out


def whole_amounts(exact: Sequence[Decimal], total_minor: int) -> list[int]:
    """Whole parts of exact amounts, of either sign, that add up to `total_minor`: each is rounded down, and what is left
    goes by one to those with the largest remainder, the earlier one on a tie.

    The total is less than one away from the exact sum. Raises DoesNotAddUp otherwise.
    """
    parts = [floor_split(amount) for amount in exact]
    missing = total_minor - sum(whole for whole, _ in parts)
    by_remainder = sorted((i for i, (_, rest) in enumerate(parts) if rest), key=lambda i: (-parts[i][1], i))
    if not 0 <= missing <= len(by_remainder):
        raise DoesNotAddUp(f"{total_minor} cannot be made of {len(exact)} amounts that miss it by {missing}")
    raised = set(by_remainder[:missing])
    return [whole + (i in raised) for i, (whole, _) in enumerate(parts)]


def _usage_drafts(usage: Sequence[UsageTotal], meters: Mapping[str, MeterName]) -> list[InvoiceLine]:
    groups: dict[tuple[date | None, str, Decimal], list[UsageTotal]] = {}
    for total in usage:
        groups.setdefault((total.used_in, total.meter, total.unit_price_minor), []).append(total)
    drafts = [
        InvoiceLine(
            kind=LineKind.USAGE if used_in is None else LineKind.LATE_USAGE,
            title=meters[meter].display_name,
            amount_minor=0,
            exact_minor=_sum(total.exact_minor for total in totals),
            meter=meter,
            unit=meters[meter].unit,
            category=meters[meter].category,
            quantity=_sum(total.quantity for total in totals),
            unit_price_minor=price,
            used_in=used_in,
        )
        for (used_in, meter, price), totals in groups.items()
    ]
    # Usage of the month first, late usage behind it, the oldest first.
    return sorted(
        drafts,
        key=lambda line: (line.used_in or date.min, line.category, line.title, line.meter, line.unit_price_minor),
    )


def _discount_drafts(usage: Sequence[UsageTotal]) -> list[InvoiceLine]:
    discount = _sum(total.discount_exact_minor for total in usage)
    if not discount:
        return []
    return [InvoiceLine(kind=LineKind.DISCOUNT, title=DISCOUNT, amount_minor=0, exact_minor=-discount)]


def _purchase_line(purchase: Purchase) -> InvoiceLine:
    return InvoiceLine(
        kind=LineKind.PURCHASE,
        title=purchase.description,
        amount_minor=purchase.amount_minor,
        exact_minor=Decimal(purchase.amount_minor),
        category=PURCHASES,
        quantity=Decimal(purchase.entry_count),
    )


def _reconciled(entries: Sequence[EntryTotal], *, opening_minor: int, closing_minor: int) -> Reconciliation:
    topped_up = refunded = adjusted = spent = 0
    for entry in entries:
        spent += entry.earned_minor
        rest = entry.moved_minor + entry.earned_minor
        if entry.purpose in _TOP_UPS:
            topped_up += rest
        elif entry.purpose in _TAKEN_BACK:
            refunded -= rest
        else:
            adjusted += rest
    if opening_minor + topped_up - refunded - spent + adjusted != closing_minor:
        raise DoesNotAddUp(f"the entries do not lead from {opening_minor} to {closing_minor}")
    return Reconciliation(
        opening_minor=opening_minor,
        topped_up_minor=topped_up,
        refunded_minor=refunded,
        spent_minor=spent,
        adjusted_minor=adjusted,
        closing_minor=closing_minor,
    )


def _categories(lines: Sequence[InvoiceLine]) -> tuple[Share, ...]:
    amounts: dict[str, int] = {}
    for line in lines:
        title = line.category or line.title
        amounts[title] = amounts.get(title, 0) + line.amount_minor
    return _largest_first(amounts)


def _projects(usage: Sequence[UsageTotal], purchases: Sequence[Purchase], *, accrued_minor: int) -> tuple[Share, ...]:
    """Usage by project in whole units of its own, so that the projects add up too; purchases belong to none."""
    exact: dict[str, Decimal] = {}
    for total in usage:
        cost = total.exact_minor - total.discount_exact_minor
        exact[total.project] = EXACT.add(exact.get(total.project, ZERO), cost)
    ordered = sorted(exact)
    amounts = dict(zip(ordered, whole_amounts([exact[slug] for slug in ordered], accrued_minor), strict=True))
    bought = sum(purchase.amount_minor for purchase in purchases)
    return (*_largest_first(amounts), *([Share(PURCHASES, bought)] if purchases else []))


def _largest_first(amounts: Mapping[str, int]) -> tuple[Share, ...]:
    return tuple(
        Share(title, amount) for title, amount in sorted(amounts.items(), key=lambda item: (-item[1], item[0]))
    )


def _days(entries: Sequence[EntryTotal], period: tuple[datetime, datetime]) -> tuple[DaySpend, ...]:
    """Every day of the period. What a clock that was behind recorded before it counts for its first day."""
    first = period[0].date()
    count = max(1, -((period[0] - period[1]) // timedelta(days=1)))
    amounts = {first + timedelta(days=number): 0 for number in range(count)}
    last = max(amounts)
    for entry in entries:
        amounts[min(max(entry.day, first), last)] += entry.earned_minor
    return tuple(DaySpend(day, amount) for day, amount in amounts.items())


def _sum(values: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for value in values:
        total = EXACT.add(total, value)
    return total
