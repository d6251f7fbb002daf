"""Fixed seeds of the simulation; `make simulate` takes any."""

import pytest

from tests.simulation.episode import run
from tests.simulation.shrinking import shrink

SEEDS = (1, 2, 3)
STEPS = 120


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_doubled_or_overspent(seed: int, database_url: str) -> None:
    report = await run(database_url, seed, range(STEPS))
    assert report.failure is None, f"step {report.failed_at}: {report.failure}\n{report.trace}"
    assert report.steps == STEPS
    assert sum(report.struck.values()) > report.struck["restart"], "faults have struck"


async def test_a_failure_is_shrunk_to_the_steps_that_make_it() -> None:
    async def fails(steps: object) -> bool:
        return {3, 17, 42} <= set(steps)  # type: ignore[call-overload]

    assert (await shrink(range(60), fails))[0] == [3, 17, 42]
