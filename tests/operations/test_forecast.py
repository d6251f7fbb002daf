"""Forecasts over a real database: the burn of an hour, and GetCostForecast's figures beside the balance."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.operations.usage_scene import GPU, Scene, event, scene_on
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.forecast import steps

HOUR = timedelta(hours=1)


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[Scene]:
    async with scene_on(db, clock) as made:
        yield made


async def use(scene: Scene, hours_ago: int, *, count: int = 1, quantity: str = "1", resource: str = "") -> None:
    """GPU hours at 249 each, one in each of `count` hours from so long ago on."""
    at = scene.clock.now() - hours_ago * HOUR
    await scene.recorder.record(
        scene.org_id,
        [
            event(f"{resource}-{at + n * HOUR}", quantity, meter=GPU, resource=resource, event_time=at + n * HOUR)
            for n in range(count)
        ],
    )


async def burn(scene: Scene) -> Decimal:
    return await scene.db.read(lambda conn: steps.hourly_burn(conn, scene.org_id, scene.clock.now()))


async def test_the_burn_of_a_wallet_that_never_spent_is_nothing(scene: Scene) -> None:
    assert await burn(scene) == 0


async def test_the_burn_of_a_steady_week_is_its_hour(scene: Scene) -> None:
    await use(scene, 200, count=201)
    assert await burn(scene) == 249


async def test_the_first_spend_is_spread_over_a_day(scene: Scene) -> None:
    await use(scene, 0, quantity="24")
    assert await burn(scene) == 249


async def test_what_was_just_switched_on_counts_in_full(scene: Scene) -> None:
    await use(scene, 100, count=97)
    await use(scene, 3, count=3, quantity="10", resource="gpu-1")
    assert await burn(scene) == 2490


async def test_spending_of_another_organization_is_not_ours(scene: Scene) -> None:
    other = await scene.organization("other-org", project="theirs")
    await use(scene, 48, count=48)
    found = await scene.db.read(lambda conn: steps.hourly_burn(conn, other, scene.clock.now()))
    assert found == 0
