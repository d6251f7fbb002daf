"""The ledger as values of the service. Amounts in minor units, times aware UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from wallet_service.journal.rules import EntryLeg, Purpose


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry of an organization's journal."""

    entry_id: UUID
    sequence: int
    purpose: Purpose
    currency: str
    description: str
    legs: tuple[EntryLeg, ...]
    effective_at: datetime
    recorded_at: datetime
    reversed_entry_id: UUID | None
    metadata: Mapping[str, str]
    hash: bytes


@dataclass(frozen=True, slots=True)
class PurposeTotal:
    """Sum of the movements of one purpose; above 0 added to the balance."""

    purpose: Purpose
    amount_minor: int
    line_count: int


@dataclass(frozen=True, slots=True)
class StatementLineView:
    """A movement and the balance after it, money on hold included."""

    entry_id: UUID
    purpose: Purpose
    description: str
    amount_minor: int
    balance_minor: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class StatementView:
    """A page of lines between the balances of the whole period: opening + totals = closing."""

    currency: str
    opening_minor: int
    closing_minor: int
    totals: tuple[PurposeTotal, ...]
    lines: tuple[StatementLineView, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class LawBreach:
    """A law and the first row that breaks it; `organization` is a slug."""

    law: str
    organization: str
    row: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What an audit found."""

    violations: tuple[LawBreach, ...]
    laws: tuple[str, ...]
    organization_count: int
    entry_count: int

    @property
    def ok(self) -> bool:
        return not self.violations
