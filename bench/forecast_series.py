"""Hours of spend to test forecasts on: generated with a seed, and those of the FOCUS sample.

Generated hours are whole thousandths of a minor unit, so they are the same on every machine.
"""

import csv
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

HOUR: Final = timedelta(hours=1)
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
DAY_COUNT: Final = 151
SAMPLE: Final = Path(__file__).parents[1] / "examples/data/focus_sample.csv"


@dataclass(frozen=True)
class Series:
    """Exact cost of each hour from `start`, a midnight, on, in minor units; `running`: of an hour of what runs then."""

    start: datetime
    hours: Sequence[Decimal]
    running: Sequence[Decimal]


Shape = Callable[[random.Random], list[float]]
"""Hours in minor units, before they are rounded."""


def generate(kind: str, seed: int) -> Series:
    """January to May of a year: the same for the same kind and seed."""
    hours = [Decimal(round(hour * 1000)) / 1000 for hour in SHAPES[kind](random.Random(f"{kind} {seed}"))]
    # Only what is switched on for good is a resource of its own here; all else is known as sums alone.
    steps = [hour if kind == "switched_on" else Decimal(0) for hour in hours]
    running = [min(steps[max(0, n - 3) : n], default=Decimal(0)) for n in range(len(steps))]
    return Series(START, hours, running)


def focus_sample() -> Series:
    """List cost of the usage rows by hour; negative hours are corrections."""
    with SAMPLE.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["ChargeCategory"] == "Usage"]
    by_hour: dict[datetime, Decimal] = {}
    for row in rows:
        hour = datetime.fromisoformat(row["ChargePeriodStart"]).replace(minute=0, second=0, tzinfo=UTC)
        by_hour[hour] = by_hour.get(hour, Decimal(0)) + Decimal(row["ListCost"]) * 100
    start = min(by_hour).replace(day=1, hour=0)
    end = (start + timedelta(days=31)).replace(day=1)
    hours = [by_hour.get(start + n * HOUR, Decimal(0)) for n in range((end - start) // HOUR)]
    return Series(start, hours, [Decimal(0)] * len(hours))


def _times() -> list[datetime]:
    return [START + n * HOUR for n in range(DAY_COUNT * 24)]


def _office(at: datetime) -> float:
    """Office hours on weekdays; quiet nights and weekends."""
    if at.weekday() >= 5:
        return 30
    return 400 if 8 <= at.hour < 19 else 60


def _steady(chance: random.Random) -> list[float]:
    return [200 * chance.lognormvariate(0, 0.1) for _ in _times()]


def _seasonal(chance: random.Random) -> list[float]:
    return [_office(at) * chance.lognormvariate(0, 0.2) for at in _times()]


def _growing(chance: random.Random) -> list[float]:
    """Between one and three percent a day, more by day than by night."""
    rate = chance.uniform(1.01, 1.03)
    return [
        20 * rate ** (n / 24) * (1.4 if 8 <= at.hour < 20 else 0.6) * chance.lognormvariate(0, 0.15)
        for n, at in enumerate(_times())
    ]


def _seasonal_growing(chance: random.Random) -> list[float]:
    return [_office(at) * 1.015 ** (n / 24) * chance.lognormvariate(0, 0.2) for n, at in enumerate(_times())]


def _bursts(chance: random.Random) -> list[float]:
    """A base, and a few times a week up to half a day at five to twenty times its cost."""
    hours, left, factor = list[float](), 0, 1.0
    for _ in _times():
        if left == 0 and chance.random() < 1 / 60:
            left, factor = chance.randrange(1, 12), chance.uniform(5, 20)
        hours.append(50 * chance.lognormvariate(0, 0.2) * (factor if left else 1))
        left = max(0, left - 1)
    return hours


def _outages(chance: random.Random) -> list[float]:
    """Office hours, and about twice a month nothing for half a day up to two days."""
    hours, left = list[float](), 0
    for at in _times():
        if left == 0 and chance.random() < 1 / 360:
            left = chance.randrange(12, 48)
        hours.append(0 if left else _office(at) * chance.lognormvariate(0, 0.2))
        left = max(0, left - 1)
    return hours


def _wandering(chance: random.Random) -> list[float]:
    """Each day's level is that of the day before, a little higher or lower: what no model can know."""
    hours, level = list[float](), 200.0
    for n, _ in enumerate(_times()):
        if n % 24 == 0:
            level *= chance.lognormvariate(0, 0.08)
        hours.append(level * chance.lognormvariate(0, 0.2))
    return hours


def _switched_on(chance: random.Random) -> list[float]:
    """Machines that run through; now and then their number changes for good."""
    hours, count = list[float](), 4
    for _ in _times():
        if chance.random() < 1 / 400:
            count = chance.randrange(1, 20)
        hours.append(count * 25)
    return hours


SHAPES: Final[dict[str, Shape]] = {
    "steady": _steady,
    "seasonal": _seasonal,
    "growing": _growing,
    "seasonal_growing": _seasonal_growing,
    "bursts": _bursts,
    "outages": _outages,
    "wandering": _wandering,
    "switched_on": _switched_on,
}
