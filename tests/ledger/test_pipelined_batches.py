"""What a batch may know of the one before it: never more than that one leaves, and never less than it was decided on."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import lane, store
from ledger.accounts import AccountKind, chart_account_id
from ledger.batcher import Ledger
from ledger.errors import OutcomeUnknown
from ledger.model import InsufficientFunds, Outcome, Posted, Reversal, Transfer
from tests.ledger.conftest import Scene, posted

READ, WRITE = "SELECT 0, b.org_id", "WITH locked"


class Holder:
    """Another connection that has spent from a wallet and has not committed yet, so that it holds the book."""

    def __init__(self, scene: Scene, request: Transfer, *, commits: bool) -> None:
        self._scene, self._request, self._commits = scene, request, commits
        self._locked, self._release = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def lock(self) -> None:
        self._task = asyncio.create_task(self._run())
        await self._locked.wait()

    async def release(self) -> None:
        self._release.set()
        assert self._task is not None
        await self._task

    async def _run(self) -> None:
        try:
            await self._scene.database.transact(self._hold)
        except _RolledBack:
            assert not self._commits

    async def _hold(self, conn: AsyncConnection) -> None:
        posted((await self._scene.ledger.post_in(conn, [self._request]))[0])
        self._locked.set()
        await self._release.wait()
        if not self._commits:
            raise _RolledBack


class _RolledBack(Exception):
    pass


class Watched:
    """Counts the writes that are under way, and holds back the answer of one read when asked to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writing: list[Any] = []
        self.written = asyncio.Semaphore(0)
        self.holds_read = False
        self.has_read, self.may_go_on = asyncio.Event(), asyncio.Event()
        fetch, execute = asyncpg.Connection.fetch, asyncpg.Connection.execute

        async def watched_fetch(conn: Any, query: str, *args: Any, **options: Any) -> Any:
            held = self.holds_read and query.strip().startswith(READ)
            if held:
                self.holds_read = False
            rows = await fetch(conn, query, *args, **options)
            if held:
                self.has_read.set()
                await self.may_go_on.wait()
            return rows

        async def watched_execute(conn: Any, query: str, *args: Any, **options: Any) -> str:
            if query.strip().startswith(WRITE):
                self.writing.append(conn)
                self.written.release()
            return await execute(conn, query, *args, **options)

        monkeypatch.setattr(asyncpg.Connection, "fetch", watched_fetch)
        monkeypatch.setattr(asyncpg.Connection, "execute", watched_execute)


def spend(scene: Scene, wallet: UUID, key: str, amount_minor: int) -> Transfer:
    return Transfer(
        org_id=scene.org_id,
        key=key,
        debit_account=wallet,
        credit_account=scene.revenue,
        amount_minor=amount_minor,
    )


