"""Posting to a real database: batches, keys, races, steps in a caller's transaction."""

import asyncio
import re
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import chart, queries, store
from ledger.accounts import AccountKind, chart_account_id
from ledger.batcher import Ledger
from ledger.errors import InvalidRequest, LedgerClosed, QueueFull
from ledger.ids import new_id
from ledger.link import driver_connection
from ledger.model import (
    Accrue,
    CaptureHold,
    ClosedAccount,
    Draw,
    Duplicate,
    Entry,
    ExpireHold,
    ExtendHold,
    HoldState,
    InsufficientFunds,
    Leg,
    OpenHold,
    Outcome,
    Posted,
    ReleaseHold,
    Request,
    ReusedKey,
    Reversal,
    Transfer,
    UnknownAccount,
    UnknownEntry,
    UnknownHold,
)
from tests.ledger.conftest import Scene, posted
from tests.statements.sent_statements import nodes
from wallet_service.db import engine_for


async def test_every_operation_on_the_database(scene: Scene) -> None:
    """One of each, with all that an entry may carry; then the laws hold."""
    org_id, wallet = scene.org_id, scene.wallet
    second = await scene.open_wallet()
    at = scene.clock.now() - timedelta(days=3, microseconds=7)
    topup = posted(
        await scene.ledger.post(
            Transfer(
                org_id=org_id,
                key="first",
                debit_account=scene.clearing,
                credit_account=wallet,
                amount_minor=10_000,
                description="Überweisung ☂",
                effective_at=at,
                metadata={"top_up": "tu_1", "a": 'quote " and \\ and ☂'},
            )
        )
    )
    fees = scene.account(AccountKind.FEES)
    legs = (Leg(fees, 30), Leg(scene.clearing, -30))
    posted(await scene.ledger.post(Entry(org_id=org_id, key="fee", legs=legs)))
    posted(await scene.ledger.post(scene.topup("second", 100, second)))
    drawn = posted(
        await scene.ledger.post(
            Draw(org_id=org_id, key="draw", sources=(second, wallet), destination=scene.revenue, amount_minor=500)
        )
    )
    assert drawn.taken_minor == (100, 400)
    hold = posted(await scene.ledger.post(OpenHold(org_id=org_id, key="hold", wallet=wallet, amount_minor=600)))
    assert hold.hold_id is not None
    extended = await scene.ledger.post(
        ExtendHold(org_id=org_id, key="longer", hold_id=hold.hold_id, expires_at=scene.clock.now() + timedelta(hours=1))
    )
    assert posted(extended).entry_id is None
    captured = await scene.ledger.post(
        CaptureHold(
            org_id=org_id,
            key="capture",
            hold_id=hold.hold_id,
            credit_account=scene.revenue,
            amount_minor=200,
            release_rest=False,
        )
    )
    change = posted(captured).wallets[0]
    assert (change.available_minor, change.held_minor, change.balance_minor) == (9000, 400, 9400)
    scene.clock.advance(timedelta(hours=1))
    posted(await scene.ledger.post(ExpireHold(org_id=org_id, key="expire", hold_id=hold.hold_id)))
    other = posted(await scene.ledger.post(OpenHold(org_id=org_id, key="hold2", wallet=wallet, amount_minor=1)))
    assert other.hold_id is not None
    posted(await scene.ledger.post(ReleaseHold(org_id=org_id, key="release", hold_id=other.hold_id)))
    accrued = await scene.ledger.post(
        Accrue(
            org_id=org_id,
            key="usage",
            wallet=wallet,
            revenue_account=scene.revenue,
            exact_minor=Decimal("2300.435195666848"),
        )
    )
    assert posted(accrued).wallets[0].carry == Decimal("0.435195666848")
    assert topup.entry_id is not None
    reversed_part = await scene.ledger.post(
        Reversal(org_id=org_id, key="back", original_entry_id=topup.entry_id, amount_minor=1000)
    )
    assert posted(reversed_part).wallets[0].available_minor == 9400 - 2300 - 1000
    balance = await scene.balance()
    assert (balance.available_minor, balance.held_minor, balance.carry, balance.accrued_exact) == (
        6100,
        0,
        Decimal("0.435195666848"),
        Decimal("2300.435195666848"),
    )
    assert await scene.violations() == []

    async def read(conn: AsyncConnection) -> None:
        assert topup.entry_id is not None
        assert hold.hold_id is not None
        entry = await queries.get_entry(conn, org_id, topup.entry_id)
        assert entry is not None
        assert entry.metadata == {"top_up": "tu_1", "a": 'quote " and \\ and ☂'}
        assert (entry.description, entry.effective_at) == ("Überweisung ☂", at)
        view = await queries.get_hold(conn, org_id, hold.hold_id)
        assert view is not None
        assert (view.state, view.captured_minor, view.remaining_minor) == (HoldState.CAPTURED, 200, 0)

    await scene.database.read(read)


