"""Recording usage against a real database: once, exactly, together, and without harm to each other."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ledger.batcher import Ledger
from ledger.money import floor_split
from tests.operations.usage_scene import EGRESS, GPU, START, VCPU, Scene, event, kinds, scene_on
from tests.statements.sent_statements import noted, tables_read
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.catalog.rules import NewRate
from wallet_service.clock import ManualClock
from wallet_service.db import Database, engine_for
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.usage.model import DuplicateEvent, Recorded, RefusedEvent
from wallet_service.usage.operations import Accrued, UsageRecorder

_EXAMPLES = count()


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[Scene]:
    async with scene_on(db, clock) as made:
        yield made


async def test_usage_moves_the_balance_exactly(scene: Scene) -> None:
    results = await scene.recorder.record(scene.org_id, [event("a", "730", event_time=START + timedelta(days=31))])
    assert isinstance(results[0], Recorded)
    assert results[0].cost_minor == Decimal("250.00018")
    assert await scene.accrued(scene.org_id) == (Decimal("250.00018"), Decimal("0.00018"), -250)
    await scene.check_laws(scene.org_id)


async def test_a_replay_changes_nothing_and_answers_the_first(scene: Scene) -> None:
    first = await scene.recorder.record(scene.org_id, [event("a"), event("b", meter=GPU)])
    scene.clock.advance(timedelta(days=90))
    again = await scene.recorder.record(scene.org_id, [event("b", meter=GPU), event("a"), event("a", "2")])
    assert kinds(again) == ["DuplicateEvent", "DuplicateEvent", "RefusedEvent"]
    assert isinstance(first[1], Recorded)
    assert again[0] == DuplicateEvent(first[1].event_id, first[1].cost_minor, correction=False)
    assert isinstance(again[2], RefusedEvent)
    assert again[2].reason is Reason.IDEMPOTENCY_KEY_REUSED
    assert await scene.check_laws(scene.org_id) == Decimal("249.5")


async def test_the_rate_at_event_time_counts(scene: Scene) -> None:
    change = datetime(2026, 2, 20, tzinfo=UTC)
    results = await scene.recorder.record(
        scene.org_id,
        [
            event("before", event_time=change - timedelta(microseconds=1)),
            event("at", event_time=change),
            event("before all", event_time=START - timedelta(seconds=1)),
        ],
        ignore_age=True,
    )
    assert [r.cost_minor for r in results if isinstance(r, Recorded)] == [Decimal("0.342466"), Decimal("0.5")]
    assert isinstance(results[2], RefusedEvent)
    assert results[2].reason is Reason.RATE_MISSING


async def test_a_new_rate_does_not_touch_what_was_rated(scene: Scene) -> None:
    await scene.recorder.record(scene.org_id, [event("a")])
    await scene.catalog.create_rate(NewRate(VCPU, "USD", Decimal(7), scene.clock.now()))
    results = await scene.recorder.record(scene.org_id, [event("a"), event("b")])
    assert [r.cost_minor for r in results if not isinstance(r, RefusedEvent)] == [Decimal("0.5"), Decimal(7)]


async def test_projects_of_others_are_unknown(scene: Scene) -> None:
    await scene.organization("other-org", project="theirs")
    results = await scene.recorder.record(
        scene.org_id, [event("a", project="theirs"), event("b", project="nobodys"), event("c", project="")]
    )
    reasons = [r.reason if isinstance(r, RefusedEvent) else None for r in results]
    assert reasons == [Reason.PROJECT_UNKNOWN, Reason.PROJECT_UNKNOWN, None]
    messages = [
        result.message.replace(slug, "")
        for result, slug in zip(results, ("theirs", "nobodys"), strict=False)
        if isinstance(result, RefusedEvent)
    ]
    assert len(set(messages)) == 1
    await scene.project(scene.org_id, "second")
    (ambiguous,) = await scene.recorder.record(scene.org_id, [event("d", project="")])
    assert isinstance(ambiguous, RefusedEvent)
    assert ambiguous.reason is Reason.PROJECT_UNKNOWN


async def test_an_organization_has_its_own_age_limit(scene: Scene) -> None:
    patient = await scene.organization("patient", project="slow", usage_age_max=timedelta(days=50))
    at = scene.clock.now() - timedelta(days=45)
    (mine,) = await scene.recorder.record(scene.org_id, [event("a", event_time=at)])
    (theirs,) = await scene.recorder.record(patient, [event("a", project="slow", event_time=at)])
    assert isinstance(mine, RefusedEvent)
    assert mine.reason is Reason.EVENT_TOO_OLD
    assert isinstance(theirs, Recorded)
    (imported,) = await scene.recorder.record(scene.org_id, [event("a", event_time=at)], ignore_age=True)
    assert isinstance(imported, Recorded)


async def test_all_or_nothing_names_every_refusal_and_records_nothing(scene: Scene) -> None:
    with pytest.raises(ServiceError) as refused:
        await scene.recorder.record(
            scene.org_id,
            [event("a"), event("b", meter="nope"), event("c", quantity="1e9")],
            all_or_nothing=True,
        )
    assert (refused.value.code, refused.value.reason) == (Code.INVALID_ARGUMENT, Reason.BATCH_REFUSED)
    assert [v.field for v in refused.value.violations] == ["events[1].meter", "events[2].quantity"]
    assert await scene.check_laws(scene.org_id) == 0
    assert kinds(await scene.recorder.record(scene.org_id, [event("a", "3")])) == ["Recorded"]


async def test_one_event_alone_raises_its_refusal(scene: Scene) -> None:
    for fields, code, reason in (
        ({"meter": "nope"}, Code.NOT_FOUND, Reason.METER_UNKNOWN),
        ({"project": "nope"}, Code.NOT_FOUND, Reason.PROJECT_UNKNOWN),
        ({"quantity": "NaN"}, Code.INVALID_ARGUMENT, Reason.QUANTITY_OUT_OF_RANGE),
        ({"unit": "GB"}, Code.INVALID_ARGUMENT, Reason.UNIT_MISMATCH),
        ({"event_time": START}, Code.FAILED_PRECONDITION, Reason.EVENT_TOO_OLD),
    ):
        with pytest.raises(ServiceError) as refused:
            await scene.recorder.record_one(scene.org_id, event("a", **fields))
        assert (refused.value.code, refused.value.reason) == (code, reason)
    assert isinstance(await scene.recorder.record_one(scene.org_id, event("a")), Recorded)


async def test_usage_takes_an_empty_wallet_below_zero_and_a_correction_back(scene: Scene) -> None:
    await scene.recorder.record(scene.org_id, [event("a", "2", meter=GPU)])
    assert (await scene.accrued(scene.org_id))[2] == -498
    results = await scene.recorder.record(scene.org_id, [event("undo", "-2", meter=GPU), event("b", "-0.000001")])
    assert [r.correction for r in results if isinstance(r, Recorded)] == [True, True]
    accrued, carry, available = await scene.accrued(scene.org_id)
    assert (accrued, carry, available) == (Decimal("-0.0000005"), Decimal("0.9999995"), 1)
    await scene.check_laws(scene.org_id)


async def test_a_closed_wallet_refuses_usage(scene: Scene) -> None:
    await Wallets(scene.db, scene.clock).delete(scene.org_id)
    (result,) = await scene.recorder.record(scene.org_id, [event("a")])
    assert isinstance(result, RefusedEvent)
    assert result.reason is Reason.ACCOUNT_CLOSED


async def test_concurrent_calls_share_batches_and_count_once(scene: Scene) -> None:
    other = await scene.organization("other-org", project="theirs")
    calls: list[Any] = []
    for number in range(200):
        calls.append(scene.recorder.record(scene.org_id, [event(f"k{number % 120}", str(number % 120))]))
        calls.append(scene.recorder.record(other, [event(f"k{number % 120}", project="theirs", meter=EGRESS)]))
    results = [result for call in await asyncio.gather(*calls) for result in call]
    assert kinds(results).count("Recorded") == 240
    assert kinds(results).count("DuplicateEvent") == 160
    batches = (await scene.rows("SELECT count(DISTINCT recorded_at) AS n, count(*) AS m FROM usage_batches"))[0]
    assert batches.m < 100
    expected = sum((Decimal(n) * Decimal("0.5") for n in range(120)), Decimal(0))
    assert await scene.check_laws(scene.org_id) == expected
    assert await scene.check_laws(other) == 120 * Decimal("0.9765625")


async def test_two_processes_with_the_same_events_count_them_once(scene: Scene, database_url: str) -> None:
    engine = engine_for(database_url, pool_size=4)
    db = Database(engine, statement_timeout=timedelta(seconds=20))
    options = {"usage_age_max": timedelta(days=35), "usage_ahead_max": timedelta(minutes=5)}
    async with Ledger(engine, scene.clock) as ledger, UsageRecorder(db, ledger, scene.clock, **options) as second:
        calls = [
            recorder.record(scene.org_id, [event(f"k{number}-{n}", meter=GPU) for n in range(20)])
            for number in range(25)
            for recorder in (scene.recorder, second)
        ]
        results = [result for call in await asyncio.gather(*calls) for result in call]
    await engine.dispose()
    assert kinds(results).count("Recorded") == 500
    assert kinds(results).count("DuplicateEvent") == 500
    assert await scene.check_laws(scene.org_id) == 500 * 249


async def test_on_shards_every_table_that_is_looked_up_is_asked_by_organization(
    database_url: str, clock: ManualClock
) -> None:
    engine = engine_for(database_url, pool_size=6)
    sent = noted(engine)
    db = Database(engine, statement_timeout=timedelta(seconds=20))
    async with scene_on(db, clock, on_shards=lambda: True) as made:
        assert kinds(await made.recorder.record(made.org_id, [event("a"), event("b")])) == ["Recorded", "Recorded"]
        again = await made.recorder.record(made.org_id, [event("b"), event("c")])
        assert kinds(again) == ["DuplicateEvent", "Recorded"]
        assert await made.check_laws(made.org_id) == Decimal("1.5")
    read = await tables_read(engine, [query for query in sent if "unnest(" in query.query])
    assert {"projects", "usage_keys", "usage_events_default", "ledger_wallets"} <= read.keys()
    assert [table for table, is_named in read.items() if not is_named] == []
    await engine.dispose()


async def test_a_poisonous_call_fails_alone(scene: Scene, database_url: str) -> None:
    """A constraint of this test alone refuses one resource inside the database."""
    owner = engine_for(database_url, pool_size=1, role=None)
    async with owner.begin() as conn:
        await conn.execute(text("ALTER TABLE usage_events ADD CONSTRAINT poison CHECK (resource <> 'poison')"))
    await owner.dispose()
    calls = [
        scene.recorder.record(scene.org_id, [event(f"k{n}", resource="poison" if n == 13 else "vm")]) for n in range(40)
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    failed = [n for n, result in enumerate(results) if isinstance(result, BaseException)]
    assert failed == [13]
    assert not isinstance(results[13], ServiceError)
    assert await scene.check_laws(scene.org_id) == 39 * Decimal("0.5")


async def test_what_follows_joins_the_transaction(db: Database, clock: ManualClock) -> None:
    seen: list[Accrued] = []

    async def follow(conn: Any, accrued: Any) -> None:
        seen.extend(accrued)
        if accrued and accrued[0].cost_minor == 249:
            raise RuntimeError("the follow-up failed")

    async with scene_on(db, clock, follow_up=follow) as scene:
        await scene.recorder.record(scene.org_id, [event("a", "3")])
        assert [one.cost_minor for one in seen] == [Decimal("1.5")]
        (change,) = seen[0].posted.wallets
        assert (change.available_before_minor, change.available_minor) == (0, -1)
        with pytest.raises(RuntimeError):
            await scene.recorder.record(scene.org_id, [event("b", meter=GPU)])
        assert await scene.check_laws(scene.org_id) == Decimal("1.5")
        assert kinds(await scene.recorder.record(scene.org_id, [event("b", "2", meter=GPU)])) == ["Recorded"]


async def test_a_queue_has_its_limit(db: Database, clock: ManualClock) -> None:
    async with scene_on(db, clock, queue_events_max=10, batch_events_max=5) as scene:
        calls = [scene.recorder.record(scene.org_id, [event(f"k{n}")]) for n in range(40)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        refused = [r for r in results if isinstance(r, ServiceError)]
        assert {(r.code, r.reason) for r in refused} == {(Code.RESOURCE_EXHAUSTED, Reason.OVERLOADED)}
        assert await scene.check_laws(scene.org_id) == (40 - len(refused)) * Decimal("0.5")


async def test_a_caller_who_leaves_undoes_nothing(scene: Scene) -> None:
    call = asyncio.create_task(scene.recorder.record(scene.org_id, [event("a")]))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert kinds(await scene.recorder.record(scene.org_id, [event("a")])) == ["DuplicateEvent"]


@pytest.mark.parametrize("table", ["usage_events", "usage_batches", "rates"])
async def test_facts_cannot_be_changed(scene: Scene, table: str) -> None:
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET currency = 'EUR'"):
        with pytest.raises(DBAPIError) as refused:
            await scene.db.transact(lambda conn, statement=statement: conn.execute(text(statement)))
        assert "permission denied" in str(refused.value)


async def test_empty_and_oversized_calls_are_refused(scene: Scene) -> None:
    for events in ([], [event(str(n)) for n in range(1001)]):
        with pytest.raises(ServiceError) as refused:
            await scene.recorder.record(scene.org_id, events)
        assert refused.value.reason is Reason.INVALID_FIELD


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from([VCPU, GPU, EGRESS]),
            st.integers(-(10**15), 10**15).map(lambda n: f"{Decimal(n).scaleb(-12):f}"),
            st.integers(0, 60 * 24 * 3),
        ),
        min_size=1,
        max_size=30,
    ),
    st.data(),
)
async def test_any_split_into_calls_ends_in_the_same_money(
    scene: Scene, events: list[tuple[str, str, int]], data: st.DataObject
) -> None:
    """Two organizations record the same events, one in one call, one in several at once: same cost, debit and carry."""
    example = next(_EXAMPLES)
    orgs = [await scene.organization(f"o{side}{example}", project=f"p{side}{example}") for side in "ab"]
    at = scene.clock.now() - timedelta(days=3)
    made = [
        [
            event(
                f"k{n}", quantity, meter=meter, project=f"p{side}{example}", event_time=at + timedelta(minutes=minute)
            )
            for n, (meter, quantity, minute) in enumerate(events)
        ]
        for side in "ab"
    ]
    await scene.recorder.record(orgs[0], made[0])
    cuts = sorted(data.draw(st.sets(st.integers(1, len(events)))) | {len(events)})
    await asyncio.gather(*(scene.recorder.record(orgs[1], made[1][begin:end]) for begin, end in pairwise([0, *cuts])))
    whole, rest = floor_split(await scene.check_laws(orgs[0]))
    assert await scene.check_laws(orgs[1]) == whole + rest
    assert await scene.accrued(orgs[0]) == await scene.accrued(orgs[1]) == (whole + rest, rest, -whole)
