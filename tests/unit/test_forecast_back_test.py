"""The claim of the benchmark on the generated series: better than the line where there is a pattern, never worse."""

from datetime import timedelta

import pytest

from bench.forecast import BETTER, BETTER_GAIN, SEEDS, Score, back_test
from bench.forecast_series import SHAPES, focus_sample, generate
from wallet_service.forecast.rules import PeriodKind


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("period", [PeriodKind.MONTHLY, PeriodKind.WEEKLY])
def test_the_projection_beats_the_line_on_patterns_and_loses_nowhere(kind: str, period: PeriodKind) -> None:
    score = Score()
    for seed in SEEDS:
        back_test(generate(kind, seed), period, score, history_days_min=14, step=timedelta(days=5))
    assert score.count > 100
    assert score.line_wape / score.wape >= (BETTER_GAIN if kind in BETTER else 1)
    assert score.coverage >= 0.55


def test_the_projection_does_not_lose_on_the_focus_sample() -> None:
    score = Score()
    back_test(focus_sample(), PeriodKind.MONTHLY, score, history_days_min=3)
    assert score.wape <= score.line_wape