async def test_every_operation_again_is_a_duplicate(scene: Scene) -> None:
    org_id, wallet = scene.org_id, scene.wallet
    await scene.fund(1000)
    requests: list[Request] = [
        scene.spend("spend", 10),
        OpenHold(org_id=org_id, key="hold", wallet=wallet, amount_minor=50),
        Accrue(org_id=org_id, key="tiny", wallet=wallet, revenue_account=scene.revenue, exact_minor=Decimal("0.1")),
    ]
    first = [posted(await scene.ledger.post(request)) for request in requests]
    hold_id = first[1].hold_id
    assert hold_id is not None
    requests.append(ExtendHold(org_id=org_id, key="longer", hold_id=hold_id, expires_at=None))
    first.append(posted(await scene.ledger.post(requests[-1])))
    for request, outcome in zip(requests, first, strict=True):
        again = await scene.ledger.post(request)
        assert again == Duplicate(outcome.entry_id, outcome.entry_seq, outcome.hold_id)
    assert await scene.ledger.post(scene.spend("spend", 11)) == ReusedKey()
    assert await scene.ledger.post(scene.topup("tiny", 1)) == ReusedKey()
    assert await scene.violations() == []


async def test_callers_of_one_key_at_once_post_it_once(scene: Scene) -> None:
    await scene.fund(1000)
    outcomes = await asyncio.gather(*(scene.ledger.post(scene.spend("same", 7)) for _ in range(50)))
    kinds = Counter(type(outcome) for outcome in outcomes)
    assert kinds == {Posted: 1, Duplicate: 49}
    entry_ids = {outcome.entry_id for outcome in outcomes if isinstance(outcome, Posted | Duplicate)}
    assert len(entry_ids) == 1
    assert (await scene.balance()).available_minor == 993


async def test_two_contents_of_one_key_at_once(scene: Scene) -> None:
    await scene.fund(1000)
    requests = [scene.spend("same", 1 + number % 2) for number in range(20)]
    kinds = Counter(type(outcome) for outcome in await asyncio.gather(*map(scene.ledger.post, requests)))
    assert kinds == {Posted: 1, Duplicate: 9, ReusedKey: 10}


async def test_no_more_is_spent_than_there_is(scene: Scene) -> None:
    """Two processes and many callers race for the money of one wallet."""
    await scene.fund(100)
    async with Ledger(scene.engine, scene.clock) as other:
        ledgers = [scene.ledger, other]
        outcomes = await asyncio.gather(
            *(ledgers[number % 2].post(scene.spend(f"s{number}", 3)) for number in range(80))
        )
    kinds = Counter(type(outcome) for outcome in outcomes)
    assert kinds == {Posted: 33, InsufficientFunds: 47}
    assert (await scene.balance()).available_minor == 1
    assert await scene.violations() == []


async def test_one_key_in_two_processes(scene: Scene) -> None:
    await scene.fund(1000)
    async with Ledger(scene.engine, scene.clock) as other:
        for number in range(20):
            request = scene.spend(f"k{number}", 1)
            pair = await asyncio.gather(scene.ledger.post(request), other.post(request))
            assert {type(outcome) for outcome in pair} == {Posted, Duplicate}
    assert (await scene.balance()).available_minor == 980


async def test_many_organizations_in_many_lanes(scene: Scene) -> None:
    org_ids = [new_id(scene.clock.now()) for _ in range(6)]
    wallets = {org_id: await scene.open_wallet(org_id) for org_id in org_ids}

    def topup(org_id: UUID, number: int) -> Transfer:
        return Transfer(
            org_id=org_id,
            key=f"t{number}",
            debit_account=chart_account_id(org_id, "USD", AccountKind.PROVIDER_CLEARING),
            credit_account=wallets[org_id],
            amount_minor=1,
        )

    async with Ledger(scene.engine, scene.clock, lane_of=lambda org_id: org_id.int % 3, batch_max=7) as lanes:
        outcomes = await asyncio.gather(
            *(lanes.post(topup(org_id, number)) for number in range(50) for org_id in org_ids)
        )
    by_org: dict[UUID, list[int]] = {}
    for org_id, outcome in zip([o for _ in range(50) for o in org_ids], outcomes, strict=True):
        entry_seq = posted(outcome).entry_seq
        assert entry_seq is not None
        by_org.setdefault(org_id, []).append(entry_seq)
    assert all(sorted(numbers) == list(range(1, 51)) for numbers in by_org.values())
    assert await scene.violations() == []


