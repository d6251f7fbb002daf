"""Decisions of automatic recharging. Pure: values in, values out."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from providers.protocol import FailureKind
from wallet_service.accounts.model import BillingAccount, BillingAccountState
from wallet_service.errors import Code, Reason, ServiceError, invalid_field
from wallet_service.recharge.model import Attempt, DisabledReason, RechargeConfig, SkipReason, Standing, Terms
from wallet_service.topups.model import TopUpFailure

DAY: Final = timedelta(hours=24)
MONTH: Final = timedelta(days=31)
"""Windows of the caps, which slide: so no calendar day, no night across two days and no calendar month exceeds them."""
RETRY_DELAYS: Final = (timedelta(hours=1), timedelta(hours=24), timedelta(hours=72))
"""How long after the first, second and third decline in a row that may pass the next attempt is made."""
PENDING_COUNTS_FOR: Final = timedelta(hours=1)
"""How long a pending top-up counts as arrived: one whose outcome nobody learns in that time keeps no recharge away."""
PENDING_CHECK: Final = timedelta(minutes=5)
"""How often a wallet is looked at again that waits for a pending top-up, which may fail without a posting."""
COOLDOWN_MAX: Final = timedelta(days=1)
MANDATE_VERSION: Final = "2026-11"
OWN_WORDS: Final = "shown_by_caller"
"""The version of a mandate whose words the caller has shown and sent."""
_LEASE: Final = timedelta(minutes=3)
_CHECK_MIN: Final = timedelta(seconds=10)
_CHECK_MAX: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Charge:
    """Charge the card once."""

    amount_minor: int


@dataclass(frozen=True, slots=True)
class Skip:
    """A recharge is due and must not happen; look again at `until`, None for at the next posting."""

    reason: SkipReason
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is due."""


Decision = Charge | Skip | Rest


@dataclass(frozen=True, slots=True)
class Setback:
    """What a failed recharge leads to: either it is turned off, or it is tried again at a time."""

    disabled: DisabledReason | None
    next_attempt_at: datetime | None


def decide(terms: Terms, standing: Standing, now: datetime) -> Decision:
    """Whether to charge now, and how much: never more than the terms allow, counting what is under way as arrived."""
    if standing.available_minor >= terms.threshold_minor:
        return Rest()
    if standing.is_open:
        return Skip(SkipReason.IN_FLIGHT)
    if standing.available_minor + standing.pending_minor >= terms.threshold_minor:
        return Skip(SkipReason.PENDING_TOP_UP, now + PENDING_CHECK)
    if not standing.is_account_active:
        return Skip(SkipReason.ACCOUNT_NOT_ACTIVE)
    if not standing.has_method:
        return Skip(SkipReason.NO_PAYMENT_METHOD)
    if standing.not_before is not None and now < standing.not_before:
        return Skip(SkipReason.BACK_OFF, standing.not_before)
    if standing.last_attempt_at is not None and now < standing.last_attempt_at + terms.cooldown:
        return Skip(SkipReason.COOLDOWN, standing.last_attempt_at + terms.cooldown)
    return _sized(terms, standing)


def _sized(terms: Terms, standing: Standing) -> Charge | Skip:
    """The amount: what closes the gap where that was agreed to, cut to what the caps leave, and never below the amount."""
    left_of_month = terms.monthly_cap_minor - standing.month.total_minor
    if left_of_month < terms.amount_minor:
        return Skip(SkipReason.MONTHLY_CAP, _after(standing.month.oldest_at, MONTH))
    left_of_day = terms.daily_cap_minor - standing.day.total_minor
    if left_of_day < terms.amount_minor:
        return Skip(SkipReason.DAILY_CAP, _after(standing.day.oldest_at, DAY))
    gap_minor = terms.threshold_minor - standing.available_minor - standing.pending_minor
    wanted_minor = max(terms.amount_minor, min(gap_minor, terms.close_gap_max_minor))
    return Charge(min(wanted_minor, left_of_day, left_of_month))


def setback(kind: FailureKind | None, *, failure_count: int, now: datetime) -> Setback:
    """What follows from the `failure_count`-th failure in a row, counted from 1. `kind` None: not the card's fault."""
    match kind:
        case FailureKind.AUTHENTICATION_REQUIRED:
            return Setback(DisabledReason.AUTHENTICATION_REQUIRED, None)
        case FailureKind.DECLINED_HARD:
            return Setback(DisabledReason.CARD_DECLINED, None)
        case FailureKind.INVALID:
            return Setback(DisabledReason.PAYMENT_REFUSED, None)
        case _:
            if failure_count > len(RETRY_DELAYS):
                return Setback(DisabledReason.RETRIES_EXHAUSTED, None)
            return Setback(None, now + RETRY_DELAYS[failure_count - 1])


def not_before(config: RechargeConfig) -> datetime | None:
    """The end of the wait after the last decline; None when nothing has failed since the last success."""
    if config.last_failed_at is None or not config.failure_count:
        return None
    return config.last_failed_at + RETRY_DELAYS[min(config.failure_count, len(RETRY_DELAYS)) - 1]


def takes_recharges(account: BillingAccount) -> bool:
    """A closed account is not charged, nor one that is suspended by a dispute or by a person. One that ran out of money is:
    that is how it comes back."""
    match account.state:
        case BillingAccountState.ACTIVE:
            return True
        case BillingAccountState.SUSPENDED:
            return account.suspended_reason == "low_balance"
        case BillingAccountState.CLOSED:
            return False


