"""The same ledger where tables are distributed: the coordinator sees in each statement which shard it is for."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.batcher import Ledger
from ledger.ids import new_id
from ledger.model import OpenHold, ReleaseHold, Transfer, UnknownAccount
from tests.ledger import test_posting
from tests.ledger.conftest import Scene, posted
from tests.statements.sent_statements import noted, tables_read
from wallet_service.db import engine_for

READ = ("accounts", "books", "entries", "holds", "keys", "postings", "reversals", "wallets")
PLANNED_ONCE = "SET plan_cache_mode = force_generic_plan"


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database_url, pool_size=6)
    yield engine
    await engine.dispose()


async def test_every_table_that_a_batch_reads_is_asked_by_organization(scene: Scene, engine: AsyncEngine) -> None:
    sent = noted(engine)
    opened = OpenHold(org_id=scene.org_id, key="forgotten", wallet=scene.wallet, amount_minor=1)
    async with Ledger(engine, scene.clock, on_shards=lambda: True) as ledger:
        await test_posting.test_every_operation_on_the_database(replace(scene, ledger=ledger))
        hold_id = posted(await ledger.post(opened)).hold_id
    assert hold_id is not None
    async with Ledger(engine, scene.clock, on_shards=lambda: True) as another:
        posted(await another.post(ReleaseHold(org_id=scene.org_id, key="found", hold_id=hold_id)))
    read = await tables_read(scene.engine, [query for query in sent if "unnest" in query.query])
    assert read == dict.fromkeys((f"ledger_{name}" for name in READ), True)


@pytest.mark.parametrize("on_shards", [False, True])
async def test_batches_are_planned_once_on_one_server_only(
    scene: Scene, engine: AsyncEngine, *, on_shards: bool
) -> None:
    sent = noted(engine)
    async with Ledger(engine, scene.clock, on_shards=lambda: on_shards) as ledger:
        posted(await ledger.post(scene.topup("k", 1)))
    assert any(PLANNED_ONCE in query.query for query in sent) is not on_shards


async def test_what_is_learned_while_the_ledger_runs_holds_from_the_next_batch(
    scene: Scene, engine: AsyncEngine
) -> None:
    """A process may serve before the database has told it whether tables are distributed."""
    sent = noted(engine)
    told = True
    async with Ledger(engine, scene.clock, on_shards=lambda: told) as ledger:
        for number in range(4):
            posted(await ledger.post(scene.topup(f"before-{number}", 1)))
        assert not any(PLANNED_ONCE in query.query for query in sent)
        told = False
        del sent[:]
        for number in range(4):
            posted(await ledger.post(scene.topup(f"after-{number}", 1)))
    opened = [query.query for query in sent if "PREPARE ledger_lock" in query.query]
    assert [PLANNED_ONCE in query for query in opened] == [True, True]
    assert all(query.args[-1] is None for query in sent if "unnest" in query.query)
    assert (await scene.balance()).available_minor == 8


@pytest.mark.parametrize("on_shards", [False, True])
async def test_a_wallet_of_another_organization_is_unknown(
    scene: Scene, engine: AsyncEngine, *, on_shards: bool
) -> None:
    """Whether it is read, or on a shard that is not asked."""
    await scene.fund(10)
    theirs = await scene.open_wallet(new_id(scene.clock.now()))
    async with Ledger(engine, scene.clock, on_shards=lambda: on_shards) as ledger:
        outcome = await ledger.post(
            Transfer(org_id=scene.org_id, key="k", debit_account=scene.wallet, credit_account=theirs, amount_minor=1)
        )
    assert outcome == UnknownAccount(theirs)