async def test_a_batch_that_is_decided_again_is_no_ground_for_what_was_read_before_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another connection changes a second wallet; the first batch is decided again on that, the second one has read before
    it."""
    second = await scene.open_wallet()

    async def fund_second(conn: AsyncConnection) -> None:
        posted((await scene.ledger.post_in(conn, [scene.topup("fund second", 1000, second)]))[0])

    # Not through the lane, which would remember the wallet and have no need to read it.
    await scene.database.transact(fund_second)
    await scene.fund(1000)
    holder = Holder(scene, spend(scene, second, "elsewhere", 400), commits=True)
    await holder.lock()
    watched = Watched(monkeypatch)
    first = asyncio.create_task(scene.ledger.post(scene.spend("first", 1)))
    await watched.written.acquire()
    watched.holds_read = True
    later = asyncio.create_task(scene.ledger.post(spend(scene, second, "later", 10)))
    await watched.has_read.wait()
    await holder.release()
    posted(await first)
    watched.may_go_on.set()
    outcome = posted(await later)
    assert outcome.wallets[0].available_minor == 590
    assert (await scene.balance(second)).available_minor == 590
    assert await scene.violations() == []


async def test_batches_of_unknown_outcome_are_no_ground_for_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both connections are lost while the server waits for the book, and the server commits both batches all the same."""
    second = await scene.open_wallet()
    await scene.fund(1000)
    posted(await scene.ledger.post(scene.topup("fund second", 1000, second)))
    holder = Holder(scene, scene.topup("undone", 1), commits=False)
    await holder.lock()
    watched = Watched(monkeypatch)
    lost: list[asyncio.Task[Outcome]] = []
    for wallet in (second, scene.wallet):
        lost.append(asyncio.create_task(scene.ledger.post(spend(scene, wallet, f"lost {wallet}", 100))))
        await watched.written.acquire()
        await asyncio.sleep(0.1)
    for conn in watched.writing:
        conn.terminate()
    results = await asyncio.gather(*lost, return_exceptions=True)
    assert {type(result) for result in results} == {OutcomeUnknown}
    later = asyncio.create_task(scene.ledger.post(spend(scene, second, "later", 10)))
    await watched.written.acquire()
    await asyncio.sleep(0.1)
    await holder.release()
    posted(await later)
    assert (await scene.balance(second)).available_minor == 890
    assert (await scene.balance()).available_minor == 900
    assert await scene.violations() == []