def turned_off(config: RechargeConfig, reason: DisabledReason | None, now: datetime) -> RechargeConfig:
    """Off, with the stored terms kept for the next time. `reason` None: by the customer, and what went wrong stays told."""
    return replace(
        config,
        is_enabled=False,
        disabled_reason=reason or config.disabled_reason,
        last_skip=None,
        next_attempt_at=None,
        updated_at=now,
    )


def failed(config: RechargeConfig, failure: TopUpFailure, now: datetime) -> RechargeConfig:
    """The configuration after a recharge has failed: it waits, or is off."""
    count = config.failure_count + 1
    after = setback(failure.kind, failure_count=count, now=now)
    noted = replace(
        config,
        last_error_code=failure.code,
        last_error=failure.message,
        last_failed_at=now,
        failure_count=count,
        next_attempt_at=after.next_attempt_at,
        updated_at=now,
    )
    return noted if after.disabled is None else turned_off(noted, after.disabled, now)


def succeeded(config: RechargeConfig, now: datetime) -> RechargeConfig:
    """The configuration after a recharge was credited: what went wrong before is over, but what is off stays off."""
    return replace(
        config,
        last_error_code=None if config.is_enabled else config.last_error_code,
        last_error=None if config.is_enabled else config.last_error,
        last_failed_at=None if config.is_enabled else config.last_failed_at,
        last_succeeded_at=now,
        failure_count=0,
        last_skip=None,
        next_attempt_at=None,
        updated_at=now,
    )


def leased_until(now: datetime) -> datetime:
    """When work on an attempt that somebody took is taken up again, should they not end it."""
    return now + _LEASE


def next_check(attempt: Attempt, now: datetime) -> datetime:
    """When to ask again about a payment of unknown outcome: twice as long each time, within bounds."""
    return now + min(_CHECK_MIN * 2 ** min(max(attempt.try_count - 1, 0), 16), _CHECK_MAX)


def check_terms(terms: Terms, *, amount_max_minor: int) -> None:
    """Raises INVALID_FIELD for terms that make no sense together. The amount itself is checked like that of a top-up."""
    if terms.threshold_minor <= 0:
        raise invalid_field("threshold_minor", "must be greater than 0")
    if terms.close_gap_max_minor and not terms.amount_minor <= terms.close_gap_max_minor <= amount_max_minor:
        raise invalid_field("close_gap_max_minor", f"must be 0, or from amount_minor to {amount_max_minor}")
    for field, cap_minor in (
        ("daily_cap_minor", terms.daily_cap_minor),
        ("monthly_cap_minor", terms.monthly_cap_minor),
    ):
        if cap_minor < terms.amount_minor:
            raise invalid_field(field, "must be at least amount_minor")
    if not timedelta(0) <= terms.cooldown <= COOLDOWN_MAX:
        raise invalid_field("cooldown_seconds", f"must be from 0 to {COOLDOWN_MAX // timedelta(seconds=1)}")


def mandate_of(terms: Terms, *, currency: str, card: str) -> str:
    """The words that turning it on agrees to. `card` is how people know the card, `visa 4242`."""
    upper_minor = max(terms.amount_minor, terms.close_gap_max_minor)
    size = f"{terms.amount_minor}" if upper_minor == terms.amount_minor else f"{terms.amount_minor} to {upper_minor}"
    return (
        f"When a posting leaves less than {terms.threshold_minor} {currency} available in the wallet, the card {card} is "
        f"charged {size} {currency}, at most {terms.daily_cap_minor} {currency} in 24 hours and {terms.monthly_cap_minor} "
        f"{currency} in 31 days, without the customer being present. All amounts are in minor units. It can be turned off "
        "at any time."
    )


def not_wanted() -> TopUpFailure:
    """Why a recharge ends that was claimed and not yet charged when it was turned off."""
    return TopUpFailure(
        reason=Reason.PAYMENT_DECLINED,
        code="auto_recharge_off",
        message="automatic recharging was turned off before the card was charged",
    )


def superseded() -> TopUpFailure:
    """Why a recharge ends that waits for the customer's bank when recharging is turned on again."""
    return TopUpFailure(
        reason=Reason.PAYMENT_DECLINED,
        code="superseded",
        message="automatic recharging was set up again before this payment was confirmed",
    )


def unconfirmed() -> TopUpFailure:
    """Why recharging is turned off whose payment waits for the customer's bank."""
    return TopUpFailure(
        reason=Reason.PAYMENT_DECLINED,
        code="authentication_required",
        message="the bank of the card wants the customer to confirm the payment",
        kind=FailureKind.AUTHENTICATION_REQUIRED,
    )


def ended_elsewhere() -> TopUpFailure:
    """Why a recharge has failed whose payment somebody has canceled at the provider."""
    return TopUpFailure(
        reason=Reason.PAYMENT_DECLINED, code="canceled", message="the payment was canceled at the payment provider"
    )


def refused(error: ServiceError) -> TopUpFailure:
    """Why a recharge cannot even begin: what was agreed to is not allowed any more."""
    return TopUpFailure(
        reason=error.reason, code=error.reason.value.lower(), message=error.message, kind=FailureKind.INVALID
    )


def in_use(payment_method_id: str) -> ServiceError:
    """FAILED_PRECONDITION: the card is the one that recharges the wallet."""
    return ServiceError(
        Code.FAILED_PRECONDITION,
        Reason.PAYMENT_METHOD_IN_USE,
        f"payment method {payment_method_id} recharges the wallet automatically; turn that off or name another card first",
        metadata={"payment_method": payment_method_id, "used_by": "auto_recharge"},
    )


def _after(oldest_at: datetime | None, window: timedelta) -> datetime | None:
    """When the first of the counted attempts leaves its window."""
    return None if oldest_at is None else oldest_at + window
