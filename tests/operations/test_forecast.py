"""Forecasts over a real database: the burn of an hour, and GetCostForecast's figures beside the balance."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.operations.usage_scene import GPU, Scene, event, scene_on
from wallet_service.accounts import steps as accounts
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.forecast import steps
from wallet_service.forecast.operations import Forecast, Forecasts
from wallet_service.forecast.projection_rules import Method
from wallet_service.forecast.rules import PeriodKind
from wallet_service.forecast.store import CAPTURED
from wallet_service.journal.hold_operations import Holds
from wallet_service.journal.operations import Journal

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


async def forecast(scene: Scene, kind: PeriodKind = PeriodKind.MONTHLY) -> Forecast:
    return await Forecasts(scene.db, scene.clock).forecast(scene.org_id, kind)


async def deposit(scene: Scene, amount_minor: int) -> None:
    await Journal(scene.db, scene.ledger, scene.clock).deposit(
        scene.org_id, amount_minor=amount_minor, currency="", description="", key=f"deposit-{amount_minor}"
    )


async def capture(scene: Scene, amount_minor: int) -> None:
    holds = Holds(scene.db, scene.ledger, scene.clock)
    made = await holds.create(
        scene.org_id,
        amount_minor=amount_minor + 50,
        currency="",
        expires_at=None,
        description="",
        key=f"hold-{amount_minor}",
    )
    await holds.capture(
        scene.org_id,
        made.hold_id,
        amount_minor=amount_minor,
        keep_remaining=False,
        description="",
        key=f"capture-{amount_minor}",
    )


async def balance_minor(scene: Scene) -> int:
    _, _, available = await scene.accrued(scene.org_id)
    return available


async def test_what_was_spent_agrees_with_the_balance(scene: Scene) -> None:
    await use(scene, 1, quantity="0.5")
    scene.clock.advance(24 * HOUR)
    await deposit(scene, 100_000)
    await use(scene, 2, count=2, quantity="0.3")
    await capture(scene, 700)
    found = await forecast(scene)
    assert found.spent_minor == 100_000 - await balance_minor(scene)
    assert found.line.days_elapsed == 2
    assert found.line.projected_total_minor == found.spent_minor * 31 // 2
    assert found.line.daily_run_rate_minor == found.spent_minor // 2
    # 124.5 + 149.4 of usage, and what was captured.
    assert [(row.category, row.spent_minor) for row in found.categories] == [(CAPTURED, 700), ("GPU", 274)]


async def test_a_deposit_and_a_hold_are_no_spend(scene: Scene) -> None:
    await deposit(scene, 100_000)
    await Holds(scene.db, scene.ledger, scene.clock).create(
        scene.org_id, amount_minor=500, currency="", expires_at=None, description="", key="hold"
    )
    found = await forecast(scene)
    assert found.spent_minor == found.projection.expected_minor == 0
    assert found.categories == ()
    assert found.depletion == (None, None, None)


async def test_four_weeks_make_a_projection_by_hours_of_the_week(scene: Scene) -> None:
    await use(scene, 28 * 24, count=28 * 24, resource="gpu-1")
    await deposit(scene, 28 * 24 * 249 + 100 * 249)
    found = await forecast(scene, PeriodKind.DAILY)
    assert found.method is Method.HOUR_OF_WEEK
    assert found.committed_per_hour == 249
    # 28 days were recorded at once, today: the line takes them for today's, and the projection adds the hours to come.
    rest = found.projection.expected_minor - found.spent_minor
    assert (249 * 12 * 59 // 60) - 249 < rest <= 249 * 12
    assert found.projection.p10_minor == found.projection.expected_minor
    at = found.depletion.expected
    assert at is not None
    assert abs(at - scene.clock.now() - 100 * HOUR) < timedelta(minutes=1)
    [row] = found.categories
    assert (row.category, row.projected_minor - row.spent_minor) == ("GPU", rest)


async def test_the_step_says_the_same_depletion(scene: Scene) -> None:
    await use(scene, 5 * 24, count=5 * 24)
    await deposit(scene, 5 * 24 * 249 + 10_000)
    found = await forecast(scene)
    assert found.method is Method.RECENT_HOURS
    step = await scene.db.read(lambda conn: steps.depletion(conn, scene.org_id, scene.clock.now()))
    assert step == found.depletion
    assert step.expected is not None


async def test_an_empty_wallet_that_spends_is_depleted_now(scene: Scene) -> None:
    await use(scene, 1)
    now = scene.clock.now()
    assert (await forecast(scene)).depletion == (now, now, now)


async def test_usage_of_the_last_period_is_spent_in_the_period_of_its_recording(scene: Scene) -> None:
    """The month began twelve hours ago; usage of the day before that is debited now."""
    await use(scene, 24)
    found = await forecast(scene)
    assert found.spent_minor == 249
    assert [(row.category, row.spent_minor) for row in found.categories] == [("GPU", 0)]


async def test_captured_holds_burn_too(scene: Scene) -> None:
    await deposit(scene, 100_000)
    await capture(scene, 2_400)
    scene.clock.advance(2 * HOUR)
    assert await burn(scene) == 100
    wallet = await scene.db.read(lambda conn: accounts.open_wallet(conn, scene.org_id))
    rows = await scene.db.read(
        lambda conn: steps.spend_since(conn, wallet, scene.clock.now() - timedelta(days=2), scene.clock.now())
    )
    assert [(row.category, row.cost_minor) for row in rows] == [(CAPTURED, 2_400)]
