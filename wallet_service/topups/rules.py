"""What follows from a provider's answer about a top-up. Pure: values in, values out."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ledger.money import Money
from providers.protocol import (
    DisputeSnapshot,
    Failure,
    FailureKind,
    PaymentSnapshot,
    PaymentState,
    RefundSnapshot,
    RefundState,
)
from wallet_service.errors import (
    Code,
    FieldViolation,
    Reason,
    ServiceError,
    invalid_field,
)
from wallet_service.payment_methods.rules import outcome_unknown
from wallet_service.topups.model import (
    ClaimKind,
    Origin,
    TakenBack,
    TopUp,
    TopUpFailure,
    TopUpMethod,
    TopUpState,
    UnmatchedPayment,
    UnmatchedReason,
)

ABANDONED_AFTER: Final = timedelta(days=7)
"""Age at which a payment that still waits for its payer is canceled."""
WATCHED_FOR: Final = timedelta(days=180)
"""How long a payment is asked for again after it was booked, in case the delivery about a refund or dispute was lost."""
LATE_MONEY_AWAITED_FOR: Final = timedelta(days=7)
"""How long after its end an unpaid checkout is asked for again, in case somebody has paid it all the same."""
_PENDING_CHECK_MAX: Final = timedelta(hours=6)
_FEE_CHECK_MAX: Final = timedelta(hours=1)
_FEE_AWAITED_FOR: Final = timedelta(days=3)
_WATCH_CHECK_MIN: Final = timedelta(hours=1)
_WATCH_CHECK_MAX: Final = timedelta(days=7)
_HURRIED_CHECK_MIN: Final = timedelta(days=1)
_MESSAGE_MAX: Final = 500

AMOUNT_MISMATCH: Final = "amount_mismatch"
WALLET_CLOSED: Final = "wallet_closed"
NEVER_STARTED: Final = "never_started"


class Alarm(StrEnum):
    """What a person should look at; the value is the event in the log, at level error."""

    UNMATCHED_PAYMENT = "topup_payment_unmatched"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state that follows. With SUCCEEDED from PENDING the wallet is to be credited.

    `unmatched`: the payment brought money that cannot be the credit of this top-up and is to be booked by itself.
    """

    state: TopUpState
    failure: TopUpFailure | None = None
    unmatched: UnmatchedReason | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """One refund or dispute as the provider reports it: whether its money is away from us now, and what it cost."""

    kind: ClaimKind
    reference: str
    amount: Money
    status: str
    is_away: bool
    fee: Money | None = None


def check_amount(
    *,
    amount_minor: int,
    currency: str | None,
    wallet_currency: str,
    minimum: Money | None,
    maximum_minor: int,
) -> None:
    """Raises CURRENCY_MISMATCH, AMOUNT_TOO_SMALL with `minimum_minor`, AMOUNT_TOO_LARGE with `maximum_minor`.

    `currency` None means the wallet's; `minimum` None means that the provider decides.
    """
    if currency is not None and currency != wallet_currency:
        raise invalid_field("currency", f"the wallet is in {wallet_currency}", reason=Reason.CURRENCY_MISMATCH)
    if amount_minor <= 0:
        raise invalid_field("amount_minor", "must be greater than 0")
    if minimum is not None and amount_minor < minimum.amount_minor:
        raise _amount_outside(Reason.AMOUNT_TOO_SMALL, "minimum_minor", minimum.amount_minor, minimum.currency)
    if amount_minor > maximum_minor:
        raise _amount_outside(Reason.AMOUNT_TOO_LARGE, "maximum_minor", maximum_minor, wallet_currency)


def check_currency(wallet_currency: str, accepted: frozenset[str] | None) -> None:
    """Raises CURRENCY_MISMATCH for a wallet that cannot be paid into this way; None: every wallet can."""
    if accepted is not None and wallet_currency not in accepted:
        raise invalid_field(
            "wallet_name",
            f"the wallet is in {wallet_currency} and this pays in {', '.join(sorted(accepted))}",
            reason=Reason.CURRENCY_MISMATCH,
        )


