"""Top-ups as values, and what other domains may follow of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.money import Money
from providers.protocol import FailureKind
from wallet_service.errors import Reason
from wallet_service.events.model import NewEvent


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


class Origin(StrEnum):
    """Who started a top-up: the customer, or the service by a recharge that they agreed to. The value is stored."""

    MANUAL = "manual"
    AUTO = "auto"


class ClaimKind(StrEnum):
    """What a provider says about a payment after it; the value is stored. A fraud warning moves no money."""

    REFUND = "refund"
    DISPUTE = "dispute"
    FRAUD_WARNING = "fraud_warning"


class UnmatchedReason(StrEnum):
    """Why a payment could not be credited as its top-up; the value is stored."""

    LATE = "late"
    OTHER_AMOUNT = "other_amount"
    SECOND_PAYMENT = "second_payment"
    WALLET_CLOSED = "wallet_closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpFailure:
    """Why a top-up ended or is about to end: a published reason, the provider's own code, and words for people.

    `kind` says whether the method may be tried again, None where the failure is not the provider's.
    """

    reason: Reason
    code: str
    message: str
    kind: FailureKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """A row of `topups`; see there for what each field means.

    `taken_back_minor` is what refunds and disputes have away now, as of the reading.
    """

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
    origin: Origin = Origin.MANUAL
    action_required: bool = False
    customer_id: str | None = None
    payment_method_id: str | None = None
    provider_method_id: str | None = None
    external_id: str | None = None
    hosted_url: str | None = None
    failure: TopUpFailure | None = None
    entry_id: UUID | None = None
    fee: Money | None = None
    revision: int = 0
    settled_at: datetime | None = None
    next_check_at: datetime | None = None
    taken_back_minor: int = 0

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """A row of `topup_reversals`: a refund, dispute or fraud warning as far as it was followed.

    `external_id` is of the payment, which may be another one than the top-up's, and in another currency. `status` is the
    provider's word in the terms of `providers.protocol`: of `RefundState` or `DisputeState`.
    """

    org_id: UUID
    reversal_id: UUID
    topup_id: UUID
    provider: str
    kind: ClaimKind
    provider_reference: str
    external_id: str | None
    amount_minor: int
    currency: str
    status: str
    is_away: bool
    turn_count: int
    entry_id: UUID | None
    fee: Money
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedPayment:
    """A row of `unmatched_payments`: money that arrived and is not the credit of its top-up.

    `is_in_wallet` tells whether the wallet has it; else the customer has it to their credit in the receivable account.
    """

    org_id: UUID
    provider: str
    external_id: str
    topup_id: UUID
    reason: UnmatchedReason
    amount: Money
    entry_id: UUID
    is_in_wallet: bool
    fee: Money | None
    created_at: datetime
    next_check_at: datetime | None = None


class TopUpFollower(Protocol):
    """A domain that acts on what becomes of top-ups. Both are called in the transaction that stores the change, with the
    top-up locked and the organization's ledger possibly too; the events they return are written once, at its end."""

    async def topup_changed(self, conn: AsyncConnection, before: TopUp | None, after: TopUp) -> Sequence[NewEvent]:
        """`before` None: the top-up is new. Called for a change of `state`, `failure` or `action_required`."""
        ...

    async def claim_changed(
        self, conn: AsyncConnection, topup: TopUp, before: TakenBack | None, after: TakenBack
    ) -> Sequence[NewEvent]:
        """`before` None: first heard of. Called for a change of `status` or `is_away`."""
        ...
