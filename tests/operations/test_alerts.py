"""Alerts fire once for each crossing, whoever posts, whoever watches and whoever dies."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.operations.journal_scene import JournalScene, journal_scene
from tests.operations.watch_scene import earn, events_of, set_balance, spend, watch_of
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.alerts.operations import Alerts
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Reason, ServiceError
from wallet_service.watching.operations import BalanceWatch

FIRED = "wallet.alert.balance"
RECOVERED = "wallet.alert.balance_recovered"
DAYS_FIRED = "wallet.alert.days_remaining"
DAYS_RECOVERED = "wallet.alert.days_remaining_recovered"


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[JournalScene]:
    async with journal_scene(db, clock) as made:
        yield made


@pytest.fixture
def alerts(scene: JournalScene) -> Alerts:
    return Alerts(scene.db, scene.clock)


@pytest.fixture
def watch(scene: JournalScene, alerts: Alerts) -> BalanceWatch:
    return watch_of(scene, alerts)


async def turns(scene: JournalScene) -> list[tuple[str, int]]:
    """The balance alert's events: what happened, at which balance."""
    return [(type, data["balance_minor"]) for type, data in await events_of(scene, FIRED)]


async def balances(scene: JournalScene) -> list[int]:
    """The wallet after each posting, read from the journal."""
    rows = await scene.rows(
        "SELECT balance_after_minor AS b FROM ledger_postings WHERE org_id = :org AND account_id = :account"
        " ORDER BY entry_seq, leg",
        org=scene.org_id,
        account=scene.wallet.account_id,
    )
    return [row.b for row in rows]


def folded(moves: list[int], threshold: int) -> list[tuple[str, int]]:
    """The definition, naively."""
    found: list[tuple[str, int]] = []
    is_low = False
    for balance in moves:
        if (balance < threshold) != is_low:
            is_low = not is_low
            found.append((FIRED if is_low else RECOVERED, balance))
    return found


async def test_the_worked_figures(scene: JournalScene, alerts: Alerts, watch: BalanceWatch):
    await set_balance(scene, 1200, "start")
    await alerts.configure(scene.org_id, balance_alert_minor=1000, days_remaining_alert=None)
    for number, balance in enumerate((900, 800, 1500, 999)):
        await set_balance(scene, balance, f"move-{number}")
        await watch.run_due(None)
    assert await turns(scene) == [(FIRED, 900), (RECOVERED, 1500), (FIRED, 999)]


async def test_a_crossing_that_was_made_good_before_anybody_looked_is_told(
    scene: JournalScene, alerts: Alerts, watch: BalanceWatch
):
    await set_balance(scene, 1200, "start")
    await alerts.configure(scene.org_id, balance_alert_minor=1000, days_remaining_alert=None)
    scene.clock.advance(timedelta(minutes=1))
    at = scene.clock.now()
    await set_balance(scene, 900, "down")
    scene.clock.advance(timedelta(minutes=1))
    await set_balance(scene, 1200, "up")
    await watch.run_due(None)
    assert await events_of(scene, FIRED) == [
        (
            FIRED,
            {"balance_minor": 900, "threshold_minor": 1000, "currency": "USD", "occurred_at": "2026-03-01T12:01:30Z"},
        ),
        (
            RECOVERED,
            {"balance_minor": 1200, "threshold_minor": 1000, "currency": "USD", "occurred_at": "2026-03-01T12:02:30Z"},
        ),
    ]
    found = await alerts.get(scene.org_id)
    assert (found.alerts.balance.has_fired, found.alerts.balance.last_fired_at) == (False, at)


async def test_a_hold_does_not_lower_the_balance(scene: JournalScene, alerts: Alerts, watch: BalanceWatch):
    await set_balance(scene, 1200, "start")
    await alerts.configure(scene.org_id, balance_alert_minor=1000, days_remaining_alert=None)
    await scene.hold(900)
    await watch.run_due(None)
    assert await turns(scene) == []


