"""Every move of a balance is shown once and in order, whoever looks and whoever dies."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import NIL
from tests.operations.journal_scene import JournalScene, journal_scene
from tests.operations.watch_scene import Onlooker, earn, events_of, set_balance, spend, watch_of
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.clock import ManualClock
from wallet_service.db import Database, engine_for
from wallet_service.events.model import EventType, NewEvent
from wallet_service.migrate import upgrade
from wallet_service.watching import operations, store
from wallet_service.watching.model import Observation


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[JournalScene]:
    async with journal_scene(db, clock) as made:
        yield made


class Failing(Onlooker):
    """Fails after it was shown something, as often as told."""

    failure_count = 1

    async def observe(self, conn: AsyncConnection, observation: Observation) -> Sequence[NewEvent]:
        await super().observe(conn, observation)
        if self.failure_count:
            self.failure_count -= 1
            raise RuntimeError("the watcher is broken")
        return [NewEvent(EventType.ALERTS_CONFIGURED, "organizations/my-org/wallets/default")]


async def test_moves_are_shown_in_order_with_what_is_held(scene: JournalScene):
    looking = Onlooker()
    watch = watch_of(scene, looking)
    assert await watch.run_due(None) == 0
    await scene.deposit(1200)
    hold_id = await scene.hold(500)
    assert await watch.next_due([scene.org_id]) == {scene.org_id: scene.clock.now()}
    assert await watch.run_due(None) == 2
    await scene.holds.capture(
        scene.org_id, hold_id, amount_minor=200, keep_remaining=False, description="", key="capture"
    )
    await scene.use("0.4", "absorbed by the carry")
    await watch.run_due(None)
    assert [(move.available_minor, move.balance_minor) for move in looking.moves][:2] == [(1200, 1200), (700, 1200)]
    assert looking.moves[-1].balance_minor == looking.moves[-1].available_minor == 1000
    assert [move.entry_seq for move in looking.moves] == sorted({move.entry_seq for move in looking.moves})
    assert looking.shown[-1].balance.balance_minor == 1000
    assert (await watch.run_due(None), await watch.next_due([scene.org_id])) == (0, {})


async def test_a_long_journal_is_shown_in_parts(scene: JournalScene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(operations, "ENTRIES_MAX", 7)
    for number in range(30):
        await earn(scene, 1 + number, f"earn-{number}")
    looking = Onlooker()
    watch = watch_of(scene, looking)
    assert await watch.process(scene.org_id) == 7
    assert await watch.run_due(None) == 23
    assert [len(observation.moves) for observation in looking.shown] == [7, 7, 7, 7, 2]
    assert [move.balance_minor for move in looking.moves] == [n * (n + 1) // 2 for n in range(1, 31)]


async def test_a_watcher_that_fails_is_shown_the_same_again_and_holds_up_nobody(scene: JournalScene):
    failing = Failing()
    watch = watch_of(scene, failing)
    await scene.deposit(100)
    other = await scene.another()
    assert await watch.run_due(None) == 0
    await other.deposit(50)
    assert await watch.run_due(None) == 1, "the other one is watched while the first is put off"
    assert await events_of(scene, "wallet.alerts") == []
    assert await watch.run_due(scene.org_id) == 1
    shown = [observation.moves for observation in failing.shown if observation.org_id == scene.org_id]
    assert len(shown) == 2
    assert shown[0] == shown[1]
    assert len(await events_of(scene, "wallet.alerts")) == 1


async def test_one_worker_at_a_time_and_none_is_waited_for(scene: JournalScene):
    await scene.deposit(100)
    looking = Onlooker()
    watch = watch_of(scene, looking)
    async with scene.db.engine.begin() as conn:
        await conn.execute(text("INSERT INTO watch_cursors VALUES (:org, 0)"), {"org": scene.org_id})
    async with scene.db.engine.begin() as conn:
        await conn.execute(text("SELECT 1 FROM watch_cursors FOR UPDATE"))
        assert await watch.run_due(None) == 0
    assert await watch.run_due(None) == 1


async def test_the_wallet_that_is_closed_is_not_shown(scene: JournalScene):
    await earn(scene, 100, "earn")
    await spend(scene, 100, "spend")
    wallets = Wallets(scene.db, scene.clock)
    await wallets.delete(scene.org_id)
    again = await wallets.create(scene.org_id, currency="", display_name="")
    looking = Onlooker()
    watch = watch_of(scene, looking)
    assert await watch.run_due(None) == 2
    assert looking.shown == []
    await scene.deposit(70, "to the new one")
    await watch.run_due(None)
    assert [(observation.wallet.wallet_id, observation.moves[0].balance_minor) for observation in looking.shown] == [
        (again.wallet_id, 70)
    ]


async def test_the_loop_shows_a_posting_within_a_second(scene: JournalScene):
    looking = Onlooker()
    watch = watch_of(scene, looking)
    running = asyncio.create_task(watch.run())
    try:
        await asyncio.sleep(0.3)
        await set_balance(scene, 10, "first")
        async with asyncio.timeout(1):
            await looking.was_shown.wait()
    finally:
        await watch.stop()
        await running
    assert len(looking.shown) == 1


async def test_only_the_first_of_several_processes_looks_at_everything(scene: JournalScene):
    await set_balance(scene, 10, "long ago")
    scene.clock.advance(timedelta(hours=1))
    looking, first = Onlooker(), False
    watch = watch_of(scene, looking)
    running = asyncio.create_task(watch.run(lambda: first))
    try:
        await asyncio.sleep(0.3)
        assert looking.shown == []
        first = True
        async with asyncio.timeout(10):
            await looking.was_shown.wait()
    finally:
        await watch.stop()
        await running
    assert [move.balance_minor for move in looking.moves] == [10]


async def test_the_quick_look_finds_what_is_recent_and_organizations_with_a_clock_of_their_own(scene: JournalScene):
    async def lately() -> list[UUID]:
        since = scene.clock.now() - timedelta(seconds=10)
        return await store.organizations_behind_lately(scene.db, since=since, limit=10)

    await earn(scene, 100, "earn")
    assert await lately() == [scene.org_id]
    scene.clock.advance(timedelta(seconds=11))
    assert await lately() == []
    assert await store.organizations_behind(scene.db, after=NIL, limit=10) == [scene.org_id]
    async with scene.db.engine.begin() as conn:
        await conn.execute(
            text(
                "INSERT INTO test_clocks (clock_id, display_name, state, present_at, created_at)"
                " VALUES ('mine', '', 'READY', :now, :now)"
            ),
            {"now": scene.clock.now()},
        )
        await conn.execute(
            text("INSERT INTO test_clock_organizations (org_id, clock_id) VALUES (:org, 'mine')"),
            {"org": scene.org_id},
        )
    assert await lately() == [scene.org_id]
    await watch_of(scene, Onlooker()).run_due(None)
    assert await lately() == []


async def test_a_database_with_a_past_begins_behind_it(empty_database_url: str):
    await upgrade(empty_database_url, "0008_topups")
    engine = engine_for(empty_database_url, pool_size=1, role=None)
    async with engine.begin() as conn:
        await conn.execute(
            text(
                "INSERT INTO ledger_books VALUES (gen_random_uuid(), 41, '', 7, now()), (gen_random_uuid(), 0, '', 7, now())"
            )
        )
    await upgrade(empty_database_url, "0009_watching")
    async with engine.begin() as conn:
        found = await conn.execute(text("SELECT entry_seq FROM watch_cursors ORDER BY entry_seq"))
        assert list(found.scalars()) == [0, 41]
    await engine.dispose()
