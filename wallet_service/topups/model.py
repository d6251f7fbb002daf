"""Top-ups as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ledger.money import Money
from wallet_service.errors import Reason


class TopUpState(StrEnum):
    """The value is stored, and is what the contract says on the wire. All but PENDING are final."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class TopUpMethod(StrEnum):
    """How the money comes; the value is stored, and is what the contract says on the wire."""

    STRIPE_CARD = "stripe-card"
    STRIPE_ACH = "stripe-ach"
    COINBASE = "coinbase"


class ReversalKind(StrEnum):
    """Why a provider took money back; the value is stored."""

    REFUND = "refund"
    DISPUTE = "dispute"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpFailure:
    """Why a top-up ended or is about to end: a published reason, the provider's own code, and words for people."""

    reason: Reason
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """A row of `topups`; see there for what each field means."""

    org_id: UUID
    topup_id: UUID
    wallet_id: UUID
    account_id: UUID
    provider: str
    method: TopUpMethod
    amount_minor: int
    currency: str
    state: TopUpState
    provider_key: str
    created_at: datetime
    updated_at: datetime
    customer_id: str | None = None
    payment_method_id: str | None = None
    provider_method_id: str | None = None
    external_id: str | None = None
    failure: TopUpFailure | None = None
    entry_id: UUID | None = None
    fee: Money | None = None
    revision: int = 0
    settled_at: datetime | None = None
    next_check_at: datetime | None = None

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """A row of `topup_reversals`: a refund or dispute as far as the ledger has followed it."""

    org_id: UUID
    reversal_id: UUID
    topup_id: UUID
    provider: str
    kind: ReversalKind
    provider_reference: str
    amount_minor: int
    is_away: bool
    turn_count: int
    entry_id: UUID | None
    fee: Money
    created_at: datetime