async def test_a_key_of_a_batch_that_did_not_come_about_is_no_used_key(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else spends the money of the first batch. The second one, which repeats its key, reads after that and could
    be written before the first is decided again."""
    second = await scene.open_wallet()
    await scene.fund(100)
    posted(await scene.ledger.post(scene.spend("revenue is known from now on", 1)))
    holder = Holder(scene, scene.spend("elsewhere", 50), commits=True)
    await holder.lock()
    again, may_lock, reads = asyncio.Event(), asyncio.Event(), asyncio.Event()
    fetch, execute = asyncpg.Connection.fetch, asyncpg.Connection.execute

    async def late_fetch(conn: Any, query: str, *args: Any, **options: Any) -> Any:
        if query.strip().startswith(READ):
            reads.set()
            await again.wait()
        return await fetch(conn, query, *args, **options)

    async def late_execute(conn: Any, query: str, *args: Any, **options: Any) -> str:
        if query.startswith("BEGIN; EXECUTE"):
            again.set()
            await may_lock.wait()
        return await execute(conn, query, *args, **options)

    monkeypatch.setattr(asyncpg.Connection, "fetch", late_fetch)
    monkeypatch.setattr(asyncpg.Connection, "execute", late_execute)
    first = asyncio.create_task(scene.ledger.post(scene.spend("key", 90)))
    await asyncio.sleep(0)
    # With a wallet that the lane has not seen, so that it reads.
    repeated = asyncio.create_task(scene.ledger.post_many([scene.spend("key", 90), scene.topup("new", 5, second)]))
    await reads.wait()
    await holder.release()
    await asyncio.sleep(0.3)
    may_lock.set()
    assert isinstance(await first, InsufficientFunds)
    refused, outcome = await repeated
    assert isinstance(refused, InsufficientFunds)
    assert isinstance(outcome, Posted)
    assert await scene.violations() == []


async def test_a_batch_that_is_tried_again_does_not_overtake(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It failed at once, and the batch before is still on its way: what that one credits is there to be spent."""
    await scene.fund(1)
    posted(await scene.ledger.post(scene.spend("revenue is known from now on", 1)))
    execute = asyncpg.Connection.execute
    writes = 0
    failed = asyncio.Event()

    async def unlucky(conn: Any, query: str, *args: Any, **options: Any) -> str:
        nonlocal writes
        if query.strip().startswith(WRITE):
            writes += 1
            if writes == 1:
                await failed.wait()
                await asyncio.sleep(0.3)
            elif writes == 2:
                failed.set()
                raise asyncpg.DeadlockDetectedError("deadlock detected")
        return await execute(conn, query, *args, **options)

    monkeypatch.setattr(asyncpg.Connection, "execute", unlucky)
    credit = asyncio.create_task(scene.ledger.post(scene.topup("credit", 50)))
    await asyncio.sleep(0)
    debit = asyncio.create_task(scene.ledger.post(scene.spend("debit", 50)))
    posted(await credit)
    assert posted(await debit).wallets[0].available_minor == 0


async def test_a_full_directory_forgets_without_refusing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that fills the cache of accounts still knows those that were in it."""
    await scene.fund(1000)
    second = await scene.open_wallet()
    monkeypatch.setattr(store, "ACCOUNTS_CACHED_MAX", 2)
    results = await asyncio.gather(
        scene.ledger.post(scene.spend("known", 1)),
        scene.ledger.post(scene.topup("new", 1, second)),
    )
    assert [type(result) for result in results] == [Posted, Posted]


async def test_an_account_of_another_organization_in_the_same_batch_changes_nothing(scene: Scene) -> None:
    """Whoever names an account that is not theirs is refused, and its owner is not."""
    stranger = Transfer(
        org_id=UUID(int=scene.org_id.int ^ 1),
        key="stranger",
        debit_account=scene.wallet,
        credit_account=scene.revenue,
        amount_minor=1,
    )
    async with Ledger(scene.engine, scene.clock) as fresh:
        mine, theirs = await asyncio.gather(fresh.post(scene.topup("mine", 5)), fresh.post(stranger))
    assert isinstance(mine, Posted), mine
    assert not isinstance(theirs, Posted)


async def test_a_wallet_that_a_batch_only_looked_at_is_read_anew(scene: Scene) -> None:
    """A refusal leaves its organization's book as it was, so no mark tells that the wallet has changed since."""
    other_org = UUID(int=scene.org_id.int ^ 1)
    other_wallet = await scene.open_wallet(other_org)

    def move(key: str, amount_minor: int, *, pays: bool) -> Transfer:
        clearing = chart_account_id(other_org, "USD", AccountKind.PROVIDER_CLEARING)
        debit, credit = (other_wallet, clearing) if pays else (clearing, other_wallet)
        return Transfer(
            org_id=other_org, key=key, debit_account=debit, credit_account=credit, amount_minor=amount_minor
        )

    async def credit(conn: AsyncConnection) -> None:
        posted((await scene.ledger.post_in(conn, [move("credit", 500, pays=False)]))[0])

    _, refused = await asyncio.gather(
        scene.ledger.post(scene.topup("first", 1)), scene.ledger.post(move("too early", 100, pays=True))
    )
    assert isinstance(refused, InsufficientFunds)
    await scene.database.transact(credit)
    _, outcome = await asyncio.gather(
        scene.ledger.post(scene.topup("second", 1)), scene.ledger.post(move("more", 7, pays=False))
    )
    assert posted(outcome).wallets[0].available_minor == 507
    assert await scene.violations() == []


@pytest.mark.parametrize(("method", "statement"), [("fetch", READ), ("execute", "BEGIN; EXECUTE")])
async def test_a_connection_that_falls_silent_holds_up_nobody(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, method: str, statement: str
) -> None:
    funded = await scene.fund(100)
    original = getattr(asyncpg.Connection, method)
    silent: list[Any] = []

    async def run(conn: Any, query: str, *args: Any, **options: Any) -> Any:
        if not silent and query.strip().startswith(statement):
            silent.append(conn)
            await asyncio.Event().wait()
        return await original(conn, query, *args, **options)

    monkeypatch.setattr(asyncpg.Connection, method, run)
    monkeypatch.setattr(lane, "ANSWER_SECONDS_MAX", 0.5)
    assert funded.entry_id is not None
    reversal = Reversal(org_id=scene.org_id, key="back", original_entry_id=funded.entry_id, amount_minor=1)
    async with asyncio.timeout(20):
        posted(await scene.ledger.post(reversal))
    assert silent
    assert (await scene.balance()).available_minor == 99
