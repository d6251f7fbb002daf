"""What the days to come will cost, from the sums of those that were. Pure; `Decimal` in the context of the caller.

Three questions have no answer that is right for every wallet: does growth go on, is the level that of weeks or that of the
last days, and how far off may it be. So the ways to answer are tried on the history itself: each forecasts days that are
known already from those before them (`tries`); the one with the least error is taken, and its errors make the band.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Final, NamedTuple

from wallet_service.forecast.rules import HORIZON_DAYS_MAX, STATISTICS

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)

_WEEK: Final = 7
_SLOPES_MIN: Final = 14
_GROWTH_MAX: Final = Decimal("0.05")
_GROWTH_DAMPING: Final = Decimal("0.99")
_GROWN_DAYS: Final = tuple(accumulate(STATISTICS.power(_GROWTH_DAMPING, n) for n in range(HORIZON_DAYS_MAX + 1)))
"""Days of full growth that a number of days is worth."""

_FACTOR_BOUNDS: Final = (Decimal("0.25"), Decimal(4))
_TRY_DAYS: Final = 14
"""How many of the last days are forecast for a try, each from those before it."""

_AHEAD_DAYS: Final = 7
_MOVES_DAYS: Final = Decimal(31)
_FEW: Final = Decimal(4)
"""So many tries are needed until their errors are as likely to be too large as too small; the fewer, the wider the band."""

_BETTER: Final = Decimal("0.95")
"""A less careful way has to have five percent less error to be taken."""


class Way(NamedTuple):
    """How to go about it: does growth count, and of how many of the last days is the level (None: all, trimmed)."""

    growth: bool
    recent_days: int | None


WAYS: Final = (Way(True, None), Way(True, 7), Way(False, 7), Way(False, 1))
"""From the most careful on. Where no growth is clear, the first two have none either."""


@dataclass(frozen=True, slots=True)
class Days:
    """The days to come: `cycle` repeats from the first of them on, at today's level; a day adds the part `growth` of it."""

    cycle: tuple[Decimal, ...]
    growth: Decimal

    def level_of(self, day: int) -> Decimal:
        """The level of a day to come (0 is the first) as a multiple of today's. Growth wears off slowly."""
        return max(ZERO, ONE + self.growth * _GROWN_DAYS[min(day, len(_GROWN_DAYS) - 1)])

    def cost_of(self, day: int) -> Decimal:
        return self.cycle[day % len(self.cycle)] * self.level_of(day)


class Spread(NamedTuple):
    """Squared errors of the sum of n days: noise * n + drift * n**2 * (1 + n / 7).

    Noise, apart for what ends up below and above, is of days that have nothing to do with each other; drift is of a level
    that was wrong, or moves for a month.
    """

    noise_below: Decimal
    noise_above: Decimal
    drift: Decimal

    def below(self, days: Decimal) -> Decimal:
        return self._width(self.noise_below, days)

    def above(self, days: Decimal) -> Decimal:
        return self._width(self.noise_above, days)

    def _width(self, noise: Decimal, days: Decimal) -> Decimal:
        return (noise * days + self.drift * days * days * (ONE + min(days, _MOVES_DAYS) / _AHEAD_DAYS)).sqrt()


def forecast_days(days: Sequence[Decimal], *, cycle: int) -> tuple[Days, Spread]:
    """From at least three days, oldest first, none negative; `cycle` is 7 with at least 14 of them, else 1."""
    best, best_errors = WAYS[0], _errors(days, cycle, WAYS[0])
    least = _size(best_errors)
    for way in WAYS[1:]:
        errors = _errors(days, cycle, way)
        if _size(errors) < least * _BETTER:
            best, best_errors, least = way, errors, _size(errors)
    found = _fit(days, cycle, best)
    return found, _spread(days, found, best_errors)


def factors_of(days: Sequence[Decimal]) -> list[Decimal]:
    """What brings each day to the level of the last one, by the growth that is clear in all of them."""
    return _factors(days, _slope(days))