def account_closed() -> ServiceError:
    """FAILED_PRECONDITION: a closed billing account takes no money. A suspended one does, that is how it is resumed."""
    return ServiceError(
        Code.FAILED_PRECONDITION, Reason.BILLING_ACCOUNT_CLOSED, "the billing account is closed and takes no top-ups"
    )


def still_pending(count: int) -> ServiceError:
    """FAILED_PRECONDITION: the wallet cannot be closed while top-ups of it are PENDING."""
    return ServiceError(
        Code.FAILED_PRECONDITION,
        Reason.WALLET_NOT_EMPTY,
        f"{count} top-ups of the wallet are still pending",
        metadata={"pending_top_ups": str(count)},
    )


def no_checkouts() -> ServiceError:
    """UNIMPLEMENTED: no provider of checkouts is configured."""
    return ServiceError(Code.UNIMPLEMENTED, Reason.NOT_IMPLEMENTED, "this service takes no payments in USDC")


def not_confirmable(topup: TopUp) -> ServiceError:
    """FAILED_PRECONDITION: nothing of this top-up is left for its payer to do."""
    return ServiceError(
        Code.FAILED_PRECONDITION,
        Reason.PROVIDER_REFUSED,
        f"the top-up is {topup.state} and waits for no confirmation",
        metadata={"top_up_id": str(topup.topup_id), "state": topup.state.value},
    )


def not_answered(topup: TopUp, failure: Failure) -> ServiceError:
    """UNAVAILABLE / OUTCOME_UNKNOWN: the top-up is PENDING, and the same key resumes it."""
    return outcome_unknown({"top_up_id": str(topup.topup_id), "provider_code": failure.code})


def judge(topup: TopUp, snapshot: PaymentSnapshot) -> Verdict:
    """What becomes of a top-up. A final state stays; only a PENDING one can be credited, fail or be canceled."""
    arrived = snapshot.state is PaymentState.SUCCEEDED and snapshot.amount_received.amount_minor > 0
    if not is_own(topup, snapshot):
        return Verdict(topup.state, topup.failure, UnmatchedReason.SECOND_PAYMENT if arrived else None)
    if topup.state is not TopUpState.PENDING:
        late = arrived and topup.state is not TopUpState.SUCCEEDED
        return Verdict(topup.state, topup.failure, _unmatched_since(topup.failure) if late else None)
    match snapshot.state:
        case PaymentState.SUCCEEDED:
            return _paid(topup, snapshot)
        case PaymentState.FAILED:
            reported = snapshot.last_failure
            failure = failure_of(reported) if reported else None
            return Verdict(TopUpState.FAILED, topup.failure or failure)
        case PaymentState.CANCELED:
            ended = TopUpState.FAILED if topup.failure else TopUpState.CANCELED
            return Verdict(ended, topup.failure)
        case _:
            return Verdict(TopUpState.PENDING, topup.failure)


def is_own(topup: TopUp, snapshot: PaymentSnapshot) -> bool:
    """Whether this is the payment that the top-up has started; one that only names it may be another."""
    return topup.external_id in (None, snapshot.external_id)


def waits_for_bank(topup: TopUp, snapshot: PaymentSnapshot) -> bool:
    """Whether the payment goes on only when the customer shows themselves to their bank."""
    if topup.state is not TopUpState.PENDING or topup.failure is not None:
        return False
    if snapshot.state is PaymentState.AWAITING_AUTHENTICATION:
        return True
    refused = snapshot.last_failure
    return (
        topup.origin is Origin.AUTO
        and snapshot.state is PaymentState.AWAITING_PAYER
        and refused is not None
        and refused.kind is FailureKind.AUTHENTICATION_REQUIRED
    )


def is_news(before: TopUp, after: TopUp) -> bool:
    """Whether followers are told of a change."""
    return (before.state, before.failure, before.action_required) != (after.state, after.failure, after.action_required)


def is_worth_keeping(claim: Claim) -> bool:
    """Whether a claim that is new to us is kept: every dispute, and a refund that has moved or cost anything."""
    return claim.is_away or bool(claim.fee) or claim.kind is ClaimKind.DISPUTE


