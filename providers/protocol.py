"""What the service needs from a payment provider, in the provider-neutral words of this project.

Amounts are `Money` in ISO 4217 minor units whatever the vendor's own notation is; times are aware UTC. Each call is
bounded by a deadline and ends in a value or in one `ProviderError`. `Unavailable` with `failure.outcome_unknown` means
that the vendor may or may not have acted: send the same request with the same idempotency key again, or look for it
with `PaymentListing.find_topup` once the vendor has forgotten the key (`IDEMPOTENCY_WINDOW`).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable

from ledger.money import Money

IDEMPOTENCY_WINDOW = timedelta(hours=24)
"""How long a vendor is sure to remember a key. A later resend could act twice; find the payment instead."""


class PaymentState(StrEnum):
    """Where a payment, or the saving of a method, stands. SUCCEEDED, FAILED and CANCELED are terminal."""

    AWAITING_PAYER = "awaiting_payer"
    AWAITING_AUTHENTICATION = "awaiting_authentication"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class RefundState(StrEnum):
    """Where a refund stands. FAILED and CANCELED mean that the money came back to us."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class DisputeState(StrEnum):
    """Where a dispute stands. INQUIRY moves no money yet; WON, LOST and CLOSED are terminal."""

    INQUIRY = "inquiry"
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"
    CLOSED = "closed"


class EventKind(StrEnum):
    """What a webhook asks us to look at again."""

    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    FRAUD_WARNING = "fraud_warning"
    SETUP = "setup"
    PAYMENT_METHOD = "payment_method"
    OTHER = "other"


