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
    ReversalKind,
    TopUp,
    TopUpFailure,
    TopUpState,
)

ABANDONED_AFTER: Final = timedelta(days=7)
"""Age at which a payment that still waits for its payer is canceled."""
WATCHED_FOR: Final = timedelta(days=180)
"""How long after its success a top-up is asked for again, in case the delivery about a refund or dispute was lost."""
_PENDING_CHECK_MAX: Final = timedelta(hours=6)
_FEE_CHECK_MAX: Final = timedelta(hours=1)
_FEE_AWAITED_FOR: Final = timedelta(days=3)
_WATCH_CHECK_MIN: Final = timedelta(hours=1)
_WATCH_CHECK_MAX: Final = timedelta(days=7)
_MESSAGE_MAX: Final = 500

AMOUNT_MISMATCH: Final = "amount_mismatch"
WALLET_CLOSED: Final = "wallet_closed"
NEVER_STARTED: Final = "never_started"


class Alarm(StrEnum):
    """What a person has to look at; the value is the event in the log, at level error."""

    OTHER_PAYMENT = "topup_claimed_by_another_payment"
    WRONG_AMOUNT = "topup_paid_with_another_amount"
    PAID_AFTER_END = "topup_paid_after_it_had_ended"
    WALLET_CLOSED = "topup_paid_into_a_closed_wallet"
    FOREIGN_CURRENCY = "topup_taken_back_in_another_currency"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state that follows. With SUCCEEDED from PENDING the wallet is to be credited. `alarm` calls a person."""

    state: TopUpState
    failure: TopUpFailure | None = None
    alarm: Alarm | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """One refund or dispute as the provider reports it: whether its money is away from us now, and what it cost."""

    kind: ReversalKind
    reference: str
    amount: Money
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


def account_not_active(state: str) -> ServiceError:
    """FAILED_PRECONDITION: a suspended or closed billing account takes no money."""
    return ServiceError(
        Code.FAILED_PRECONDITION,
        Reason.ACCOUNT_CLOSED,
        f"the billing account is {state} and takes no top-ups",
        metadata={"state": state.upper()},
    )


def not_answered(topup: TopUp, failure: Failure) -> ServiceError:
    """UNAVAILABLE / OUTCOME_UNKNOWN: the top-up is PENDING, and the same key resumes it."""
    return outcome_unknown({"top_up_id": str(topup.topup_id), "provider_code": failure.code})


def judge(topup: TopUp, snapshot: PaymentSnapshot) -> Verdict:
    """What becomes of a top-up. A final state stays; only a PENDING one can be credited, fail or be canceled."""
    if topup.external_id not in (None, snapshot.external_id):
        return Verdict(topup.state, topup.failure, Alarm.OTHER_PAYMENT)
    if topup.state is not TopUpState.PENDING:
        late = snapshot.state is PaymentState.SUCCEEDED and topup.state is not (TopUpState.SUCCEEDED)
        known = topup.failure is not None and topup.failure.code in (
            AMOUNT_MISMATCH,
            WALLET_CLOSED,
        )
        alarm = Alarm.PAID_AFTER_END if late and not known else None
        return Verdict(topup.state, topup.failure, alarm)
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


def wallet_closed() -> Verdict:
    """The verdict on a payment whose wallet does not take money any more."""
    return Verdict(
        TopUpState.FAILED,
        TopUpFailure(
            reason=Reason.ACCOUNT_CLOSED,
            code=WALLET_CLOSED,
            message="the wallet was closed before the payment arrived; it was not credited",
        ),
        Alarm.WALLET_CLOSED,
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


def next_check(topup: TopUp, now: datetime, reconcile_after: timedelta) -> datetime | None:
    """When to ask again: after half the age, so that checks thin out as a top-up gets older; None when it is over."""
    if topup.state is TopUpState.PENDING:
        age = now - topup.created_at
        return now + _within(age / 2, reconcile_after, _PENDING_CHECK_MAX)
    if topup.state is not TopUpState.SUCCEEDED or topup.settled_at is None:
        return None
    age = now - topup.settled_at
    if age >= WATCHED_FOR:
        return None
    if topup.fee is None and age < _FEE_AWAITED_FOR:
        return now + _within(age / 2, reconcile_after, _FEE_CHECK_MAX)
    return now + _within(age / 2, _WATCH_CHECK_MIN, _WATCH_CHECK_MAX)


def claims_of(snapshot: PaymentSnapshot) -> tuple[Claim, ...]:
    """Refunds, then disputes, each in the provider's order of time."""
    refunds = sorted(snapshot.refunds, key=lambda refund: refund.created_at)
    disputes = sorted(snapshot.disputes, key=lambda dispute: dispute.created_at)
    return (*map(_refund, refunds), *map(_dispute, disputes))


def failure_of(failure: Failure) -> TopUpFailure:
    """A provider's failure with the reason that we publish for it."""
    return TopUpFailure(
        reason=_reason_of(failure),
        code=failure.decline_code or failure.code,
        message=failure.message[:_MESSAGE_MAX],
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
            message=f"{snapshot.amount_received} was paid instead of {topup.amount}; it was not credited",
        ),
        Alarm.WRONG_AMOUNT,
    )


def _refund(refund: RefundSnapshot) -> Claim:
    return Claim(
        ReversalKind.REFUND,
        refund.refund_id,
        refund.amount,
        refund.state in (RefundState.PENDING, RefundState.SUCCEEDED),
    )


def _dispute(dispute: DisputeSnapshot) -> Claim:
    return Claim(
        ReversalKind.DISPUTE,
        dispute.dispute_id,
        dispute.amount,
        dispute.funds_away,
        dispute.fee,
    )


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


def _within(value: timedelta, least: timedelta, most: timedelta) -> timedelta:
    return max(least, min(value, max(least, most)))