def _fit(days: Sequence[Decimal], cycle: int, way: Way) -> Days:
    slope = _slope(days) if way.growth else ZERO
    adjusted = [day * factor for day, factor in zip(days, _factors(days, slope), strict=True)]
    # The day `n` of the cycle to come is as far from the end as those one, two, three cycles before it.
    shape = [median([adjusted[i] for i in range(len(days) - cycle + n, -1, -cycle)]) for n in range(cycle)]
    if not any(shape):
        shape = [ONE] * cycle
    if way.recent_days is None:
        scale = trimmed_mean(adjusted) / mean(shape)
    else:
        fitted = [shape[(i - len(days)) % cycle] for i in range(len(days))]
        recent = slice(max(0, len(days) - way.recent_days), len(days))
        base = sum(fitted[recent], ZERO)
        scale = sum(adjusted[recent], ZERO) / base if base else ONE
    found = tuple(day * scale for day in shape)
    level = mean(found)
    return Days(found, max(-_GROWTH_MAX, min(_GROWTH_MAX, slope / level)) if level else ZERO)


def _errors(days: Sequence[Decimal], cycle: int, way: Way) -> list[list[Decimal]]:
    """Outcome minus forecast of sums of 1, 2, ... 7 days ahead; a list for each try."""
    found: list[list[Decimal]] = []
    for origin in range(max(3, cycle, len(days) - _TRY_DAYS), len(days)):
        model = _fit(days[:origin], cycle, way)
        off, sums = ZERO, list[Decimal]()
        for ahead in range(min(_AHEAD_DAYS, len(days) - origin)):
            off += days[origin + ahead] - model.cost_of(ahead)
            sums.append(off)
        found.append(sums)
    return found


def _size(errors: Sequence[Sequence[Decimal]]) -> Decimal:
    """The sum of absolute errors, each by the number of days that it is of."""
    return sum((abs(off) / (n + 1) for sums in errors for n, off in enumerate(sums)), ZERO)


def _spread(days: Sequence[Decimal], found: Days, errors: Sequence[Sequence[Decimal]]) -> Spread:
    """Noise from the days ahead by one, on each side as if the other were its mirror image; drift from the longest sums."""
    ones = [sums[0] for sums in errors] or [day - mean(days) for day in days]
    below = 2 * mean([off * off if off < 0 else ZERO for off in ones])
    above = 2 * mean([off * off if off > 0 else ZERO for off in ones])
    longest = [sums[-1] for sums in errors if len(sums) == _AHEAD_DAYS]
    noise = (below + above) / 2
    drift = ZERO
    if longest:
        squared = mean([off * off for off in longest])
        drift = max(ZERO, squared - noise * _AHEAD_DAYS) / (2 * _AHEAD_DAYS * _AHEAD_DAYS)
    # The level is known no better than the mean of as many days as there were, and the errors no better than from so many.
    few = ONE + _FEW / max(1, len(ones))
    return Spread(below * few, above * few, max(drift, noise / len(days)) * few)


def _slope(days: Sequence[Decimal]) -> Decimal:
    """Cost that a day has more than the one before; 0 where that is not clear.

    The median of the slopes between equal weekdays, so that neither the shape of a week nor a burst makes one. It counts
    where three of four agree in direction.
    """
    slopes = [
        (days[later] - days[earlier]) / (later - earlier)
        for earlier in range(len(days))
        for later in range(earlier + _WEEK, len(days), _WEEK)
    ]
    rising, falling = sum(slope > 0 for slope in slopes), sum(slope < 0 for slope in slopes)
    if len(slopes) < _SLOPES_MIN or 10 * max(rising, falling) < 9 * len(slopes):
        return ZERO
    return median(slopes)


def _factors(days: Sequence[Decimal], slope: Decimal) -> list[Decimal]:
    last = len(days) - 1
    level = median([day + slope * (last - n) for n, day in enumerate(days)])
    if level <= 0 or not slope:
        return [ONE] * len(days)
    low, high = _FACTOR_BOUNDS
    return [level / min(level / low, max(level / high, level - slope * (last - n))) for n in range(len(days))]


def median(values: Sequence[Decimal]) -> Decimal:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def mean(values: Sequence[Decimal]) -> Decimal:
    return sum(values, ZERO) / len(values)


def trimmed_mean(values: Sequence[Decimal]) -> Decimal:
    """Without the highest and lowest of every ten."""
    cut = len(values) // 10
    return mean(sorted(values)[cut : len(values) - cut])
