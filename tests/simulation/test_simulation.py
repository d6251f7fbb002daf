"""Fixed seeds of the simulation; `make simulate` takes any."""

import pytest

from tests.simulation.episode import run

SEEDS = (1, 2, 3)
STEPS = 400


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_doubled_or_overspent(seed: int, database_url: str) -> None:
    report = await run(database_url, seed, range(STEPS))
    assert report.failure is None, f"step {report.failed_at}: {report.failure}\n{report.trace}"
    assert report.steps == STEPS
