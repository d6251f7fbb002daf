"""What can go wrong under a batch: poison, lost connections, deadlocks, locks, a database that is away."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ledger import lane
from ledger.batcher import Ledger
from ledger.errors import LedgerUnavailable, OutcomeUnknown, PostFailed
from ledger.model import Duplicate, InsufficientFunds, Outcome, Posted, Request, Reversal
from tests.ledger.conftest import Scene, posted
from wallet_service.db import engine_for


async def poison(owner: AsyncEngine) -> None:
    """From now on the database refuses an entry with a certain description."""
    async with owner.begin() as conn:
        await conn.execute(text("ALTER TABLE ledger_entries ADD CONSTRAINT poison CHECK (description <> 'poison')"))


def take_back(scene: Scene, key: str, funded: Posted) -> Reversal:
    """One minor unit of a top-up: a batch with it takes several reads, so it is decided under the lock."""
    assert funded.entry_id is not None
    return Reversal(org_id=scene.org_id, key=key, original_entry_id=funded.entry_id, amount_minor=1)


async def test_a_poisonous_request_fails_alone(scene: Scene, owner: AsyncEngine) -> None:
    await poison(owner)
    await scene.fund(1000)
    requests = [scene.spend(f"k{number}", 1, "poison" if number in (13, 14, 40) else "") for number in range(60)]
    results = await asyncio.gather(*map(scene.ledger.post, requests), return_exceptions=True)
    failed = [number for number, result in enumerate(results) if isinstance(result, PostFailed)]
    assert failed == [13, 14, 40]
    assert all(isinstance(result, Posted) for number, result in enumerate(results) if number not in failed)
    error = results[13]
    assert isinstance(error, PostFailed)
    assert isinstance(error.__cause__, asyncpg.CheckViolationError)
    assert (await scene.balance()).available_minor == 1000 - 57
    posted(await scene.ledger.post(scene.spend("k13", 1, "wholesome")))
    assert await scene.violations() == []


class Sabotage:
    """Runs `act` before an execution of a statement that starts with `prefix`, on any driver connection, `times` times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, prefix: str, act: Callable[[Any], Any], times: int) -> None:
        self.left = times
        for name in ("execute", "fetch"):
            monkeypatch.setattr(asyncpg.Connection, name, self._around(name, prefix, act))

    def _around(self, name: str, prefix: str, act: Callable[[Any], Any]) -> Any:
        original = getattr(asyncpg.Connection, name)

        async def run(conn: Any, query: str, *args: Any, **options: Any) -> Any:
            if self.left and query.strip().startswith(prefix):
                self.left -= 1
                await act(conn)
            return await original(conn, query, *args, **options)

        return run


READ, WRITE, BEGIN, COMMIT = "SELECT 0, b.org_id", "WITH locked", "BEGIN; EXECUTE", "COMMIT"


async def fail_to_serialize(conn: Any) -> None:
    raise asyncpg.SerializationError("could not serialize access")


async def internal_error(conn: Any) -> None:
    raise asyncpg.InternalServerError("a node is away")


async def cut(conn: Any) -> None:
    conn.terminate()


@pytest.mark.parametrize("act", [fail_to_serialize, internal_error, cut])
@pytest.mark.parametrize("statement", [READ, WRITE, BEGIN])
async def test_trouble_is_tried_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, act: Callable[[Any], Any], statement: str
) -> None:
    """Whatever the statement, unless the commit itself was under way when the connection was lost."""
    funded = await scene.fund(100)
    sabotage = Sabotage(monkeypatch, statement, act, times=2)
    requests: list[Request] = [scene.spend("k", 1), take_back(scene, "u", funded)]
    results = await asyncio.gather(*map(scene.ledger.post, requests), return_exceptions=True)
    assert sabotage.left == 0
    for request, result in zip(requests, results, strict=True):
        if isinstance(result, OutcomeUnknown):
            assert (act, statement) == (cut, WRITE)
            result = await scene.ledger.post(request)
        assert isinstance(result, Posted)
    assert (await scene.balance()).available_minor == 98
    assert await scene.violations() == []


async def test_trouble_without_end_is_given_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.fund(100)
    monkeypatch.setattr(lane, "ATTEMPTS_MAX", 3)
    Sabotage(monkeypatch, WRITE, fail_to_serialize, times=3)
    with pytest.raises(LedgerUnavailable):
        await scene.ledger.post(scene.spend("k", 1))
    posted(await scene.ledger.post(scene.spend("k", 1)))


