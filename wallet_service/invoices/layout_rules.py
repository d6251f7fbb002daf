"""A document as the texts that are set on paper: pure. Amounts in major units with the currency's digits."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from ledger.money import EXACT, minor_exponent, to_major
from wallet_service.invoices.model import (
    DaySpend,
    Invoice,
    InvoiceLine,
    LineKind,
    ReceiptContent,
    Share,
    StatementContent,
)
from wallet_service.invoices.paper import Paper

Layout = dict[str, Any]
Clean = Callable[[str], str]
"""Leaves of a text what the fonts can set."""

_PAPERS: Final = {Paper.A4: "a4", Paper.LETTER: "us-letter"}
_SHARES_MAX: Final = 10
_TITLE_MAX: Final = 300
_LONG_WORD: Final = re.compile(r"[!-~]{24}(?=[!-~])")
_MINUS: Final = "\u2212"
_METHODS: Final = {"stripe-card": "Card", "stripe-ach": "Bank debit", "coinbase": "Crypto (Coinbase)"}
_ORIGINS: Final = {"manual": "By hand", "auto": "Automatic recharge"}
_SECTIONS: Final = (
    (LineKind.USAGE, "Usage", "Sum of usage"),
    (LineKind.LATE_USAGE, "Late usage", "Sum of late usage"),
    (LineKind.PURCHASE, "Purchases", "Sum of purchases"),
    (LineKind.DISCOUNT, "Discounts", "Sum of discounts"),
)
_LATE_NOTE: Final = "Used in an earlier month whose statement was closed, and recorded in this one."


def layout(invoice: Invoice, *, paper: Paper, issuer: str, clean: Clean) -> Layout:
    """What the template sets."""
    content = invoice.content
    facts = [["Number", invoice.number], ["Status", invoice.status.value.title()], ["Currency", invoice.currency]]
    common: Layout = {
        "paper": _PAPERS[paper],
        "issuer": clean(issuer),
        "customer": _theirs(invoice.display_name, clean),
        "sections": [],
        "breakdowns": [],
        "closing": "",
    }
    if isinstance(content, ReceiptContent):
        return common | _receipt(invoice, content, facts, clean)
    return common | _statement(invoice, content, facts, clean)


def money(amount_minor: int, currency: str) -> str:
    """`1,234.50`: grouped, with exactly the currency's digits and a true minus sign."""
    return f"{to_major(amount_minor, currency):,f}".replace("-", _MINUS)


def exact_major(amount_minor: Decimal, currency: str) -> str:
    """An exact amount in major units, without needless zeros."""
    return number(amount_minor.scaleb(-minor_exponent(currency), EXACT))


def number(value: Decimal) -> str:
    """Grouped, without needless zeros."""
    text = f"{value:,f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", _MINUS) or "0"


def is_rtl(text: str) -> bool:
    """Whether the first letter with a direction goes right to left."""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("R", "AL"):
            return True
        if direction == "L":
            return False
    return False


def _statement(invoice: Invoice, content: StatementContent, facts: list[list[str]], clean: Clean) -> Layout:
    currency = invoice.currency
    totals = content.totals
    month = f"{invoice.period_start:%B %Y}"
    rows = [
        ("Opening balance", totals.opening_minor, False),
        ("Top-ups", totals.topped_up_minor, False),
        ("Refunds and disputes", -totals.refunded_minor, False),
        ("Usage and purchases", -totals.spent_minor, False),
        ("Adjustments", totals.adjusted_minor, False),
        ("Closing balance", totals.closing_minor, True),
    ]
    return {
        "title": f"Statement {invoice.number or 'draft'}, {month}",
        "heading": f"Statement {month}",
        "facts": [
            *facts,
            ["From", f"{invoice.period_start:%-d %B %Y, 00:00} UTC"],
            ["Until, not including", f"{invoice.period_end:%-d %B %Y, 00:00} UTC"],
            *_issued(invoice),
        ],
        "notice": [
            "Accounting record. Nothing is due.",
            "All usage was paid from the prepaid wallet when it was recorded. This is not a request for payment.",
        ],
        "footer": f"Statement {invoice.number or 'draft'} · accounting record, nothing is due",
        "sums-title": f"Balance ({currency})",
        "sums": [{"title": title, "amount": money(amount, currency), "strong": bold} for title, amount, bold in rows],
        "chart": _chart(content.days, currency),
        "breakdowns": _breakdowns(content, currency, clean),
        "sections": [
            section
            for kind, title, sum_title in _SECTIONS
            if (section := _section(content, kind, title, sum_title, currency, clean))
        ],
        "closing": _carries(content, currency),
    }