async def test_nothing_of_another_organization_is_seen(scene: Scene) -> None:
    await scene.fund(100)
    hold = posted(await scene.ledger.post(OpenHold(org_id=scene.org_id, key="h", wallet=scene.wallet, amount_minor=9)))
    assert hold.hold_id is not None
    assert hold.entry_id is not None
    stranger = new_id(scene.clock.now())
    await scene.open_wallet(stranger)
    revenue = chart_account_id(stranger, "USD", AccountKind.REVENUE)
    attempts: list[tuple[Request, Outcome]] = [
        (
            Transfer(org_id=stranger, key="1", debit_account=scene.wallet, credit_account=revenue, amount_minor=1),
            UnknownAccount(scene.wallet),
        ),
        (ReleaseHold(org_id=stranger, key="2", hold_id=hold.hold_id), UnknownHold(hold.hold_id)),
        (Reversal(org_id=stranger, key="3", original_entry_id=hold.entry_id), UnknownEntry(hold.entry_id)),
    ]
    for request, expected in attempts:
        assert await scene.ledger.post(request) == expected

    async def read(conn: AsyncConnection) -> None:
        assert hold.hold_id is not None
        assert hold.entry_id is not None
        assert await queries.balance(conn, stranger, scene.wallet) is None
        assert await queries.get_entry(conn, stranger, hold.entry_id) is None
        assert await queries.get_hold(conn, stranger, hold.hold_id) is None
        assert await queries.list_entries(conn, stranger) == []

    await scene.database.read(read)


async def test_an_organization_without_a_book(scene: Scene) -> None:
    nobody = new_id(scene.clock.now())
    request = Transfer(
        org_id=nobody, key="k", debit_account=scene.clearing, credit_account=scene.wallet, amount_minor=1
    )
    assert await scene.ledger.post(request) == UnknownAccount(scene.clearing)


async def test_a_step_commits_and_rolls_back_with_its_caller(scene: Scene) -> None:
    async def work(conn: AsyncConnection) -> list[Outcome]:
        return await scene.ledger.post_in(conn, [scene.topup("a", 10), scene.spend("b", 4), scene.spend("b", 4)])

    async def fails(conn: AsyncConnection) -> None:
        await scene.ledger.post_in(conn, [scene.topup("c", 10)])
        raise ValueError("after posting")

    with pytest.raises(ValueError, match="after posting"):
        await scene.database.transact(fails)
    assert (await scene.balance()).available_minor == 0
    kinds = [type(outcome) for outcome in await scene.database.transact(work)]
    assert kinds == [Posted, Posted, Duplicate]
    assert (await scene.balance()).available_minor == 6
    assert await scene.database.transact(lambda conn: scene.ledger.post_in(conn, [])) == []
    assert await scene.violations() == []


async def test_a_step_sees_what_its_transaction_opened(scene: Scene) -> None:
    """An account opened and posted to in one transaction that rolls back is not remembered."""
    wallet_id = new_id(scene.clock.now())
    org_id = new_id(scene.clock.now())

    def topup() -> Transfer:
        clearing = chart_account_id(org_id, "EUR", AccountKind.PROVIDER_CLEARING)
        return Transfer(org_id=org_id, key="k", debit_account=clearing, credit_account=wallet_id, amount_minor=5)

    async def work(conn: AsyncConnection) -> None:
        await chart.open_account(conn, org_id, "EUR", now=scene.clock.now(), wallet_id=wallet_id)
        posted((await scene.ledger.post_in(conn, [topup()]))[0])
        raise ValueError("rolled back")

    with pytest.raises(ValueError, match="rolled back"):
        await scene.database.transact(work)
    assert await scene.ledger.post(topup()) == UnknownAccount(topup().debit_account)


async def test_steps_and_batches_race_without_losing_money(scene: Scene) -> None:
    await scene.fund(500)

    async def step(number: int) -> Outcome:
        async def work(conn: AsyncConnection) -> Outcome:
            return (await scene.ledger.post_in(conn, [scene.spend(f"step{number}", 3)]))[0]

        return await scene.database.transact(work)

    outcomes = await asyncio.gather(
        *(step(number) for number in range(40)),
        *(scene.ledger.post(scene.spend(f"batch{number}", 5)) for number in range(80)),
    )
    spent = sum(outcome.amount_minor for outcome in outcomes if isinstance(outcome, Posted))
    assert spent > 490
    assert (await scene.balance()).available_minor == 500 - spent
    assert await scene.violations() == []


