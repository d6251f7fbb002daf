"""What users of other systems suffered from, by the numbers of the published complaints: limits and windows of time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.operations.journal_scene import REVENUE_CODE, WALLET_CODE, JournalScene, credit, debit, journal_scene
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Reason, ServiceError
from wallet_service.limits.model import Duration, Strategy
from wallet_service.limits.operations import SpendingLimits

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[JournalScene]:
    async with journal_scene(db, clock) as made:
        yield made


async def spend(scene: JournalScene, amount_minor: int, key: str) -> int:
    """What was taken: all of it, or nothing when it was refused."""
    legs = [debit(WALLET_CODE, amount_minor), credit(REVENUE_CODE, amount_minor)]
    return await _granted(scene.journal.record(scene.org_id, legs=legs, description="", key=key), amount_minor)


async def hold(scene: JournalScene, amount_minor: int, key: str) -> int:
    """What was set aside: all of it, or nothing when it was refused."""
    return await _granted(scene.hold(amount_minor, key), amount_minor)


async def _granted(work: Any, amount_minor: int) -> int:
    try:
        await work
    except ServiceError as error:
        if error.reason not in {Reason.SPENDING_LIMIT_EXCEEDED, Reason.INSUFFICIENT_FUNDS}:
            raise
        return 0
    return amount_minor


@pytest.mark.parametrize("strategy", Strategy)
async def test_pain_04_a_limit_of_25_dollars_never_charges_1771(scene: JournalScene, strategy: Strategy) -> None:
    """The limit is checked in the transaction that takes the money; each of 100 racers wants 17.71."""
    await scene.deposit(1_000_000)
    limits = SpendingLimits(scene.db, scene.clock)
    await limits.set(scene.org_id, amount_minor=2500, duration=Duration.MONTHLY, strategy=strategy)
    races = [spend(scene, 1771, f"d{n}") if n % 2 else hold(scene, 1771, f"h{n}") for n in range(100)]
    assert sum(await asyncio.gather(*races)) == 1771
    found = await limits.get(scene.org_id)
    assert found is not None
    assert found.spent_minor + found.held_minor == 1771
    # A lower limit takes nothing back and lets nothing more through.
    lowered = await limits.set(scene.org_id, amount_minor=100, duration=Duration.MONTHLY, strategy=strategy)
    assert lowered.remaining_minor == 0
    assert await spend(scene, 1, "more") == 0


@pytest.mark.parametrize("with_limit", [False, True])
async def test_pain_09_racing_holds_never_exceed_the_balance(scene: JournalScene, with_limit: bool) -> None:
    """A hundred holds of 70 against 1000, in batches and one by one: the same fourteen are granted."""
    await scene.deposit(1000)
    if with_limit:
        limits = SpendingLimits(scene.db, scene.clock)
        await limits.set(scene.org_id, amount_minor=5000, duration=Duration.DAILY, strategy=Strategy.SLIDING)
    granted = await asyncio.gather(*(hold(scene, 70, f"h{n}") for n in range(100)))
    assert sum(granted) == 980
    assert await scene.amounts() == (20, 980)
    assert await scene.audit.verify(scene.org_id) is not None
    assert (await scene.audit.verify(scene.org_id)).violations == ()


@pytest.mark.parametrize("change", [datetime(2026, 3, 29, tzinfo=BERLIN), datetime(2026, 10, 25, tzinfo=BERLIN)])
async def test_pain_20_windows_are_utc_and_half_open_when_the_clocks_change(
    scene: JournalScene, change: datetime
) -> None:
    """The day on which local clocks change has 24 hours here; its last instant is its own, midnight is the next day's."""
    await scene.deposit(1_000_000)
    limits = SpendingLimits(scene.db, scene.clock)
    await limits.set(scene.org_id, amount_minor=100, duration=Duration.DAILY, strategy=Strategy.FIXED)
    day = change.astimezone(UTC).replace(hour=0) + timedelta(days=1)
    spent: list[tuple[datetime, int]] = []
    moments = [
        day - timedelta(microseconds=1),
        day,
        # The hours in which local clocks jump, one way or the other.
        day + timedelta(minutes=59),
        day + timedelta(hours=1),
        day + timedelta(hours=2),
        day + timedelta(hours=24) - timedelta(microseconds=1),
        day + timedelta(hours=24),
    ]
    for number, at in enumerate(moments):
        scene.clock.advance(at - scene.clock.now())
        spent.append((at, await spend(scene, 100, f"s{number}")))
        found = await limits.get(scene.org_id)
        assert found is not None
        assert found.window.end - found.window.start == timedelta(hours=24)
        assert found.window.start.astimezone(UTC).time() == datetime.min.time()
        assert found.spent_minor == 100
    assert [amount for _, amount in spent] == [100, 100, 0, 0, 0, 0, 100]


@pytest.mark.parametrize("duration", Duration)
async def test_pain_20_a_sliding_window_is_as_long_when_the_clocks_change(
    scene: JournalScene, duration: Duration
) -> None:
    await scene.deposit(1_000_000)
    limits = SpendingLimits(scene.db, scene.clock)
    scene.clock.advance(datetime(2026, 3, 28, 12, tzinfo=BERLIN) - scene.clock.now())
    await limits.set(scene.org_id, amount_minor=100, duration=duration, strategy=Strategy.SLIDING)
    assert await spend(scene, 100, "first") == 100
    length = {Duration.DAILY: 1, Duration.WEEKLY: 7, Duration.MONTHLY: 30}[duration]
    scene.clock.advance(timedelta(days=length))
    assert await spend(scene, 100, "still inside") == 0
    scene.clock.advance(timedelta(microseconds=1))
    assert await spend(scene, 100, "aged out") == 100
