"""Back-test of cost forecasts: the contract's straight line beside the projection, on the same days.

On every other day of every period that has history, each says what the period will cost in the end. The error is WAPE: the
sum of what they are off by, over the sum of what the periods cost. Coverage is how often the outcome lay in the band of 10
to 90 percent, which is right at 0.8. Of `gain`, the line's error over ours, more is better.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from bench.figures import print_figure
from bench.forecast_series import HOUR, SHAPES, Series, focus_sample, generate
from wallet_service.forecast.projection_rules import HISTORY_HOURS, fit
from wallet_service.forecast.rules import Period, PeriodKind, line_of, period_of

SEEDS: Final = range(6)
BETTER: Final = frozenset({"seasonal", "growing", "seasonal_growing"})
"""Where the projection has to be better than the line; on the others it may not lose."""

BETTER_GAIN: Final = 1.5

ORIGIN_HOUR: Final = timedelta(hours=15)
"""The time of the day at which they are asked."""

STEP: Final = timedelta(days=2)


@dataclass
class Score:
    """Sums over all forecasts, in minor units."""

    line_error: Decimal = Decimal(0)
    error: Decimal = Decimal(0)
    actual: Decimal = Decimal(0)
    covered_count: int = 0
    count: int = 0

    @property
    def line_wape(self) -> float:
        return float(self.line_error / self.actual)

    @property
    def wape(self) -> float:
        return float(self.error / self.actual)

    @property
    def coverage(self) -> float:
        return self.covered_count / self.count


def run() -> None:
    """Print error and coverage for each kind of series and period."""
    for period in (PeriodKind.MONTHLY, PeriodKind.WEEKLY):
        for kind in SHAPES:
            score = Score()
            for seed in SEEDS:
                back_test(generate(kind, seed), period, score, history_days_min=14)
            _print(f"forecast_{kind}_{period}", score, BETTER_GAIN if kind in BETTER else 1.0)
    score = Score()
    back_test(focus_sample(), PeriodKind.MONTHLY, score, history_days_min=3)
    _print("forecast_focus_monthly", score, 1.0)


def back_test(series: Series, kind: PeriodKind, score: Score, *, history_days_min: int, step: timedelta = STEP) -> None:
    """Ask every `step` from so much history on, in periods that end within the series."""
    end = series.start + len(series.hours) * HOUR
    now = series.start + timedelta(days=history_days_min) + ORIGIN_HOUR
    while now < end:
        period = period_of(kind, now)
        if series.start <= period.start and period.end <= end:
            _ask(series, period, (now - series.start) // HOUR, score)
        now += step


def _ask(series: Series, period: Period, index: int, score: Score) -> None:
    now = series.start + index * HOUR
    first, last = (period.start - series.start) // HOUR, (period.end - series.start) // HOUR
    spent, actual = sum(series.hours[first:index], Decimal(0)), sum(series.hours[first:last], Decimal(0))
    line = line_of(period, now, spent_minor=int(spent)).projected_total_minor
    model = fit(series.hours[max(0, index - HISTORY_HOURS) : index], end=now, running_per_hour=series.running[index])
    score.actual += actual
    score.line_error += abs(line - actual)
    score.count += 1
    if model is None:
        score.error += abs(line - actual)
        return
    rest = model.estimate(period.end)
    score.error += abs(spent + rest.expected - actual)
    score.covered_count += spent + rest.p10 <= actual <= spent + rest.p90


def _print(name: str, score: Score, target: float) -> None:
    yardstick = f"straight line: WAPE {score.line_wape:.4f}, projection: {score.wape:.4f}"
    print_figure(f"{name}_wape", score.wape, "of what was spent", yardstick, None)
    print_figure(f"{name}_gain", score.line_wape / score.wape, "line's error over ours", yardstick, target)
    print_figure(f"{name}_coverage", score.coverage, "of outcomes in P10-P90", f"{score.count} forecasts", None)
