"""Statements and receipts as values. Amounts are whole minor units of `currency`; times are aware UTC."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID


class InvoiceKind(StrEnum):
    """The value is stored, and is what the contract says on the wire."""

    STATEMENT = "statement"
    RECEIPT = "receipt"


class InvoiceStatus(StrEnum):
    """A draft is only ever shown, never stored. A prepaid statement is FINALIZED and PAID in one: nothing is due."""

    DRAFT = "DRAFT"
    FINALIZED = "FINALIZED"
    PAID = "PAID"


class LineKind(StrEnum):
    """The value is stored. LATE_USAGE was used in an earlier month and recorded in this one."""

    USAGE = "usage"
    LATE_USAGE = "late_usage"
    PURCHASE = "purchase"
    DISCOUNT = "discount"


class ReceiptFilter(StrEnum):
    """Which receipts a list shows beside the statements, by who made the top-up."""

    AUTO = "auto"
    MANUAL = "manual"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """Usage of one meter at one price, for one project, as far as a period recorded it.

    exact_minor: before any discount; discount_exact_minor >= 0 for usage, <= 0 for corrections. used_in: the first day of
    the earlier month in which it was used, None for usage of the period itself.
    """

    project: str
    meter: str
    unit_price_minor: Decimal
    used_in: date | None
    quantity: Decimal
    exact_minor: Decimal
    discount_exact_minor: Decimal
    event_count: int


@dataclass(frozen=True, slots=True)
class MeterName:
    """How the catalog shows a meter."""

    display_name: str
    unit: str
    category: str


@dataclass(frozen=True, slots=True)
class EntryTotal:
    """Entries of one day, operation and purpose that moved the wallet.

    moved_minor: what the wallet and its holds gained; earned_minor: what revenue gained.
    """

    day: date
    is_usage: bool
    purpose: str
    moved_minor: int
    earned_minor: int


@dataclass(frozen=True, slots=True)
class Purchase:
    """Entries with one description that took money for something other than metered usage; negative: gave it back."""

    description: str
    entry_count: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """A line. `amount_minor` is what it adds to what was spent; `exact_minor` the same before whole units were given out.

    meter, unit, category, quantity and unit_price_minor are empty or None where a line has none.
    """

    kind: LineKind
    title: str
    amount_minor: int
    exact_minor: Decimal
    meter: str = ""
    unit: str = ""
    category: str = ""
    quantity: Decimal | None = None
    unit_price_minor: Decimal | None = None
    used_in: date | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A part of what was spent: of a category, or of a project."""

    title: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class DaySpend:
    """What was spent on a UTC day."""

    day: date
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """How a balance came from another: opening + topped_up - refunded - spent + adjusted = closing."""

    opening_minor: int
    topped_up_minor: int
    refunded_minor: int
    spent_minor: int
    adjusted_minor: int
    closing_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementContent:
    """What a statement says. Lines, categories, projects and days add up to what was spent, each by itself.

    carry_in, carry_out: exact usage cost in [0, 1) that was recorded and not yet debited at the start and the end.
    """

    totals: Reconciliation
    carry_in: Decimal
    carry_out: Decimal
    lines: tuple[InvoiceLine, ...]
    categories: tuple[Share, ...]
    projects: tuple[Share, ...]
    days: tuple[DaySpend, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptContent:
    """What a receipt says: a payment that was credited in full."""

    topup_id: UUID
    origin: str
    method: str
    amount_minor: int
    external_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """A statement of [period_start, period_end), or a receipt, whose period begins and ends when it was credited.

    `number` is "" and the times None while it is a draft. `display_name` is the organization's at that time.
    """

    org_id: UUID
    org_slug: str
    invoice_id: UUID
    kind: InvoiceKind
    number: str
    status: InvoiceStatus
    wallet_id: UUID
    currency: str
    display_name: str
    period_start: datetime
    period_end: datetime
    content: StatementContent | ReceiptContent
    created_at: datetime
    finalized_at: datetime | None
    paid_at: datetime | None

    @property
    def amount_minor(self) -> int:
        """What was spent in the period of a statement, or paid by a receipt."""
        content = self.content
        return content.amount_minor if isinstance(content, ReceiptContent) else content.totals.spent_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementCursor:
    """Where the statements of a wallet stand: the next one begins here. due_at None: the wallet is closed and stated."""

    org_id: UUID
    wallet_id: UUID
    period_start: datetime
    entry_seq: int
    carry: Decimal
    due_at: datetime | None
