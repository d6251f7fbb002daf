"""Windows of spending limits, and what they allow."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.accounts.model import BillingAccountState
from wallet_service.errors import Reason, ServiceError
from wallet_service.limits.model import Duration, SpendingLimit, Strategy, Window
from wallet_service.limits.rules import (
    account_refusal,
    allows,
    check_amount,
    sliding_length,
    whole_minor,
    window_at,
)

ZONES = (UTC, timezone(timedelta(hours=14)), ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"))


def moment(second: int, zone: tzinfo) -> datetime:
    return (datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).astimezone(zone)


MOMENTS = st.builds(moment, st.integers(0, 6 * 10**9), st.sampled_from(ZONES))


def limit(duration: Duration, strategy: Strategy = Strategy.FIXED, amount_minor: int = 100) -> SpendingLimit:
    return SpendingLimit(amount_minor, duration, strategy, datetime(2026, 1, 1, tzinfo=UTC))


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("duration", "at", "start", "end"),
    [
        (Duration.DAILY, "2026-03-01T23:59:59.999999", "2026-03-01", "2026-03-02"),
        (Duration.DAILY, "2026-03-02T00:00:00", "2026-03-02", "2026-03-03"),
        # 1 March 2026 is a Sunday, the last day of its ISO week.
        (Duration.WEEKLY, "2026-03-01T23:59:59", "2026-02-23", "2026-03-02"),
        (Duration.WEEKLY, "2026-03-02T00:00:00", "2026-03-02", "2026-03-09"),
        (Duration.WEEKLY, "2026-12-31T12:00:00", "2026-12-28", "2027-01-04"),
        (Duration.MONTHLY, "2026-02-28T23:59:59", "2026-02-01", "2026-03-01"),
        (Duration.MONTHLY, "2028-02-29T00:00:00", "2028-02-01", "2028-03-01"),
        (Duration.MONTHLY, "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
    ],
)
def test_fixed_windows_are_those_of_the_calendar(duration: Duration, at: str, start: str, end: str) -> None:
    assert window_at(limit(duration), day(at)) == Window(day(start), day(end))


@given(at=MOMENTS, duration=st.sampled_from(Duration))
def test_fixed_windows_lie_side_by_side(at: datetime, duration: Duration) -> None:
    fixed = limit(duration)
    window = window_at(fixed, at)
    assert window.start <= at.astimezone(UTC) < window.end
    assert window_at(fixed, window.start) == window
    assert window_at(fixed, window.end - timedelta(microseconds=1)) == window
    assert window_at(fixed, window.end).start == window.end
    assert window.start.tzinfo is UTC


@given(at=MOMENTS, duration=st.sampled_from(Duration))
def test_a_sliding_window_ends_now_and_is_always_as_long(at: datetime, duration: Duration) -> None:
    sliding = limit(duration, Strategy.SLIDING)
    window = window_at(sliding, at)
    assert window.end == at.astimezone(UTC)
    assert window.end - window.start == sliding_length(sliding)
    assert sliding_length(sliding).days == {Duration.DAILY: 1, Duration.WEEKLY: 7, Duration.MONTHLY: 30}[duration]


@given(
    amount=st.integers(100, 10**15),
    spent=st.integers(-(10**15), 10**15),
    held=st.integers(0, 10**15),
    wanted=st.integers(1),
)
def test_what_is_allowed_never_exceeds_the_limit(amount: int, spent: int, held: int, wanted: int) -> None:
    fits = allows(limit(Duration.DAILY, amount_minor=amount), spent_minor=spent, held_minor=held, amount_minor=wanted)
    assert fits is (spent + held + wanted <= amount)


@given(cost=st.decimals(min_value=0, max_value=10**11, places=30))
def test_whole_units_cover_the_cost_and_no_unit_too_many(cost: Decimal) -> None:
    assert whole_minor(cost) - 1 < cost <= whole_minor(cost)


@pytest.mark.parametrize(("amount", "reason"), [(99, Reason.AMOUNT_TOO_SMALL), (10**15 + 1, Reason.AMOUNT_TOO_LARGE)])
def test_an_amount_out_of_bounds_is_refused(amount: int, reason: Reason) -> None:
    with pytest.raises(ServiceError) as caught:
        check_amount(amount)
    assert caught.value.reason is reason


@pytest.mark.parametrize("amount", [100, 10**15])
def test_an_amount_at_the_bounds_is_taken(amount: int) -> None:
    check_amount(amount)


def test_what_each_state_of_a_billing_account_refuses() -> None:
    assert [account_refusal(state) for state in BillingAccountState] == [
        None,
        Reason.BILLING_ACCOUNT_SUSPENDED,
        Reason.BILLING_ACCOUNT_CLOSED,
    ]