class FailureKind(StrEnum):
    """Why a call failed, by what the caller should do next.

    AUTHENTICATION_REQUIRED: never retry unattended; the payer must confirm on session.
    DECLINED_RETRYABLE: the same method may work later. DECLINED_HARD: never use the method again.
    INVALID: our request was refused; sending it again changes nothing. UNAVAILABLE: try again later.
    """

    AUTHENTICATION_REQUIRED = "authentication_required"
    DECLINED_RETRYABLE = "declined_retryable"
    DECLINED_HARD = "declined_hard"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failure. `code`, `decline_code` and `advice_code` are the vendor's words and safe to show and log."""

    kind: FailureKind
    code: str
    message: str
    decline_code: str | None = None
    advice_code: str | None = None
    outcome_unknown: bool = False
    provider_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSnapshot:
    """One refund as the provider sees it now; amount is positive."""

    refund_id: str
    amount: Money
    state: RefundState
    created_at: datetime
    payment_external_id: str | None = None
    failure_reason: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeSnapshot:
    """One dispute as the provider sees it now.

    `withdrawn` and `reinstated` are totals, positive, in the currency of settlement; the disputed money is away from
    us while `withdrawn` exceeds `reinstated`. `fee` is what the provider charged for the dispute itself.
    """

    dispute_id: str
    amount: Money
    state: DisputeState
    reason: str
    created_at: datetime
    payment_external_id: str | None = None
    withdrawn: Money | None = None
    reinstated: Money | None = None
    fee: Money | None = None
    evidence_due_at: datetime | None = None

    @property
    def funds_away(self) -> bool:
        """Whether the provider holds the disputed money now."""
        taken = self.withdrawn.amount_minor if self.withdrawn else 0
        given_back = self.reinstated.amount_minor if self.reinstated else 0
        return taken > given_back


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSnapshot:
    """A payment as the provider sees it now.

    `amount_refunded` counts pending and succeeded refunds, never failed ones. `fee` and `balance_transaction_id` are
    None until the provider has booked them, which may be after success. `refunds` and `disputes` are complete only in
    a snapshot returned by `sync`; other calls leave them empty. `last_failure` describes the last attempt to pay.
    """

    external_id: str
    state: PaymentState
    amount: Money
    amount_received: Money
    amount_refunded: Money
    created_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    client_secret: str | None = field(default=None, repr=False)
    hosted_url: str | None = None
    customer_id: str | None = None
    payment_method_id: str | None = None
    charge_id: str | None = None
    fee: Money | None = None
    balance_transaction_id: str | None = None
    last_failure: Failure | None = None
    refunds: Sequence[RefundSnapshot] = ()
    disputes: Sequence[DisputeSnapshot] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentReference:
    """A line of `list_payments`: enough to decide whether to `sync` the payment."""

    external_id: str
    state: PaymentState
    amount: Money
    created_at: datetime
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedMethod:
    """A payment method a customer keeps with the provider. The card number never reaches us."""

    method_id: str
    customer_id: str | None
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    created_at: datetime
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupSnapshot:
    """The saving of a payment method. `method_id` is set once the payer has chosen one."""

    setup_id: str
    state: PaymentState
    customer_id: str | None
    method_id: str | None
    client_secret: str | None = field(default=None, repr=False)
    last_failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent:
    """A verified webhook delivery: what to fetch again, and the key that tells a duplicate.

    `payment_external_id` names the payment to `sync` when the event concerns one. `object_id` is the vendor's id of
    the object the event is about. The payload itself is never the truth.
    """

    provider: str
    event_id: str
    kind: EventKind
    event_type: str
    object_id: str
    payment_external_id: str | None
    created_at: datetime

    def __post_init__(self) -> None:
        """Raises ValueError for texts that no provider sends and no database takes, as NUL or half a surrogate pair."""
        for text in (self.event_id, self.event_type, self.object_id, self.payment_external_id or ""):
            if len(text) > 255 or not (text.isascii() and text.isprintable()):
                raise ValueError("an id or type of an event is not printable ASCII of at most 255 characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpRequest:
    """A customer pays, present at a screen. With `payment_method_id` the provider is asked to charge at once.

    `expires_at` ends an offer that nobody has paid, where the provider has such a thing. It is part of what is sent, so
    a request that is sent again with its key must carry the same instant.
    """

    org_id: str
    top_up_id: str
    amount: Money
    idempotency_key: str
    customer_id: str | None = None
    payment_method_id: str | None = None
    save_method: bool = False
    description: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OffSessionCharge:
    """We charge a saved method while the customer is away. One idempotency key for each attempt."""

    org_id: str
    top_up_id: str
    amount: Money
    customer_id: str
    payment_method_id: str
    idempotency_key: str
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """Give back `amount`, or with None all that is left of the payment."""

    payment_external_id: str
    idempotency_key: str
    amount: Money | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRequest:
    """The provider's record of one billing account. A `known_customer_id` that still exists is reused."""

    org_id: str
    billing_account_id: str
    idempotency_key: str
    known_customer_id: str | None = None
    name: str | None = None
    email: str | None = None


class ProviderError(Exception):
    """A provider call failed; `payment` is the payment as the failed attempt left it, where the vendor tells."""

    def __init__(self, failure: Failure, payment: PaymentSnapshot | None = None) -> None:
        super().__init__(f"{failure.code}: {failure.message}")
        self.failure = failure
        self.payment = payment


class AuthenticationRequired(ProviderError):
    """The payer's bank wants the payer present."""


class Declined(ProviderError):
    """The payer's bank refused; `failure.kind` tells whether the method may be tried again."""


class InvalidRequest(ProviderError):
    """The provider, or our own check before it, refused what we sent."""


class Unavailable(ProviderError):
    """No usable answer. See `failure.outcome_unknown`."""


class WebhookRejected(Exception):
    """A delivery that must not be trusted; the message says why and is safe to log."""


class PaymentProvider(Protocol):
    """Takes top-ups, gives them back, and says what became of them. Safe for concurrent use by one event loop."""

    @property
    def name(self) -> str:
        """Short stable name, part of stored keys: 'stripe', 'coinbase'."""
        ...

    def minimum(self, currency: str) -> Money | None:
        """Smallest amount accepted in this currency, None when none is configured."""
        ...

    async def create_topup(self, request: TopUpRequest) -> PaymentSnapshot:
        """Start a payment. Raises `Declined` with `.payment` set when a saved method was refused."""
        ...

    async def sync(self, external_id: str) -> PaymentSnapshot:
        """The payment with its refunds and disputes, as of now. Raises `InvalidRequest` for an unknown id."""
        ...

    async def cancel(self, external_id: str, *, idempotency_key: str) -> PaymentSnapshot:
        """Make sure the payment can no longer succeed. Raises `InvalidRequest` when it already did."""
        ...

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        """Give money back. Raises `InvalidRequest` when more is asked than is left."""
        ...

    def verify_webhook(self, raw: bytes, headers: Mapping[str, str]) -> Sequence[ProviderEvent]:
        """Check the signature over the raw body and its age on both sides; raises `WebhookRejected`."""
        ...

    async def aclose(self) -> None:
        """Close connections. Further calls are errors."""
        ...


@runtime_checkable
class SavedMethods(Protocol):
    """Optional capability: keep payment methods and charge them while the customer is away."""

    async def ensure_customer(self, request: CustomerRequest) -> str:
        """The provider's customer id for this billing account, made if needed."""
        ...

    async def create_setup(self, *, customer_id: str, org_id: str, idempotency_key: str) -> SetupSnapshot:
        """Start saving a method for later charges; the payer finishes it with `client_secret`."""
        ...

    async def sync_setup(self, setup_id: str) -> SetupSnapshot:
        """The setup as of now."""
        ...

    async def attach(self, *, customer_id: str, method_id: str, idempotency_key: str) -> SavedMethod:
        """Tie a method to the customer; a method already tied to this customer is returned as it is."""
        ...

    async def detach(self, method_id: str, *, idempotency_key: str) -> None:
        """Untie the method for good; repeating it is no error."""
        ...

    async def list_methods(self, customer_id: str) -> Sequence[SavedMethod]:
        """Methods of this customer, newest first, at most 100."""
        ...

    async def charge_off_session(self, charge: OffSessionCharge) -> PaymentSnapshot:
        """Charge now. Raises `AuthenticationRequired` or `Declined` with `.payment` set."""
        ...


@runtime_checkable
class PaymentListing(Protocol):
    """Optional capability: walk the provider's payments, for reconciliation."""

    def list_payments(
        self,
        *,
        created_from: datetime,
        created_until: datetime,
        customer_id: str | None = None,
    ) -> AsyncIterator[PaymentReference]:
        """Payments made in [created_from, created_until), newest first."""
        ...

    async def find_topup(
        self,
        *,
        top_up_id: str,
        created_from: datetime,
        created_until: datetime,
        customer_id: str | None = None,
    ) -> PaymentReference | None:
        """The payment whose metadata names this top-up, newest first, None when there is none in the interval."""
        ...
