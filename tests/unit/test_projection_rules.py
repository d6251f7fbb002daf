"""The projection: what it knows of weeks, growth, bursts and outages, its band, and when the money is gone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.forecast_series import generate
from wallet_service.forecast.projection_rules import (
    Depletion,
    Method,
    Model,
    by_category,
    deplete,
    fit,
    flat,
    project,
)
from wallet_service.forecast.rules import HOUR, PeriodKind, line_of, period_of

END = datetime(2026, 3, 2, 12, tzinfo=UTC)
NONE = Decimal(0)
COSTS = st.decimals(min_value=-100, max_value=10**9, places=3)
SERIES = st.one_of(
    st.lists(COSTS, min_size=72, max_size=120),
    st.lists(COSTS, min_size=24, max_size=24).map(lambda day: day * 28),
    st.lists(st.sampled_from([NONE, Decimal("0.001"), Decimal(10**9)]), min_size=400, max_size=700),
)
MOMENTS = st.integers(min_value=0, max_value=3_599_999_999).map(lambda n: END + timedelta(microseconds=n))


def office_week(weeks: int) -> list[Decimal]:
    """Hours up to END, a Monday noon: 100 in office hours of weekdays, else 10."""
    times = [END - n * HOUR for n in range(weeks * 168, 0, -1)]
    return [Decimal(100) if at.weekday() < 5 and 8 <= at.hour < 18 else Decimal(10) for at in times]


def fitted(hours: list[Decimal], running: Decimal = NONE) -> Model:
    model = fit(hours, end=END, running_per_hour=running)
    assert model is not None
    return model


def spent(model: Model, hours: int, since: datetime = END) -> Decimal:
    return round(model.estimate(since + hours * HOUR, since).expected, 6)


def test_an_hour_of_the_week_costs_what_it_did_before() -> None:
    model = fitted(office_week(4))
    assert model.method is Method.HOUR_OF_WEEK
    assert spent(model, 6) == 600
    assert spent(model, 14, END + 6 * HOUR) == 140
    saturday = datetime(2026, 3, 7, tzinfo=UTC)
    assert spent(model, 48, saturday) == 480
    assert spent(model, 168) == 5 * (1000 + 140) + 480
    assert model.estimate(END + 168 * HOUR).p90 == model.estimate(END + 168 * HOUR).p10


def test_part_of_an_hour_costs_its_part() -> None:
    model = fitted(office_week(4))
    assert round(model.estimate(END + HOUR / 4).expected, 6) == 25
    assert round(model.estimate(END + HOUR, END + HOUR / 2).expected, 6) == 50


def test_a_burst_and_an_outage_are_not_expected_again() -> None:
    hours = office_week(4)
    hours[200:210] = [Decimal(5000)] * 10
    hours[400:430] = [NONE] * 30
    # A mean would have 18,000 instead of 6,180.
    assert abs(spent(fitted(hours), 168) - 6180) < 309


def test_growth_goes_on() -> None:
    hours = [Decimal(100 + 10 * (n // 24)) for n in range(672)]
    model = fitted(hours)
    # A day costs 240 more than the one before, and the last one cost 8880.
    assert Decimal("0.98") < spent(model, 24) / (8880 + 240) < Decimal("1.02")
    assert Decimal("0.95") < (spent(model, 24, END + 240 * HOUR)) / (8880 + 11 * 240) < Decimal("1.02")


def test_a_lasting_change_of_the_level_is_followed_within_two_days() -> None:
    hours = [Decimal(100)] * 624 + [Decimal(300)] * 48
    assert spent(fitted(hours), 24) > 6000


def test_what_was_just_switched_on_is_expected_for_a_day() -> None:
    hours = [Decimal(10)] * 669 + [Decimal(110)] * 3
    before = fitted(hours)
    model = fitted(hours, Decimal(110))
    assert spent(model, 24) == 24 * 110
    assert spent(model, 24, END + 24 * HOUR) == spent(before, 24, END + 24 * HOUR)


def test_less_than_two_weeks_know_no_weekday_and_less_than_three_days_nothing() -> None:
    hours = office_week(4)
    assert fitted(hours[-13 * 24 - 23 :]).method is Method.RECENT_HOURS
    assert fitted(hours[-14 * 24 :]).method is Method.HOUR_OF_WEEK
    assert fit(hours[-71:], end=END, running_per_hour=NONE) is None
    assert fit([NONE] * 672, end=END, running_per_hour=NONE) is None


def test_the_answer_is_the_same_each_time() -> None:
    hours = list(generate("bursts", 1).hours)
    assert fitted(hours) == fitted(hours)


def test_with_little_data_the_projection_is_the_line() -> None:
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    period = period_of(PeriodKind.MONTHLY, now)
    line = line_of(period, now, spent_minor=3100)
    made = project(flat(Decimal(13), end=now), line, period, now, spent_minor=3100)
    assert made.expected_minor == 9610
    assert 3100 <= made.p10_minor < 9610 < made.p90_minor


@settings(max_examples=60, deadline=None)
@given(SERIES, MOMENTS, COSTS, st.sampled_from(PeriodKind), st.integers(min_value=0, max_value=10**12))
def test_a_projection_is_never_below_what_was_spent(
    hours: list[Decimal], now: datetime, running: Decimal, kind: PeriodKind, so_far: int
) -> None:
    model = fit(hours, end=END, running_per_hour=running) or flat(max(NONE, running), end=END)
    period = period_of(kind, now)
    made = project(model, line_of(period, now, spent_minor=so_far), period, now, spent_minor=so_far)
    assert so_far <= made.p10_minor <= made.expected_minor <= made.p90_minor


@settings(max_examples=60, deadline=None)
@given(SERIES, MOMENTS, st.decimals(min_value=-10, max_value=10**10, places=2))
def test_money_lasts_until_its_depletion(hours: list[Decimal], now: datetime, available: Decimal) -> None:
    model = fit(hours, end=END, running_per_hour=NONE) or flat(NONE, end=END)
    found = deplete(model, available, now)
    if found.expected is None:
        assert found.p90 is None
        return
    assert found.p10 is not None
    assert now <= found.p10 <= found.expected
    assert found.p90 is None or found.p90 >= found.expected
    if available > 0:
        tolerance = available / 10**6
        assert model.estimate(found.expected, now).expected <= available + tolerance
        assert model.estimate(found.expected + timedelta(seconds=2), now).expected >= available - tolerance


def test_depletion_is_to_the_second_of_a_steady_burn() -> None:
    model = fitted([Decimal(36)] * 672)
    now = END + HOUR / 2
    assert deplete(model, Decimal(36 * 100 + 1), now).expected == now + 100 * HOUR + timedelta(seconds=100)


def test_a_wallet_without_spend_is_never_depleted_and_an_empty_one_is_now() -> None:
    assert deplete(flat(NONE, end=END), NONE, END) == Depletion(None, None, None)
    assert deplete(flat(Decimal(1), end=END), NONE, END) == Depletion(END, END, END)
    assert deplete(flat(Decimal(1), end=END), Decimal(10**9), END) == Depletion(None, None, None)


def test_the_band_of_a_depletion_lies_around_it() -> None:
    hours = list(generate("wandering", 1).hours[:672])
    found = deplete(fitted(hours), 10 * sum(hours[-24:], NONE), END)
    assert found.p10 is not None
    assert found.expected is not None
    assert found.p90 is not None
    assert found.p10 < found.expected < found.p90


def test_categories_share_the_rest_as_they_did_lately() -> None:
    found = by_category(
        {"GPU": Decimal("300.5"), "vCPU": Decimal(100), "Old": Decimal(7)},
        {"GPU": Decimal(30), "vCPU": Decimal(10), "New": Decimal(1)},
        rest_minor=100,
    )
    assert [(row.category, row.spent_minor, row.projected_minor) for row in found] == [
        ("GPU", 300, 373),
        ("vCPU", 100, 124),
        ("Old", 7, 7),
        ("New", 0, 3),
    ]


NAMED_COSTS = st.dictionaries(st.sampled_from("abcd"), st.decimals(min_value=-10, max_value=10**9, places=9))


@given(NAMED_COSTS, NAMED_COSTS, st.integers(min_value=0, max_value=10**12))
def test_the_rest_is_shared_out_in_full(so_far: dict[str, Decimal], lately: dict[str, Decimal], rest: int) -> None:
    found = by_category(so_far, lately, rest_minor=rest)
    shared = sum(row.projected_minor - row.spent_minor for row in found)
    assert shared == (rest if any(cost > 0 for cost in [*so_far.values(), *lately.values()]) else 0)
    assert [row.projected_minor for row in found] == sorted((row.projected_minor for row in found), reverse=True)


@pytest.mark.parametrize("hours", [[Decimal(1)] * 72, [NONE] * 600 + [Decimal(10**9)] * 72])
def test_extremes_are_no_error(hours: list[Decimal]) -> None:
    estimate = fitted(hours).estimate(END + 24 * HOUR)
    assert 0 <= estimate.p10 <= estimate.expected <= estimate.p90
