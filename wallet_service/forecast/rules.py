"""Periods, the contract's straight line, and the burn of an hour. Pure.

The line is as naive as the contract asks: what was spent, times the days of the period, over the days begun so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal, localcontext
from enum import StrEnum
from typing import Final

from ledger.money import floor_div

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
BURN_HOURS: Final = 168
"""What the burn of an hour is the mean of: one of each hour of the week."""

BURN_HOURS_MIN: Final = 24
"""A wallet that has just begun to spend is taken to spend over a day at least, as the line does."""

RUNNING_HOURS: Final = 3
"""A resource runs when it was used in each of the last three complete hours."""

HORIZON_DAYS_MAX: Final = 365
"""A wallet that lasts longer than this has no depletion time."""

STATISTICS: Final = Context(prec=28)
"""Rounded arithmetic, for guesses only: no posting is ever made from it."""


class PeriodKind(StrEnum):
    """Calendar periods in UTC. The value is that of the contract."""

    MONTHLY = "monthly"
    WEEKLY = "weekly"
    DAILY = "daily"


@dataclass(frozen=True, slots=True)
class Period:
    """From `start`, inclusive, to `end`, exclusive: midnights in UTC."""

    start: datetime
    end: datetime

    @property
    def day_count(self) -> int:
        """28 to 31, 7 or 1."""
        return (self.end - self.start) // DAY

    def days_elapsed(self, now: datetime) -> int:
        """Days begun by `now`, which lies in the period: 1 on the first one."""
        return (now - self.start) // DAY + 1


@dataclass(frozen=True, slots=True)
class Line:
    """The contract's figures, in minor units, rounded down."""

    days_elapsed: int
    projected_total_minor: int
    daily_run_rate_minor: int


def period_of(kind: PeriodKind, now: datetime) -> Period:
    """The calendar period that `now` (aware UTC) lies in; weeks are those of ISO 8601 and begin on Monday."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if kind is PeriodKind.DAILY:
        return Period(day, day + DAY)
    if kind is PeriodKind.WEEKLY:
        monday = day - day.weekday() * DAY
        return Period(monday, monday + 7 * DAY)
    first = day.replace(day=1)
    return Period(first, (first + 31 * DAY).replace(day=1))


def line_of(period: Period, now: datetime, *, spent_minor: int) -> Line:
    """Extrapolate what was spent so far; `now` lies in the period. Negative spend rounds down too."""
    elapsed = period.days_elapsed(now)
    return Line(
        days_elapsed=elapsed,
        projected_total_minor=floor_div(spent_minor * period.day_count, elapsed),
        daily_run_rate_minor=floor_div(spent_minor, elapsed),
    )


def hour_of(at: datetime) -> datetime:
    """The start of the hour that `at` lies in."""
    return at.replace(minute=0, second=0, microsecond=0)


def burn_per_hour(hours: Sequence[Decimal], *, current_hour: Decimal, running_per_hour: Decimal) -> Decimal:
    """Minor units that an hour costs at present; 0 when nothing is spent, never negative.

    hours: the complete hours of the last week since the first spend in it, oldest first; current_hour: spent in the hour
    that is not over, which counts only while there is less than a day to go by. running_per_hour: of the resources that
    run now. It takes the mean's place where it is above every earlier hour: then something new was switched on, and a mean
    would see it days too late. What comes back every night does not do that, so the burn does not jump with it.
    """
    with localcontext(STATISTICS):
        total = sum(hours, Decimal(0))
        if len(hours) < BURN_HOURS_MIN:
            total += current_hour
        mean = max(Decimal(0), total / max(len(hours), BURN_HOURS_MIN))
        highest = max(hours[:-RUNNING_HOURS], default=Decimal(0))
        return max(mean, running_per_hour) if running_per_hour > highest else mean
