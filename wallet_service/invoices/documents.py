"""Contents of statements and receipts as they are stored: JSON, with decimals and days as text."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from wallet_service.invoices.model import (
    DaySpend,
    InvoiceLine,
    LineKind,
    ReceiptContent,
    Reconciliation,
    Share,
    StatementContent,
)

Document = Mapping[str, Any]
_TOTALS: Final = ("opening", "topped_up", "refunded", "spent", "adjusted", "closing")


def to_document(content: StatementContent | ReceiptContent) -> dict[str, Any]:
    """What is stored."""
    if isinstance(content, ReceiptContent):
        return {
            "topup_id": str(content.topup_id),
            "origin": content.origin,
            "method": content.method,
            "amount_minor": content.amount_minor,
            "external_id": content.external_id,
        }
    return {
        "totals": {name: getattr(content.totals, f"{name}_minor") for name in _TOTALS},
        "carry_in": str(content.carry_in),
        "carry_out": str(content.carry_out),
        "lines": [_line_to_document(line) for line in content.lines],
        "categories": [[share.title, share.amount_minor] for share in content.categories],
        "projects": [[share.title, share.amount_minor] for share in content.projects],
        "days": [[spend.day.isoformat(), spend.amount_minor] for spend in content.days],
    }


def from_statement_document(document: Document) -> StatementContent:
    """A stored statement."""
    return StatementContent(
        totals=Reconciliation(**{f"{name}_minor": document["totals"][name] for name in _TOTALS}),
        carry_in=Decimal(document["carry_in"]),
        carry_out=Decimal(document["carry_out"]),
        lines=tuple(_line_from_document(line) for line in document["lines"]),
        categories=tuple(Share(title, amount) for title, amount in document["categories"]),
        projects=tuple(Share(title, amount) for title, amount in document["projects"]),
        days=tuple(DaySpend(date.fromisoformat(day), amount) for day, amount in document["days"]),
    )


def from_receipt_document(document: Document) -> ReceiptContent:
    """A stored receipt."""
    return ReceiptContent(
        topup_id=UUID(document["topup_id"]),
        origin=document["origin"],
        method=document["method"],
        amount_minor=document["amount_minor"],
        external_id=document["external_id"],
    )


def _line_to_document(line: InvoiceLine) -> dict[str, Any]:
    """Empty fields are left out."""
    fields = {
        "kind": line.kind.value,
        "title": line.title,
        "amount_minor": line.amount_minor,
        "exact_minor": str(line.exact_minor),
        "meter": line.meter,
        "unit": line.unit,
        "category": line.category,
        "quantity": None if line.quantity is None else str(line.quantity),
        "unit_price_minor": None if line.unit_price_minor is None else str(line.unit_price_minor),
        "used_in": None if line.used_in is None else line.used_in.isoformat(),
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _line_from_document(document: Document) -> InvoiceLine:
    quantity, price, used_in = (document.get(name) for name in ("quantity", "unit_price_minor", "used_in"))
    return InvoiceLine(
        kind=LineKind(document["kind"]),
        title=document.get("title", ""),
        amount_minor=document["amount_minor"],
        exact_minor=Decimal(document["exact_minor"]),
        meter=document.get("meter", ""),
        unit=document.get("unit", ""),
        category=document.get("category", ""),
        quantity=None if quantity is None else Decimal(quantity),
        unit_price_minor=None if price is None else Decimal(price),
        used_in=None if used_in is None else date.fromisoformat(used_in),
    )