def is_claim_news(before: TakenBack, after: TakenBack) -> bool:
    """The same for a claim."""
    return (before.status, before.is_away) != (after.status, after.is_away)


def wallet_closed() -> Verdict:
    """The verdict on a payment whose wallet does not take money any more."""
    return Verdict(
        TopUpState.FAILED,
        TopUpFailure(
            reason=Reason.ACCOUNT_CLOSED,
            code=WALLET_CLOSED,
            message="the wallet was closed before the payment arrived; the customer has it to their credit",
        ),
        UnmatchedReason.WALLET_CLOSED,
    )


def never_started() -> TopUpFailure:
    """Why a top-up fails that the provider never got within the time in which it remembers our key."""
    return TopUpFailure(
        reason=Reason.PROVIDER_UNAVAILABLE,
        code=NEVER_STARTED,
        message="the payment provider never received this payment; nothing was charged",
    )


def must_cancel(topup: TopUp, snapshot: PaymentSnapshot, now: datetime) -> bool:
    """Whether the payment has to be stopped at the provider: it was declined, or nobody has paid it for a week."""
    if topup.state is not TopUpState.PENDING:
        return False
    if snapshot.state not in (
        PaymentState.AWAITING_PAYER,
        PaymentState.AWAITING_AUTHENTICATION,
    ):
        return False
    return topup.failure is not None or now - topup.created_at >= ABANDONED_AFTER


def next_check(topup: TopUp, now: datetime, reconcile_after: timedelta, *, is_hurried: bool = False) -> datetime | None:
    """When to ask again: after half the age, so that checks thin out as a top-up gets older; None when it is over.

    is_hurried: `now` is of a test clock, by which years pass in minutes of the provider's time; what is settled is asked
    for after 1, 2, 4 days and so on.
    """
    if topup.state is TopUpState.PENDING:
        age = now - topup.created_at
        return now + _within(age / 2, reconcile_after, _PENDING_CHECK_MAX)
    if topup.settled_at is None:
        return None
    age = now - topup.settled_at
    if topup.state is not TopUpState.SUCCEEDED:
        # A card payment that ended stays ended, but money may still be sent to the address of a checkout.
        if topup.method is not TopUpMethod.COINBASE or topup.external_id is None or age >= LATE_MONEY_AWAITED_FOR:
            return None
        return now + _within(age / 2, _WATCH_CHECK_MIN, _WATCH_CHECK_MAX)
    return _next_look(now, age, reconcile_after, has_fee=topup.fee is not None, is_hurried=is_hurried)


def next_look(
    payment: UnmatchedPayment, now: datetime, reconcile_after: timedelta, *, is_hurried: bool = False
) -> datetime | None:
    """The same for a payment that is not the credit of its top-up: as long and as often as one that is."""
    age = now - payment.created_at
    return _next_look(now, age, reconcile_after, has_fee=payment.fee is not None, is_hurried=is_hurried)


def claims_of(snapshot: PaymentSnapshot) -> tuple[Claim, ...]:
    """Refunds, then disputes, each in the provider's order of time; without those of nothing, which move nothing."""
    refunds = sorted(snapshot.refunds, key=lambda refund: refund.created_at)
    disputes = sorted(snapshot.disputes, key=lambda dispute: dispute.created_at)
    claims = (*map(_refund, refunds), *map(_dispute, disputes))
    return tuple(claim for claim in claims if claim.amount.amount_minor)


def failure_of(failure: Failure) -> TopUpFailure:
    """A provider's failure with the reason that we publish for it."""
    return TopUpFailure(
        reason=_reason_of(failure),
        code=failure.decline_code or failure.code,
        message=failure.message[:_MESSAGE_MAX],
        kind=failure.kind,
    )