async def test_a_closed_wallet(scene: Scene) -> None:
    await scene.fund(1)

    async def close(conn: AsyncConnection) -> object:
        return await chart.close_account(conn, scene.org_id, scene.wallet, now=scene.clock.now())

    assert await scene.database.transact(close) == chart.NotEmpty(1, 0)
    posted(await scene.ledger.post(scene.spend("all", 1)))
    assert await scene.database.transact(close) == chart.Closed()
    assert await scene.database.transact(close) == chart.Closed()
    assert await scene.ledger.post(scene.topup("more", 1)) == ClosedAccount(scene.wallet)
    assert isinstance(await scene.ledger.post(scene.spend("all", 1)), Duplicate)


async def test_a_caller_that_gives_up_does_not_undo_the_post(scene: Scene) -> None:
    await scene.fund(10)
    task = asyncio.create_task(scene.ledger.post(scene.spend("k", 4)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # The two may meet in either order while both are at work, and only one of them is posted.
    assert isinstance(await scene.ledger.post(scene.spend("k", 4)), Posted | Duplicate)
    assert isinstance(await scene.ledger.post(scene.spend("k", 4)), Duplicate)
    assert (await scene.balance()).available_minor == 6


async def test_the_queue_is_bounded(scene: Scene) -> None:
    async with Ledger(scene.engine, scene.clock, queue_max=5) as small:
        requests = [scene.topup(f"t{number}", 1) for number in range(8)]
        results = await asyncio.gather(*map(small.post, requests), return_exceptions=True)
    kinds = Counter(type(result) for result in results)
    assert kinds == {Posted: 5, QueueFull: 3}


async def test_closing_posts_what_is_queued(scene: Scene) -> None:
    ledger = Ledger(scene.engine, scene.clock)
    waiting = [asyncio.create_task(ledger.post(scene.topup(f"t{number}", 1))) for number in range(30)]
    await asyncio.sleep(0)
    await ledger.close()
    assert {type(await task) for task in waiting} == {Posted}
    with pytest.raises(LedgerClosed):
        await ledger.post(scene.topup("late", 1))


async def test_an_invalid_request_never_reaches_the_queue(scene: Scene) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await scene.ledger.post(scene.topup("k", 0))
    assert caught.value.field == "amount_minor"


async def test_a_step_leaves_the_planner_of_its_caller_as_it_was(scene: Scene) -> None:
    await scene.fund(1)

    async def work(conn: AsyncConnection) -> None:
        await scene.ledger.post_in(conn, [scene.spend("k", 1)])
        settings = await conn.execute(text("SELECT current_setting('enable_seqscan')"))
        assert settings.scalar_one() == "on"

    await scene.database.transact(work)


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        (
            store.READ,
            {
                "ledger_books": "org_id",
                "ledger_wallets": "account_id",
                "ledger_keys": "key_hash",
                "ledger_entries": "entry_seq",
            },
        ),
        (
            store.READ_ORIGINALS,
            {"ledger_entries": "entry_id", "ledger_postings": "entry_seq", "ledger_reversals": "entry_id"},
        ),
    ],
)
async def test_lookups_walk_their_indexes_even_if_planned_on_empty_tables(
    database_url: str, query: str, columns: dict[str, str]
) -> None:
    """The plan of a lane's connection is kept while the tables grow: every lookup must be by the whole key."""
    engine = engine_for(database_url, pool_size=1)
    async with engine.connect() as conn:
        raw = await driver_connection(conn)
        await raw.execute("SET plan_cache_mode = force_generic_plan;" + _switched_off())
        await raw.execute(f"PREPARE lookup AS {query}")
        arguments = ", ".join(["'{}'"] * len(set(re.findall(r"\$[0-9]", query))))
        plan: Any = await raw.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE lookup ({arguments})")
    await engine.dispose()
    conditions = {
        node["Relation Name"]: node["Index Cond"] for node in nodes(plan[0]["Plan"]) if "Relation Name" in node
    }
    assert set(conditions) == set(columns)
    for table, column in columns.items():
        assert column in conditions[table]
        assert "org_id" in conditions[table]


def _switched_off() -> str:
    return "".join(f"SET {name} = off;" for name in store.PLANNER_SETTINGS)
