"""The straight line of the contract, calendar periods, and the burn of an hour."""

import calendar
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.forecast.rules import DAY, Period, PeriodKind, burn_per_hour, line_of, period_of

MOMENTS = st.integers(min_value=0, max_value=100 * 365 * 86_400 * 10**6).map(
    lambda n: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=n)
)
COSTS = st.decimals(min_value=0, max_value=10**9, places=6)


def at(year: int, month: int, day: int, hour: int = 12) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def test_3100_by_day_10_of_31_project_to_9610_at_310_a_day() -> None:
    now = at(2026, 3, 10)
    line = line_of(period_of(PeriodKind.MONTHLY, now), now, spent_minor=3100)
    assert (line.days_elapsed, line.projected_total_minor, line.daily_run_rate_minor) == (10, 9610, 310)


def test_on_the_first_day_one_day_has_elapsed() -> None:
    first = at(2026, 3, 1, 0)
    for now in (first, first + DAY - timedelta(microseconds=1)):
        line = line_of(period_of(PeriodKind.MONTHLY, now), now, spent_minor=100)
        assert (line.days_elapsed, line.projected_total_minor, line.daily_run_rate_minor) == (1, 3100, 100)


@pytest.mark.parametrize(
    ("year", "month", "day_count"), [(2026, 2, 28), (2028, 2, 29), (2026, 4, 30), (2026, 12, 31), (2100, 2, 28)]
)
def test_months_have_their_length(year: int, month: int, day_count: int) -> None:
    period = period_of(PeriodKind.MONTHLY, at(year, month, 15))
    assert period.day_count == day_count
    last = period.end - timedelta(microseconds=1)
    assert period_of(PeriodKind.MONTHLY, last) == period
    assert period.days_elapsed(last) == day_count
    assert period_of(PeriodKind.MONTHLY, period.end).start == period.end


def test_a_week_begins_on_monday_also_across_the_end_of_a_year() -> None:
    week = Period(at(2026, 12, 28, 0), at(2027, 1, 4, 0))
    assert period_of(PeriodKind.WEEKLY, at(2026, 12, 31)) == week
    assert period_of(PeriodKind.WEEKLY, at(2027, 1, 3, 23)) == week
    assert period_of(PeriodKind.WEEKLY, week.end).start == week.end
    assert week.days_elapsed(at(2027, 1, 1)) == 5


def test_a_day_is_a_period_of_one_day() -> None:
    now = at(2026, 3, 10, 23)
    period = period_of(PeriodKind.DAILY, now)
    assert (period.start, period.end) == (at(2026, 3, 10, 0), at(2026, 3, 11, 0))
    assert line_of(period, now, spent_minor=77).projected_total_minor == 77


def test_more_taken_back_than_spent_rounds_down_too() -> None:
    now = at(2026, 3, 3)
    line = line_of(period_of(PeriodKind.MONTHLY, now), now, spent_minor=-10)
    assert (line.projected_total_minor, line.daily_run_rate_minor) == (-104, -4)


@given(MOMENTS, st.sampled_from(PeriodKind))
def test_periods_are_half_open_and_follow_each_other(now: datetime, kind: PeriodKind) -> None:
    period = period_of(kind, now)
    assert period.start <= now < period.end
    assert 1 <= period.days_elapsed(now) <= period.day_count
    assert period_of(kind, period.end).start == period.end
    assert period_of(kind, period.start - timedelta(microseconds=1)).end == period.start
    lengths = {
        PeriodKind.MONTHLY: calendar.monthrange(now.year, now.month)[1],
        PeriodKind.WEEKLY: 7,
        PeriodKind.DAILY: 1,
    }
    assert period.day_count == lengths[kind]
    if kind is PeriodKind.WEEKLY:
        year, week, _ = now.isocalendar()
        assert period.start.date() == date.fromisocalendar(year, week, 1)


@given(MOMENTS, st.sampled_from(PeriodKind), st.integers(min_value=0, max_value=10**15))
def test_the_line_is_never_below_what_was_spent(now: datetime, kind: PeriodKind, spent: int) -> None:
    period = period_of(kind, now)
    line = line_of(period, now, spent_minor=spent)
    assert line.projected_total_minor >= spent
    assert line.projected_total_minor * line.days_elapsed <= spent * period.day_count
    assert line.daily_run_rate_minor * line.days_elapsed <= spent


def test_seven_days_of_200_a_day_are_1400() -> None:
    burn = burn_per_hour([Decimal(200) / 24] * 168, current_hour=Decimal(0), running_per_hour=Decimal(0))
    assert round(burn * 24 * 7, 9) == 1400


def test_a_burst_that_comes_every_night_does_not_move_the_burn() -> None:
    night = [Decimal(0)] * 21 + [Decimal(80)] * 3
    before = burn_per_hour(night * 6 + night[:21], current_hour=Decimal(0), running_per_hour=Decimal(0))
    within = burn_per_hour(night * 7, current_hour=Decimal(0), running_per_hour=Decimal(80))
    assert within == 10
    assert before < within < Decimal("1.2") * before


@given(st.lists(COSTS, max_size=168), COSTS, COSTS)
def test_the_burn_lies_between_nothing_and_the_highest_hour(
    hours: list[Decimal], current: Decimal, running: Decimal
) -> None:
    burn = burn_per_hour(hours, current_hour=current, running_per_hour=running)
    assert 0 <= burn <= max([*hours, current, running])
    if not any([*hours, current, running]):
        assert burn == 0