async def test_configuring_is_an_evaluation_and_what_was_before_is_no_crossing(
    scene: JournalScene, alerts: Alerts, watch: BalanceWatch
):
    await earn(scene, 100, "low")
    await earn(scene, 1900, "high")
    await alerts.configure(scene.org_id, balance_alert_minor=1000, days_remaining_alert=None)
    await watch.run_due(None)
    assert await turns(scene) == [], "the entry at 100 was before the alert"
    configured = await alerts.configure(scene.org_id, balance_alert_minor=2500, days_remaining_alert=None)
    assert configured.alerts.balance.last_fired_at == scene.clock.now()
    for threshold in (2500, 2500, 2000, 0, 2500):
        await alerts.configure(scene.org_id, balance_alert_minor=threshold, days_remaining_alert=None)
        await watch.run_due(None)
    assert await turns(scene) == [(FIRED, 2000), (FIRED, 2000)], "once for each threshold that it is below"
    assert [type for type, _ in await events_of(scene)].count("wallet.alerts.configured") == 7


async def test_a_wallet_without_alerts_and_no_wallet(scene: JournalScene, alerts: Alerts):
    found = await alerts.get(scene.org_id)
    assert (found.alerts.balance.threshold_minor, found.alerts.days.threshold_days) == (None, None)
    assert (found.org_slug, found.currency) == ("my-org", "USD")
    await Wallets(scene.db, scene.clock).delete(scene.org_id)
    with pytest.raises(ServiceError) as refused:
        await alerts.configure(scene.org_id, balance_alert_minor=5, days_remaining_alert=None)
    assert refused.value.reason is Reason.RESOURCE_NOT_FOUND


async def test_one_event_for_each_crossing_with_many_posters_and_watchers_and_one_that_dies(
    scene: JournalScene, alerts: Alerts
):
    """50 callers post around the threshold while three watches look, and transactions of watches are killed."""
    await earn(scene, 1000, "start")
    await alerts.configure(scene.org_id, balance_alert_minor=1000, days_remaining_alert=None)
    stop = asyncio.Event()
    choose = random.Random(1)

    async def poster(number: int) -> None:
        for turn in range(6):
            move = spend if (number + turn) % 2 else earn
            await move(scene, choose.randint(1, 300), f"{number}-{turn}")

    async def watcher() -> None:
        watch = watch_of(scene, alerts)
        while not stop.is_set():
            await watch.process(scene.org_id, wait=False)
            await asyncio.sleep(0)

    async def killer() -> None:
        while not stop.is_set():
            doomed = asyncio.create_task(watch_of(scene, alerts).process(scene.org_id))
            await asyncio.sleep(choose.uniform(0, 0.02))
            doomed.cancel()
            await asyncio.gather(doomed, return_exceptions=True)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(watcher())
        tasks.create_task(killer())
        await asyncio.gather(*(poster(number) for number in range(50)))
        # Wherever the random postings end, each of these but the first crosses the threshold.
        for turn, amount_minor in enumerate((1_000_000, 2_000_000, 2_000_000, 2_000_000)):
            await (spend if turn % 2 else earn)(scene, amount_minor, f"far-{turn}")
        stop.set()
    await watch_of(scene, alerts).run_due(scene.org_id)
    moves = await balances(scene)
    assert len(moves) == 305
    assert await turns(scene) == folded(moves, 1000)
    assert len(await turns(scene)) >= 3, "the postings crossed it more than once"


async def test_configuring_beside_postings_and_watchers_misses_and_repeats_nothing(scene: JournalScene, alerts: Alerts):
    """The threshold stays while it is configured again and again, so the events are those of the one threshold."""
    await earn(scene, 1000, "start")
    await alerts.configure(scene.org_id, balance_alert_minor=1000, days_remaining_alert=None)
    watch = watch_of(scene, alerts)

    async def post() -> None:
        for number in range(40):
            await (earn if number % 3 else spend)(scene, 30 + number % 3 * 5, f"post-{number}")

    async def configure() -> None:
        for _ in range(25):
            await alerts.configure(scene.org_id, balance_alert_minor=1000, days_remaining_alert=None)

    async def look() -> None:
        for _ in range(60):
            await watch.process(scene.org_id, wait=False)

    await asyncio.gather(post(), configure(), look(), look())
    await watch.run_due(None)
    assert await turns(scene) == folded(await balances(scene), 1000)