def refusal_of(topup: TopUp, *, minimum: Money | None) -> ServiceError | None:
    """The error that the caller of a top-up that failed gets, the same at every repetition; None when there is none."""
    failure = topup.failure
    if failure is None or topup.state not in (TopUpState.FAILED, TopUpState.PENDING):
        return None
    metadata = {"top_up_id": str(topup.topup_id), "provider_code": failure.code}
    code = Code.FAILED_PRECONDITION
    match failure.reason:
        case Reason.PAYMENT_DECLINED:
            metadata["decline_code"] = failure.code
        case Reason.AMOUNT_TOO_SMALL:
            code = Code.INVALID_ARGUMENT
            if minimum is not None:
                metadata["minimum_minor"] = str(minimum.amount_minor)
                metadata["currency"] = minimum.currency
        case Reason.AMOUNT_TOO_LARGE:
            code = Code.INVALID_ARGUMENT
        case _:
            pass
    return ServiceError(code, failure.reason, failure.message, metadata=metadata)


def _amount_outside(reason: Reason, limit: str, limit_minor: int, currency: str) -> ServiceError:
    return ServiceError(
        Code.INVALID_ARGUMENT,
        reason,
        f"amount_minor is beyond the {limit} of {limit_minor} {currency}",
        metadata={limit: str(limit_minor), "currency": currency},
        violations=[FieldViolation("amount_minor", f"{limit} is {limit_minor}")],
    )


def _paid(topup: TopUp, snapshot: PaymentSnapshot) -> Verdict:
    if snapshot.amount_received == topup.amount:
        return Verdict(TopUpState.SUCCEEDED)
    return Verdict(
        TopUpState.FAILED,
        TopUpFailure(
            reason=Reason.PROVIDER_REFUSED,
            code=AMOUNT_MISMATCH,
            message=f"{snapshot.amount_received} was paid instead of {topup.amount}",
        ),
        UnmatchedReason.OTHER_AMOUNT if snapshot.amount_received.amount_minor else None,
    )


def _refund(refund: RefundSnapshot) -> Claim:
    return Claim(
        ClaimKind.REFUND,
        refund.refund_id,
        refund.amount,
        refund.state.value,
        refund.state in (RefundState.PENDING, RefundState.SUCCEEDED),
    )


def _dispute(dispute: DisputeSnapshot) -> Claim:
    return Claim(
        ClaimKind.DISPUTE,
        dispute.dispute_id,
        dispute.amount,
        dispute.state.value,
        dispute.funds_away,
        dispute.fee,
    )


def _unmatched_since(failure: TopUpFailure | None) -> UnmatchedReason:
    """Why a payment is unmatched that arrived for a top-up which has ended."""
    match failure.code if failure else None:
        case "amount_mismatch":
            return UnmatchedReason.OTHER_AMOUNT
        case "wallet_closed":
            return UnmatchedReason.WALLET_CLOSED
        case _:
            return UnmatchedReason.LATE


def _reason_of(failure: Failure) -> Reason:
    if failure.kind is not FailureKind.INVALID:
        return Reason.PAYMENT_DECLINED
    match failure.code:
        case "amount_too_small":
            return Reason.AMOUNT_TOO_SMALL
        case "amount_too_large":
            return Reason.AMOUNT_TOO_LARGE
        case "resource_missing" | "payment_method_unexpected_state":
            return Reason.PAYMENT_METHOD_INVALID
        case _:
            return Reason.PROVIDER_REFUSED


def _next_look(
    now: datetime, age: timedelta, reconcile_after: timedelta, *, has_fee: bool, is_hurried: bool
) -> datetime | None:
    """When to ask again for a payment that was booked `age` ago: for its fee first, then for what is taken back of it."""
    if age >= WATCHED_FOR:
        return None
    if is_hurried:
        return now + max(age, _HURRIED_CHECK_MIN)
    if not has_fee and age < _FEE_AWAITED_FOR:
        return now + _within(age / 2, reconcile_after, _FEE_CHECK_MAX)
    return now + _within(age / 2, _WATCH_CHECK_MIN, _WATCH_CHECK_MAX)


def _within(value: timedelta, least: timedelta, most: timedelta) -> timedelta:
    return max(least, min(value, max(least, most)))
