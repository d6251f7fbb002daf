"""Organizations on whose moves nothing follows are passed over together, and only those."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.operations.journal_scene import JournalScene, journal_scene
from tests.operations.payments_lab import PaymentsLab, payments_lab
from tests.operations.recharge_scene import RechargeScene
from tests.operations.watch_scene import Onlooker, events_of, real_time, watch_of
from wallet_service.alerts.operations import Alerts
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.limits.marks import LimitMarks
from wallet_service.limits.model import Duration, Strategy
from wallet_service.limits.operations import SpendingLimits
from wallet_service.watching import store
from wallet_service.watching.model import Standing, Watcher
from wallet_service.watching.operations import BalanceWatch
from wallet_service.watching.steps import hold_still


@pytest.fixture
async def scenes(db: Database, clock: ManualClock) -> AsyncIterator[list[JournalScene]]:
    """Three organizations whose moves were all shown."""
    async with journal_scene(db, clock) as first:
        made = [first, await first.another(), await first.another()]
        for scene in made:
            await scene.deposit(1000)
        assert await watch_of(first).run_due(None) == 3
        yield made


async def test_those_that_every_watcher_ignores_are_not_shown(scenes: list[JournalScene]):
    first, second, third = scenes
    one = Onlooker(ignored={first.org_id, second.org_id})
    other = Onlooker(ignored={first.org_id, third.org_id})
    watch = watch_of(first, one, other)
    for scene in scenes:
        await scene.deposit(5, "more")
        await scene.deposit(6, "and more")
    assert await watch.run_due(None) == 6
    assert (
        {shown.org_id for shown in one.shown}
        == {shown.org_id for shown in other.shown}
        == {second.org_id, third.org_id}
    )
    assert await watch.next_due([scene.org_id for scene in scenes]) == {}
    assert await watch.run_due(None) == 0


async def test_one_that_somebody_is_about_to_watch_is_left_alone(scenes: list[JournalScene]):
    first, second, _ = scenes
    everyone = {scene.org_id for scene in scenes}
    looking = Onlooker(ignored=everyone)
    watch = watch_of(first, looking)
    for scene in scenes:
        await scene.deposit(5, "more")
    async with first.db.engine.begin() as conn:
        await hold_still(conn, second.org_id)
        assert await watch.run_due(None) == 2
        looking.ignored = everyone - {second.org_id}
    assert await watch.run_due(None) == 1
    assert [shown.org_id for shown in looking.shown] == [second.org_id]


async def test_a_watcher_that_cannot_tell_keeps_nobody_from_being_shown(scenes: list[JournalScene]):
    class Lost(Onlooker):
        async def indifferent_to(self, conn: AsyncConnection, standings: Sequence[Standing]) -> set[UUID]:
            del conn, standings
            raise RuntimeError("no idea")

    looking = Lost()
    for scene in scenes:
        await scene.deposit(5, "more")
    assert await watch_of(scenes[0], looking).run_due(None) == 3
    assert len(looking.shown) == 3


async def test_an_alert_among_hundreds_fires(scenes: list[JournalScene]):
    first, second, _ = scenes
    alerts = Alerts(first.db, first.clock)
    watch = watch_of(first, alerts)
    await alerts.configure(second.org_id, balance_alert_minor=500, days_remaining_alert=None)
    for scene in scenes:
        await scene.use("600", "usage")
    assert await watch.run_due(None) == 3
    assert [data["balance_minor"] for _, data in await events_of(second, "wallet.alert.balance")] == [400]
    assert await events_of(first, "wallet.alert") == []


@pytest.fixture
async def lab(db: Database, clock: ManualClock) -> AsyncIterator[PaymentsLab]:
    async with payments_lab(db, clock) as made:
        yield made


async def is_indifferent(lab: PaymentsLab, watcher: Watcher) -> bool:
    standing = await lab.db.read(lambda conn: store.standing(conn, lab.org_id))
    assert standing is not None
    return lab.org_id in await lab.db.read(lambda conn: watcher.indifferent_to(conn, [standing]))


async def test_accounts_with_money_are_looked_at_again_when_a_tenth_of_it_is_gone(lab: PaymentsLab):
    states = lab.account_states
    assert not await is_indifferent(lab, states), "without money the grace begins"
    await lab.credited(1000)
    assert not await is_indifferent(lab, states), "the forecast was never asked"
    watch = BalanceWatch(lab.db, lab.clock, [states], time_of=real_time)
    await watch.run_due(lab.org_id)
    await states.run_due(lab.org_id)
    assert await is_indifferent(lab, states)
    await lab.spend(100)
    assert await is_indifferent(lab, states)
    await lab.spend(1)
    assert not await is_indifferent(lab, states)
    await watch.run_due(lab.org_id)
    await states.run_due(lab.org_id)
    await lab.spend(899)
    await watch.run_due(lab.org_id)
    lab.clock.advance(timedelta(hours=1))
    assert not await is_indifferent(lab, states), "within the grace the time has a say, too"


async def test_limits_and_recharging_are_watched_while_they_are_on(lab: PaymentsLab):
    marks, limits = LimitMarks(lab.db, lab.clock), SpendingLimits(lab.db, lab.clock)
    assert await is_indifferent(lab, marks)
    await limits.set(lab.org_id, amount_minor=100, duration=Duration.DAILY, strategy=Strategy.FIXED)
    assert not await is_indifferent(lab, marks)
    await limits.delete(lab.org_id)
    assert await is_indifferent(lab, marks)

    recharging = RechargeScene(lab)
    assert await is_indifferent(lab, lab.recharge_watcher)
    await recharging.enable()
    assert not await is_indifferent(lab, lab.recharge_watcher)
    await lab.recharges.disable(lab.org_id)
    assert await is_indifferent(lab, lab.recharge_watcher)