async def test_the_events_are_a_fold_over_the_postings(scene: JournalScene):
    """Generated histories of postings and looks, each in an organization of its own."""
    choose = random.Random(7)
    for history in range(25):
        own = await scene.another()
        alerts = Alerts(own.db, own.clock)
        watch = watch_of(own, alerts)
        threshold = choose.randint(1, 60)
        await earn(own, threshold, f"{history}-start")
        await alerts.configure(own.org_id, balance_alert_minor=threshold, days_remaining_alert=None)
        for step in range(choose.randint(1, 15)):
            amount = choose.randint(-90, 90)
            if amount % 3 == 0:
                await watch.run_due(own.org_id)
            else:
                await (spend if amount < 0 else earn)(own, abs(amount), f"{history}-{step}")
        await watch.run_due(own.org_id)
        assert await turns(own) == folded(await balances(own), threshold), f"history {history}"


async def burn(scene: JournalScene, per_hour: str, *, hours: int) -> None:
    """Usage of an equal cost in each of the last complete hours, as the roll-up has it."""
    async with scene.db.engine.begin() as conn:
        await conn.execute(
            text(
                """
                INSERT INTO usage_hourly (org_id, hour, project_id, meter, resource, datacenter, currency, quantity,
                                          cost_minor, discount_minor, event_count)
                SELECT :org, date_trunc('hour', CAST(:now AS timestamptz)) - n * interval '1 hour', :org, 'm', '', '',
                       'USD', 1, CAST(:cost AS numeric), 0, 1
                FROM generate_series(1, :hours) n
                """
            ),
            {"org": scene.org_id, "now": scene.clock.now(), "cost": per_hour, "hours": hours},
        )


async def test_the_days_that_remain_fire_below_and_recover(scene: JournalScene, alerts: Alerts, watch: BalanceWatch):
    """200 a day: seven days are 1400, and a tenth more than that is recovered."""
    await burn(scene, "8.333333333333", hours=168)
    await set_balance(scene, 1400, "start")
    await alerts.configure(scene.org_id, balance_alert_minor=None, days_remaining_alert=7)
    assert await events_of(scene, DAYS_FIRED) == []
    for number, balance in enumerate((1399, 1300, 1450, 1390, 1600, 1000)):
        scene.clock.advance(timedelta(seconds=1))
        await set_balance(scene, balance, f"move-{number}")
        await watch.run_due(None)
    found: list[tuple[str, Any]] = [
        (type, (data["balance_minor"], data["daily_burn_minor"], data["days_remaining"], data["threshold_days"]))
        for type, data in await events_of(scene, DAYS_FIRED)
    ]
    assert found == [
        (DAYS_FIRED, (1399, 200, 6, 7)),
        (DAYS_RECOVERED, (1600, 200, 8, 7)),
        (DAYS_FIRED, (1000, 200, 5, 7)),
    ]
    settings = await alerts.get(scene.org_id)
    assert settings.alerts.days.last_fired_at == scene.clock.now()


async def test_the_sweep_looks_at_days_while_nothing_is_posted(scene: JournalScene, alerts: Alerts):
    await set_balance(scene, 1000, "start")
    await alerts.configure(scene.org_id, balance_alert_minor=None, days_remaining_alert=7)
    due = (await alerts.next_due([scene.org_id])).get(scene.org_id)
    assert due == scene.clock.now() + timedelta(hours=6)
    assert await alerts.run_due(None) == 0
    scene.clock.advance(timedelta(hours=6))
    await burn(scene, "100", hours=100)
    assert await alerts.run_due(None) == 1
    assert [type for type, _ in await events_of(scene, DAYS_FIRED)] == [DAYS_FIRED]
    assert await alerts.run_due(scene.org_id) == 0
    await alerts.configure(scene.org_id, balance_alert_minor=None, days_remaining_alert=None)
    assert (await alerts.next_due([scene.org_id])).get(scene.org_id) is None


async def test_the_sweep_goes_on_where_one_wallet_fails(scene: JournalScene, alerts: Alerts):
    other = await scene.another()
    for one in (scene, other):
        await alerts.configure(one.org_id, balance_alert_minor=None, days_remaining_alert=7)
    scene.clock.advance(timedelta(hours=7))
    await burn(scene, "Infinity", hours=30)
    assert await alerts.run_due(None) == 1
    assert await alerts.next_due([other.org_id]) == {other.org_id: scene.clock.now() + timedelta(hours=6)}