@pytest.mark.parametrize("statement", [WRITE, COMMIT])
async def test_a_connection_lost_while_committing_leaves_the_outcome_unknown(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """Plain batches commit with their one statement, those with reversals by COMMIT."""
    funded = await scene.fund(100)
    Sabotage(monkeypatch, statement, cut, times=1)
    requests = [
        scene.spend(f"k{number}", 1) if statement == WRITE else take_back(scene, f"k{number}", funded)
        for number in range(5)
    ]
    results = await asyncio.gather(*map(scene.ledger.post, requests), return_exceptions=True)
    assert {type(result) for result in results} == {OutcomeUnknown}
    again = [await scene.ledger.post(request) for request in requests]
    assert {type(outcome) for outcome in again} <= {Posted, Duplicate}
    assert (await scene.balance()).available_minor == 95
    assert await scene.violations() == []


@pytest.mark.parametrize("statement", [WRITE, COMMIT])
async def test_a_commit_that_was_done_before_the_connection_was_lost(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """The caller who asks again with the key learns that it was posted."""
    funded = await scene.fund(100)
    request = scene.spend("k", 1) if statement == WRITE else take_back(scene, "k", funded)
    original = asyncpg.Connection.execute
    left = 1

    async def execute(conn: Any, query: str, *args: Any, **options: Any) -> str:
        nonlocal left
        status = await original(conn, query, *args, **options)
        if query.strip().startswith(statement) and left:
            left -= 1
            conn.terminate()
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        return status

    monkeypatch.setattr(asyncpg.Connection, "execute", execute)
    with pytest.raises(OutcomeUnknown):
        await scene.ledger.post(request)
    assert isinstance(await scene.ledger.post(request), Duplicate)
    assert (await scene.balance()).available_minor == 99


async def test_a_batch_decided_on_what_did_not_come_about_is_decided_again(scene: Scene, owner: AsyncEngine) -> None:
    """While a batch is written, the next is decided on what it leaves; when it fails, or another process is faster, the next
    one answers by what is there."""
    await poison(owner)
    await scene.fund(1000)
    async with Ledger(scene.engine, scene.clock) as other:
        requests = [scene.spend(f"k{number}", 7, "poison" if number % 29 == 0 else "") for number in range(400)]
        results = await asyncio.gather(
            *((scene.ledger, other)[number % 3 == 0].post(request) for number, request in enumerate(requests)),
            return_exceptions=True,
        )
    spent = sum(7 for result in results if isinstance(result, Posted))
    refused = [result for result in results if isinstance(result, InsufficientFunds)]
    assert spent == 994
    assert {result.available_minor for result in refused} <= set(range(7))
    assert all(isinstance(results[number], PostFailed | InsufficientFunds) for number in range(0, 400, 29))
    assert (await scene.balance()).available_minor == 6
    assert await scene.violations() == []


async def test_backends_killed_under_load_lose_nothing_acknowledged(scene: Scene, owner: AsyncEngine) -> None:
    """Every answer `Posted` is in the journal, and every key once, while the lane's backend is killed again and again."""
    await scene.fund(1_000_000)
    acknowledged: set[str] = set()
    unknown: set[str] = set()
    running = True

    async def caller(name: int) -> None:
        number = 0
        while running:
            number += 1
            key = f"c{name}-{number}"
            try:
                outcome: Outcome = await scene.ledger.post(scene.spend(key, 1))
            except (OutcomeUnknown, LedgerUnavailable):
                unknown.add(key)
            else:
                assert isinstance(outcome, Posted)
                acknowledged.add(key)

    async def killer() -> None:
        nonlocal running
        for _ in range(15):
            await asyncio.sleep(0.05)
            async with owner.begin() as conn:
                await conn.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'wallet' AND pid <> pg_backend_pid() AND datname = current_database()"
                    )
                )
        running = False

    await asyncio.gather(killer(), *(caller(name) for name in range(16)))
    assert len(acknowledged) >= 16
    for key in acknowledged:
        assert isinstance(await scene.ledger.post(scene.spend(key, 1)), Duplicate)
    for key in unknown:
        assert isinstance(await scene.ledger.post(scene.spend(key, 1)), Posted | Duplicate)
    assert (await scene.balance()).available_minor == 1_000_000 - len(acknowledged | unknown)
    assert await scene.violations() == []


async def test_a_connection_that_was_closed_while_nobody_used_it(scene: Scene, owner: AsyncEngine) -> None:
    """Nothing was sent, so nothing is unknown."""
    await scene.fund(100)
    for number in range(2):
        posted(await scene.ledger.post(scene.spend(f"before {number}", 1)))
    async with owner.begin() as conn:
        await conn.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'wallet' AND pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    await asyncio.sleep(0.1)
    for number in range(2):
        posted(await scene.ledger.post(scene.spend(f"after {number}", 1)))


async def test_a_book_that_somebody_holds_is_waited_for(scene: Scene) -> None:
    await scene.fund(100)
    locked, release = asyncio.Event(), asyncio.Event()

    async def hold(conn: AsyncConnection) -> None:
        posted((await scene.ledger.post_in(conn, [scene.spend("step", 60)]))[0])
        locked.set()
        await release.wait()

    holder = asyncio.create_task(scene.database.transact(hold))
    await locked.wait()
    waiting = asyncio.create_task(scene.ledger.post(scene.spend("batch", 60)))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    release.set()
    await holder
    assert not isinstance(await waiting, Posted)
    assert (await scene.balance()).available_minor == 40


async def test_a_database_that_is_away(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "ATTEMPTS_MAX", 2)
    engine = engine_for("postgresql://nobody@/nothing?host=/nonexistent", pool_size=1)
    async with Ledger(engine, scene.clock) as away:
        with pytest.raises(LedgerUnavailable):
            await away.post(scene.topup("k", 1))
    await engine.dispose()
