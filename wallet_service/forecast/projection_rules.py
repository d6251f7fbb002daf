"""The projection: what the hours to come will cost, from those of the last 28 days. Pure, no randomness.

Days are windows of 24 hours that end with the last complete hour, and `daily_rules` says what those to come cost. An hour's
part of its day is that of the same hour of the week: the median of its observations, so that a burst or an outage is one of
four and loses. What runs now beyond the highest hour ever seen is added for one more day.

With less than 14 days the cycle is a day instead of a week; with less than 3 the projection is the line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal, localcontext
from enum import StrEnum
from itertools import accumulate
from typing import Final, NamedTuple

from ledger.money import floor_split, largest_remainder, round_half_even
from wallet_service.forecast.daily_rules import ONE, ZERO, Days, Spread, factors_of, forecast_days, mean, median
from wallet_service.forecast.rules import DAY, HORIZON_DAYS_MAX, HOUR, RUNNING_HOURS, STATISTICS, Line, Period

HISTORY_HOURS: Final = 28 * 24
_DAY_HOURS: Final = 24
_WEEKLY_DAYS_MIN: Final = 14
_DAILY_DAYS_MIN: Final = 3
_RUNNING_LASTS_HOURS: Final = 24
_SECOND: Final = timedelta(seconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_HOUR_MICROSECONDS: Final = HOUR // _MICROSECOND
_DAY_MICROSECONDS: Final = DAY // _MICROSECOND
_EXPECTED, _P10_SIDE, _P90_SIDE = range(3)
"""Where an `Estimate` has them."""

_P90: Final = Decimal("1.2816")
"""Of a normal distribution with deviation 1."""


class Method(StrEnum):
    """What a projection was made with."""

    HOUR_OF_WEEK = "hour_of_week"
    RECENT_HOURS = "recent_hours"
    LINE = "line"


class Estimate(NamedTuple):
    """Minor units: the expectation, and what 10 and 90 percent of outcomes stay below. None is negative."""

    expected: Decimal
    p10: Decimal
    p90: Decimal


class Depletion(NamedTuple):
    """When the money will be gone. p10: earlier only in 10 percent of outcomes. None: not within 365 days."""

    expected: datetime | None
    p10: datetime | None
    p90: datetime | None


class Projection(NamedTuple):
    """The cost of a whole period in whole minor units. Nine of ten periods end above p10, nine of ten below p90."""

    expected_minor: int
    p10_minor: int
    p90_minor: int


class CategoryProjection(NamedTuple):
    """Cost of a category of meters: of the period so far, and of the whole period."""

    category: str
    spent_minor: int
    projected_minor: int


@dataclass(frozen=True, slots=True)
class Model:
    """What is known at `end`, a whole hour. `parts` are the hours of the days of the cycle, as parts of their day.

    running: what each of the first hours costs above that.
    """

    method: Method
    end: datetime
    days: Days
    parts: tuple[Decimal, ...]
    spread: Spread
    running: Decimal

    def estimate(self, until: datetime, since: datetime | None = None) -> Estimate:
        """Spend from `since` (default: `end`) to `until`, which may lie within an hour; 0 for an empty span."""
        since = self.end if since is None else since
        if until <= since:
            return Estimate(ZERO, ZERO, ZERO)
        with localcontext(STATISTICS):
            return self._with_band(self._sum_to(until) - self._sum_to(since), until - since)

    def by_day(self, since: datetime) -> list[Estimate]:
        """Spend from `since`, in the first day after `end`, to the end of each day of the horizon."""
        with localcontext(STATISTICS):
            before = self._sum_to(since)
            running = self.running * _RUNNING_LASTS_HOURS
            sums = accumulate(self.days.cost_of(day) for day in range(HORIZON_DAYS_MAX))
            return [
                self._with_band(total + running - before, self.end + (day + 1) * DAY - since)
                for day, total in enumerate(sums)
            ]

    def _with_band(self, expected: Decimal, length: timedelta) -> Estimate:
        expected = max(ZERO, expected)
        days = Decimal(length // _MICROSECOND) / _DAY_MICROSECONDS
        below, above = self.spread.below(days) * _P90, self.spread.above(days) * _P90
        return Estimate(expected, max(ZERO, expected - below), expected + above)

    def _sum_to(self, at: datetime) -> Decimal:
        """The expectation from `end` to `at`; hours are cut in proportion."""
        microseconds = (at - self.end) // _MICROSECOND
        if microseconds <= 0:
            return ZERO
        whole, rest = divmod(microseconds, _HOUR_MICROSECONDS)
        total = self._whole_hours(whole)
        if rest:
            total += (self._whole_hours(whole + 1) - total) * rest / _HOUR_MICROSECONDS
        return total

    def _whole_hours(self, count: int) -> Decimal:
        days, rest = divmod(count, _DAY_HOURS)
        total = self.running * min(count, _RUNNING_LASTS_HOURS)
        total += sum((self.days.cost_of(day) for day in range(days)), ZERO)
        first = days * _DAY_HOURS % len(self.parts)
        return total + sum(self.parts[first : first + rest], ZERO) * self.days.cost_of(days)


def fit(hours: Sequence[Decimal], *, end: datetime, running_per_hour: Decimal) -> Model | None:
    """The model of complete hours, oldest first from the first spend on, the last of which ends at `end`.

    Only the last 28 days count; negative hours, which are corrections, count as none. None where there is less than 3 days.
    """
    kept = [max(ZERO, hour) for hour in hours[-HISTORY_HOURS:]]
    day_count = len(kept) // _DAY_HOURS
    if day_count < _DAILY_DAYS_MIN or not any(kept):
        return None
    kept = kept[len(kept) - day_count * _DAY_HOURS :]
    is_weekly = day_count >= _WEEKLY_DAYS_MIN
    with localcontext(STATISTICS):
        sums = [sum(kept[n : n + _DAY_HOURS], ZERO) for n in range(0, len(kept), _DAY_HOURS)]
        days, spread = forecast_days(sums, cycle=7 if is_weekly else 1)
        return Model(
            method=Method.HOUR_OF_WEEK if is_weekly else Method.RECENT_HOURS,
            end=end,
            days=days,
            parts=_parts(kept, sums, len(days.cycle) * _DAY_HOURS),
            spread=spread,
            running=_running(kept, days, running_per_hour),
        )


def flat(burn_per_hour: Decimal, *, end: datetime) -> Model:
    """The model of a wallet of which little is known: hours cost the same, and a day may as well cost nothing or twice."""
    with localcontext(STATISTICS):
        day = burn_per_hour * _DAY_HOURS
        noise = (day / _P90) * (day / _P90)
        parts = (ONE / _DAY_HOURS,) * _DAY_HOURS
        return Model(Method.LINE, end, Days((day,), ZERO), parts, Spread(noise, noise, noise / 10), ZERO)


def project(model: Model, line: Line, period: Period, now: datetime, *, spent_minor: int) -> Projection:
    """What the period will have cost, of which `spent_minor` is spent. Rounded down; never below what was spent.

    Where little is known the expectation is the line's.
    """
    rest = model.estimate(period.end, now)
    if model.method is Method.LINE:
        expected = max(spent_minor, line.projected_total_minor)
    else:
        expected = spent_minor + floor_split(rest.expected)[0]
    below, above = (floor_split(part)[0] for part in (rest.expected - rest.p10, rest.p90 - rest.expected))
    return Projection(expected, p10_minor=max(spent_minor, expected - below), p90_minor=expected + above)


def by_category(
    spent: Mapping[str, Decimal], lately: Mapping[str, Decimal], *, rest_minor: int
) -> list[CategoryProjection]:
    """What each category will have cost, largest first. The rest of the period is shared as the cost of the last days was,
    in whole minor units that add up to it.

    spent: exact cost of the period so far. lately: of the last days; where it holds nothing, the rest is shared as `spent`.
    """
    weights = {name: max(ZERO, cost) for name, cost in lately.items()}
    if not any(weights.values()):
        weights = {name: max(ZERO, cost) for name, cost in spent.items()}
    names = sorted(weights)
    rest = dict.fromkeys(names, 0)
    if any(weights.values()):
        rest = dict(zip(names, largest_remainder(rest_minor, [weights[name] for name in names]), strict=True))
    found = [
        CategoryProjection(name, so_far, so_far + rest.get(name, 0))
        for name, so_far in ((name, round_half_even(spent.get(name, ZERO))) for name in {*spent, *names})
    ]
    return sorted(found, key=lambda row: (-row.projected_minor, row.category))


def deplete(model: Model, available_minor: Decimal, now: datetime) -> Depletion:
    """When what is available at `now` will have been spent; `now` itself where there is nothing left to spend.

    Without any spend to come there is no such time, also not for an empty wallet.
    """
    with localcontext(STATISTICS):
        days = model.by_day(now)
        if days[-1].expected <= 0:
            return Depletion(None, None, None)
        # Much is spent where it ends early: the band changes sides.
        sides = (_EXPECTED, _P90_SIDE, _P10_SIDE)
        return Depletion(*(_reached(model, days, available_minor, now, side) for side in sides))


def _reached(
    model: Model, days: Sequence[Estimate], available_minor: Decimal, now: datetime, side: int
) -> datetime | None:
    """The first time that a side of the estimate has come to the amount, in proportion within its hour, to the second."""
    if available_minor <= 0:
        return now
    day = next((n for n, estimate in enumerate(days) if estimate[side] >= available_minor), None)
    if day is None:
        return None
    before, since = (days[day - 1][side], model.end + day * DAY) if day else (ZERO, now)
    for n in range(1, _DAY_HOURS + 1):
        until = model.end + day * DAY + n * HOUR
        spent = model.estimate(until, now)[side]
        if spent >= available_minor:
            seconds = (until - since) // _SECOND * (available_minor - before) / (spent - before)
            return since + int(seconds.to_integral_value(ROUND_FLOOR)) * _SECOND
        before, since = max(before, spent), until
    # Sums that were made in another order differ in their last digit.
    return since


def _parts(hours: Sequence[Decimal], sums: Sequence[Decimal], cycle: int) -> tuple[Decimal, ...]:
    """Each hour of the cycle to come as a part of its day; the parts of a day add up to one."""
    factors = factors_of(sums)
    adjusted = [hour * factors[n // _DAY_HOURS] for n, hour in enumerate(hours)]
    shape = [median([adjusted[n] for n in range(len(hours) - cycle + slot, -1, -cycle)]) for slot in range(cycle)]
    parts: list[Decimal] = []
    for first in range(0, cycle, _DAY_HOURS):
        day = shape[first : first + _DAY_HOURS]
        total = sum(day, ZERO)
        parts += [hour / total for hour in day] if total else [ONE / _DAY_HOURS] * _DAY_HOURS
    return tuple(parts)


def _running(hours: Sequence[Decimal], days: Days, running_per_hour: Decimal) -> Decimal:
    """What runs now beyond the mean of an hour, if it is more than any hour before it was."""
    highest = max(hours[:-RUNNING_HOURS], default=ZERO)
    usual = mean(days.cycle) / _DAY_HOURS
    return max(ZERO, running_per_hour - usual) if running_per_hour > highest else ZERO
