"""What follows for a standing from a balance, a forecast, a dispute and an operator. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from wallet_service.account_states.model import AccountStanding, Policy, PolicyChoice
from wallet_service.accounts.model import BillingAccountState
from wallet_service.errors import Code, Reason, ServiceError, invalid_field

LOW_BALANCE: Final = "low_balance"
DISPUTE: Final = "dispute"
MANUAL: Final = "manual"

WARN_HOURS_MAX: Final = 720
WARNINGS_MAX: Final = 8
GRACE_HOURS_MAX: Final = 8760

_HOUR: Final = timedelta(hours=1)
_CHECK_MIN: Final = timedelta(minutes=5)
_CHECK_MAX: Final = timedelta(hours=24)
_FORESEEN_MAX: Final = timedelta(days=7)
_ARMED_ABOVE: Final = Decimal("1.25")
"""A warning is given again only after more than this many times its hours were left: a forecast that wavers repeats none."""

Standing = tuple[BillingAccountState, str | None]


def policy_of(choice: PolicyChoice, defaults: Policy) -> Policy:
    """What is in force."""
    return Policy(
        warn_hours=tuple(sorted(choice.warn_hours, reverse=True)) or defaults.warn_hours,
        grace=defaults.grace if choice.grace_hours is None else choice.grace_hours * _HOUR,
        suspends=defaults.suspends if choice.suspends is None else choice.suspends,
    )


def check_choice(choice: PolicyChoice) -> None:
    """Raises INVALID_FIELD for more than 8 warnings, the same one twice, and hours out of bounds."""
    hours = choice.warn_hours
    if len(hours) > WARNINGS_MAX or len(set(hours)) != len(hours):
        raise invalid_field("policy.warn_hours", f"up to {WARNINGS_MAX}, each once")
    if any(not 1 <= each <= WARN_HOURS_MAX for each in hours):
        raise invalid_field("policy.warn_hours", f"each from 1 to {WARN_HOURS_MAX}")
    if choice.grace_hours is not None and not 0 <= choice.grace_hours <= GRACE_HOURS_MAX:
        raise invalid_field("policy.grace_hours", f"from 0 to {GRACE_HOURS_MAX}")


def state_of(standing: AccountStanding) -> Standing:
    """The state and its reason: of several the gravest."""
    for applies, reason in (
        (standing.is_manual, MANUAL),
        (standing.is_disputed, DISPUTE),
        (standing.is_out_of_money, LOW_BALANCE),
    ):
        if applies:
            return BillingAccountState.SUSPENDED, reason
    return BillingAccountState.ACTIVE, None


def with_balance(standing: AccountStanding, policy: Policy, balance_minor: int, now: datetime) -> AccountStanding:
    """Money ends the grace and the suspension for the lack of it; none left begins the grace; its end suspends."""
    if balance_minor > 0 or not policy.suspends:
        return replace(standing, is_out_of_money=False, grace_started_at=None, suspend_at=None)
    if standing.is_out_of_money:
        return standing
    started_at = standing.grace_started_at or now
    suspend_at = started_at + policy.grace
    if suspend_at <= now:
        return replace(standing, is_out_of_money=True, grace_started_at=None, suspend_at=None, next_check_at=None)
    return replace(standing, grace_started_at=started_at, suspend_at=suspend_at, next_check_at=None)


def wants_forecast(standing: AccountStanding, *, available_minor: int, balance_minor: int) -> bool:
    """Whether the forecast is to be asked soon: never asked, or a tenth of what it saw is gone."""
    if balance_minor <= 0 or state_of(standing)[0] is not BillingAccountState.ACTIVE:
        return False
    if standing.next_check_at is None or standing.checked_minor is None:
        return standing.next_check_at is None
    return 10 * available_minor < 9 * standing.checked_minor


def with_forecast(
    standing: AccountStanding, policy: Policy, *, empty_at: datetime | None, available_minor: int, now: datetime
) -> tuple[AccountStanding, int | None]:
    """The standing after a look at the forecast, and the hours of the warning that is due.

    `empty_at` None: no end is in sight. When several warnings are due at once only the most urgent one is given.
    """
    standing = replace(standing, checked_minor=available_minor)
    if empty_at is None:
        return replace(standing, warned_hours=None, next_check_at=now + _CHECK_MAX), None
    left = empty_at - now
    warned = _still_warned(standing.warned_hours, policy.warn_hours, left)
    reached = min((hours for hours in policy.warn_hours if left <= hours * _HOUR), default=None)
    due = reached if reached is not None and (warned is None or reached < warned) else None
    return replace(standing, warned_hours=due or warned, next_check_at=now + _pause(policy.warn_hours, left)), due


def resumed(standing: AccountStanding, now: datetime) -> AccountStanding:
    """An operator ends every suspension; without money the grace begins anew."""
    return replace(
        standing,
        is_manual=False,
        is_disputed=False,
        is_out_of_money=False,
        grace_started_at=None,
        suspend_at=None,
        next_check_at=now,
        resumed_at=now,
    )


def with_choice(standing: AccountStanding, choice: PolicyChoice, now: datetime) -> AccountStanding:
    """Another policy; a grace that has begun gets its new length from its beginning, and the forecast is asked soon."""
    check_again = now if state_of(standing)[0] is BillingAccountState.ACTIVE else standing.next_check_at
    return replace(standing, choice=choice, next_check_at=check_again)


def closed(display: str) -> ServiceError:
    """FAILED_PRECONDITION: nothing can be done with a closed account."""
    return ServiceError(
        Code.FAILED_PRECONDITION, Reason.BILLING_ACCOUNT_CLOSED, f"{display} is closed", metadata={"name": display}
    )


def wallet_open(display: str) -> ServiceError:
    """FAILED_PRECONDITION: the wallet of an account is deleted before it is closed."""
    return ServiceError(
        Code.FAILED_PRECONDITION,
        Reason.WALLET_NOT_EMPTY,
        f"{display} still has an open wallet; delete the wallet first",
        metadata={"name": display},
    )


def _still_warned(warned: int | None, hours: Sequence[int], left: timedelta) -> int | None:
    """The shortest warning that counts as given when `left` is left; those that are far enough away again do not."""
    if warned is None or not _is_armed(warned, left):
        return warned
    return min((each for each in hours if each > warned and not _is_armed(each, left)), default=None)


def _is_armed(hours: int, left: timedelta) -> bool:
    return left > timedelta(seconds=int(hours * _ARMED_ABOVE * 3600))


def _pause(hours: Sequence[int], left: timedelta) -> timedelta:
    """Until the next warning will be due at this pace; another pace shows in the balance, which is watched."""
    ahead = max((each * _HOUR for each in hours if each * _HOUR < left), default=None)
    if ahead is None:
        return _HOUR
    return min(max(left - ahead, _CHECK_MIN), _FORESEEN_MAX)