def _receipt(invoice: Invoice, content: ReceiptContent, facts: list[list[str]], clean: Clean) -> Layout:
    amount = money(content.amount_minor, invoice.currency)
    reference = [["Payment", clean(content.external_id)]] if content.external_id else []
    return {
        "title": f"Receipt {invoice.number}",
        "heading": "Receipt of a top-up",
        "facts": [
            *facts,
            ["Paid", f"{invoice.period_start:%-d %B %Y, %H:%M} UTC"],
            ["Method", _METHODS.get(content.method, content.method)],
            ["Started", _ORIGINS.get(content.origin, content.origin)],
            *reference,
        ],
        "notice": [
            "Paid in full. Nothing is due.",
            "The amount was credited to the prepaid wallet. Usage is stated in the monthly statements.",
        ],
        "footer": f"Receipt {invoice.number} · paid in full",
        "sums-title": f"Payment ({invoice.currency})",
        "sums": [
            {"title": "Top-up of the wallet", "amount": amount, "strong": False},
            {"title": "Paid", "amount": amount, "strong": True},
        ],
    }


def _issued(invoice: Invoice) -> list[list[str]]:
    return [["Issued", f"{invoice.finalized_at:%-d %B %Y}"]] if invoice.finalized_at else []


def _chart(days: Sequence[DaySpend], currency: str) -> Layout:
    """Bars as thousandths of the largest day."""
    largest = max((abs(spend.amount_minor) for spend in days), default=0)
    return {
        "caption": f"{currency}, by UTC day of recording",
        "highest": f"highest day: {money(largest, currency)} {currency}",
        "days": [
            {
                "label": str(spend.day.day),
                "share": abs(spend.amount_minor) * 1000 // largest if largest else 0,
                "negative": spend.amount_minor < 0,
            }
            for spend in days
        ],
    }


def _breakdowns(content: StatementContent, currency: str, clean: Clean) -> list[Layout]:
    parts = (("By category", content.categories), ("By project", content.projects))
    spent = content.totals.spent_minor
    return [
        {"title": title, "rows": [_share(share, spent, currency, clean) for share in _largest(shares)]}
        for title, shares in parts
        if shares
    ]


def _largest(shares: Sequence[Share]) -> Iterable[Share]:
    """The largest, and the rest as one, which keeps the sum."""
    if len(shares) <= _SHARES_MAX:
        return shares
    rest = shares[_SHARES_MAX - 1 :]
    others = Share(f"{len(rest)} others", sum(share.amount_minor for share in rest))
    return (*shares[: _SHARES_MAX - 1], others)


def _share(share: Share, spent_minor: int, currency: str, clean: Clean) -> Layout:
    percent = f"{round(share.amount_minor * 100 / Decimal(spent_minor))} %" if spent_minor > 0 else ""
    return {
        "title": _theirs(share.title, clean),
        "amount": money(share.amount_minor, currency),
        "percent": percent.replace("-", _MINUS),
    }


def _section(
    content: StatementContent, kind: LineKind, title: str, sum_title: str, currency: str, clean: Clean
) -> Layout | None:
    lines = [line for line in content.lines if line.kind is kind]
    if not lines:
        return None
    return {
        "title": title,
        "note": _LATE_NOTE if kind is LineKind.LATE_USAGE else "",
        "columns": ["Description", "Quantity", f"Unit price ({currency})", f"Amount ({currency})"],
        "rows": [_row(line, currency, clean) for line in lines],
        "sum": [sum_title, money(sum(line.amount_minor for line in lines), currency)],
    }


def _row(line: InvoiceLine, currency: str, clean: Clean) -> Layout:
    quantity = "" if line.quantity is None else number(line.quantity)
    used_in = f"used in {line.used_in:%B %Y}" if line.used_in else ""
    return {
        "title": _theirs(line.title, clean),
        "detail": _breakable(clean(" · ".join(part for part in (line.meter, used_in) if part))),
        "quantity": clean(f"{quantity} {line.unit}".strip()),
        "price": "" if line.unit_price_minor is None else exact_major(line.unit_price_minor, currency),
        "amount": money(line.amount_minor, currency),
    }


def _carries(content: StatementContent, currency: str) -> str:
    if not (content.carry_in or content.carry_out):
        return ""
    return (
        f"Whole amounts are given to the lines by largest remainder, so that they add up to what was debited. Exact cost "
        f"brought forward: {exact_major(content.carry_in, currency)} {currency}; carried forward: "
        f"{exact_major(content.carry_out, currency)} {currency}."
    )


def _theirs(text: str, clean: Clean) -> Layout:
    shown = _breakable(clean(text[:_TITLE_MAX]))
    return {"text": shown, "rtl": is_rtl(shown)}


def _breakable(text: str) -> str:
    """With places to break a line in words that are too long for a column."""
    return _LONG_WORD.sub(lambda found: f"{found[0]}\u200b", text)
