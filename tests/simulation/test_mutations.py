"""Each law can fail: whatever is broken here on purpose is found."""

import re

import pytest

from tests.simulation.edits import edited
from tests.simulation.episode import run
from tests.simulation.mutations import MUTATIONS

SEED = 1
CUSTOMER_COUNT = 6


@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_breakage_is_found(name: str, database_url: str) -> None:
    mutation = MUTATIONS[name]
    with edited(mutation.edits):
        report = await run(
            database_url, SEED, range(mutation.steps), shares=mutation.shares, customer_count=CUSTOMER_COUNT
        )
    assert report.failure is not None, f"nothing was found in {report.steps} steps, {report.calls}"
    assert re.match(mutation.found_as, report.failure, re.DOTALL), report.failure
