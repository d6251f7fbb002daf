"""Statements and receipts made up for the tests of what is printed."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from wallet_service.invoices.model import (
    EntryTotal,
    Invoice,
    InvoiceKind,
    InvoiceStatus,
    MeterName,
    Purchase,
    ReceiptContent,
    StatementContent,
    UsageTotal,
)
from wallet_service.invoices.rules import statement_content

FIRST = datetime(2026, 2, 1, tzinfo=UTC)
END = datetime(2026, 3, 1, tzinfo=UTC)
CLOSED = datetime(2026, 3, 1, 0, 10, tzinfo=UTC)


def statement(
    display_name: str = "Acme Robotics",
    *,
    currency: str = "USD",
    meter_count: int = 6,
    project_names: tuple[str, ...] = ("my-app", "training", "staging"),
    scale: int = 1,
    title: str = "",
    **fields: Any,
) -> Invoice:
    """A statement with `meter_count` meters, late usage, a purchase and a discount; all of it follows from the arguments."""
    content = _content(meter_count=meter_count, project_names=project_names, scale=scale, title=title)
    return _invoice(InvoiceKind.STATEMENT, "ST-000007", display_name, currency, content, **fields)


def receipt(display_name: str = "Acme Robotics", **fields: Any) -> Invoice:
    content = ReceiptContent(
        topup_id=UUID(int=9),
        origin="auto",
        method="stripe-card",
        amount_minor=5000,
        external_id="pi_3Qh2eZvKYlo2C0001",
    )
    return _invoice(InvoiceKind.RECEIPT, "RC-000012", display_name, "USD", content, **fields)


def _content(*, meter_count: int, project_names: tuple[str, ...], scale: int, title: str) -> StatementContent:
    categories = ("vCPU", "GPU", "Memory", "VM Storage", "Data Transfer", "Public IPv4")
    meters = {
        f"compute.meter_{number:04d}.hours": MeterName(
            title or f"{categories[number % 6]} class {number + 1}", "hour", categories[number % 6]
        )
        for number in range(meter_count)
    }
    usage = [
        _usage(meter, number, project_names[number % len(project_names)], scale) for number, meter in enumerate(meters)
    ]
    if meters:
        usage.append(_usage(next(iter(meters)), 3, project_names[0], scale, used_in=date(2026, 1, 1)))
    exact = sum((one.exact_minor - one.discount_exact_minor for one in usage), Decimal("0.25"))
    accrued = int(exact)
    parts = [accrued * (3 + (day * 7) % 11) // 260 for day in range(1, 28)]
    parts.append(accrued - sum(parts))
    entries = [EntryTotal(date(2026, 2, day + 1), True, "", -part, part) for day, part in enumerate(parts)]
    entries += [
        EntryTotal(date(2026, 2, 3), False, "", -1999 * scale, 1999 * scale),
        EntryTotal(date(2026, 2, 3), False, "top_up", 250_000 * scale, 0),
        EntryTotal(date(2026, 2, 20), False, "refund", -10_000 * scale, 0),
        EntryTotal(date(2026, 2, 21), False, "deposit", 1_234 * scale, 0),
    ]
    opening = 123_456 * scale
    return statement_content(
        opening_minor=opening,
        closing_minor=opening + sum(entry.moved_minor for entry in entries),
        carry_in=Decimal("0.25"),
        entries=entries,
        usage=usage,
        purchases=[Purchase("Bare metal lease, one month", 1, 1999 * scale)],
        meters=meters,
        period=(FIRST, END),
    )


def _usage(meter: str, number: int, project: str, scale: int, *, used_in: date | None = None) -> UsageTotal:
    price = Decimal("0.342466") * (number % 7 + 1)
    quantity = Decimal("1044.5") * (number % 5 + 1) * scale
    exact = price * quantity
    discount = exact * Decimal("0.1") if number % 6 == 1 else Decimal(0)
    return UsageTotal(project, meter, price, used_in, quantity, exact, discount, 100)


def _invoice(
    kind: InvoiceKind,
    number: str,
    display_name: str,
    currency: str,
    content: StatementContent | ReceiptContent,
    **fields: Any,
) -> Invoice:
    values: dict[str, Any] = {
        "org_id": UUID(int=7),
        "org_slug": "acme",
        "invoice_id": UUID(int=8),
        "kind": kind,
        "number": number,
        "status": InvoiceStatus.PAID,
        "wallet_id": UUID(int=10),
        "currency": currency,
        "display_name": display_name,
        "period_start": FIRST,
        "period_end": END,
        "content": content,
        "created_at": CLOSED,
        "finalized_at": CLOSED,
        "paid_at": CLOSED,
        **fields,
    }
    return Invoice(**values)
