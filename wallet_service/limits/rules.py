"""Windows, what a limit still allows, and the refusals."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Final

from ledger.money import EXACT
from wallet_service.accounts.model import BillingAccountState
from wallet_service.errors import Code, Reason, ServiceError, invalid_field
from wallet_service.limits.model import Duration, LimitStatus, SpendingLimit, Standing, Strategy, Window

LIMIT_MINOR_MIN: Final = 100
LIMIT_MINOR_MAX: Final = 10**15

_LENGTHS: Final = {
    Duration.DAILY: timedelta(days=1),
    Duration.WEEKLY: timedelta(days=7),
    Duration.MONTHLY: timedelta(days=30),
}
"""Of sliding windows."""


def check_amount(amount_minor: int) -> None:
    """Raises AMOUNT_TOO_SMALL below 100 minor units, AMOUNT_TOO_LARGE above 10**15."""
    if amount_minor < LIMIT_MINOR_MIN:
        raise invalid_field("amount_minor", f"must be at least {LIMIT_MINOR_MIN}", reason=Reason.AMOUNT_TOO_SMALL)
    if amount_minor > LIMIT_MINOR_MAX:
        raise invalid_field("amount_minor", f"must be at most {LIMIT_MINOR_MAX}", reason=Reason.AMOUNT_TOO_LARGE)


def window_at(limit: SpendingLimit, at: datetime) -> Window:
    """The window that `at` (aware) belongs to: the calendar day, ISO week or month in UTC, or the time up to `at`."""
    at = at.astimezone(UTC)
    if limit.strategy is Strategy.SLIDING:
        return Window(at - sliding_length(limit), at)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    match limit.duration:
        case Duration.DAILY:
            return Window(day, day + timedelta(days=1))
        case Duration.WEEKLY:
            monday = day - timedelta(days=day.weekday())
            return Window(monday, monday + timedelta(days=7))
        case Duration.MONTHLY:
            first = day.replace(day=1)
            return Window(first, (first + timedelta(days=31)).replace(day=1))


def sliding_length(limit: SpendingLimit) -> timedelta:
    """24 hours, 7 days or 30 days."""
    return _LENGTHS[limit.duration]


def allows(limit: SpendingLimit, *, spent_minor: int, held_minor: int, amount_minor: int) -> bool:
    """Whether `amount_minor` more fits beside what was spent in the window and what is held."""
    return spent_minor + held_minor + amount_minor <= limit.amount_minor


def whole_minor(cost_minor: Decimal) -> int:
    """Whole minor units that cover an exact cost."""
    return int(cost_minor.to_integral_value(rounding=ROUND_CEILING, context=EXACT))


def account_refusal(state: BillingAccountState) -> Reason | None:
    """Why a billing account sets no money aside and takes none; None while it is active."""
    match state:
        case BillingAccountState.ACTIVE:
            return None
        case BillingAccountState.SUSPENDED:
            return Reason.BILLING_ACCOUNT_SUSPENDED
        case BillingAccountState.CLOSED:
            return Reason.BILLING_ACCOUNT_CLOSED


def account_refused(standing: Standing, reason: Reason) -> ServiceError:
    """FAILED_PRECONDITION: the billing account is suspended (metadata has why) or closed."""
    if reason is Reason.BILLING_ACCOUNT_CLOSED:
        return ServiceError(Code.FAILED_PRECONDITION, reason, "the billing account is closed")
    why = standing.suspended_reason or ""
    return ServiceError(
        Code.FAILED_PRECONDITION,
        reason,
        f"the billing account is suspended: {why}",
        metadata={"suspended_reason": why},
    )


def limit_exceeded(status: LimitStatus, *, amount_minor: int, retry_after: timedelta | None) -> ServiceError:
    """FAILED_PRECONDITION with the limit and what is used of it. retry_after None: time alone does not help."""
    limit, currency = status.limit, status.wallet.currency
    metadata = {
        "limit_minor": str(limit.amount_minor),
        "spent_minor": str(status.spent_minor),
        "held_minor": str(status.held_minor),
        "remaining_minor": str(status.remaining_minor),
        "required_minor": str(amount_minor),
        "currency": currency,
        "duration": limit.duration.value,
        "strategy": limit.strategy.value,
        "window_start": status.window.start.isoformat(),
        "window_end": status.window.end.isoformat(),
    }
    return ServiceError(
        Code.FAILED_PRECONDITION,
        Reason.SPENDING_LIMIT_EXCEEDED,
        f"{amount_minor} {currency} minor units are needed and the {limit.duration.value} spending limit of"
        f" {limit.amount_minor} leaves {status.remaining_minor}",
        metadata=metadata,
        retry_after=retry_after,
    )
