"""Spending limits: what they refuse, what they let pass, and the marks of those that are reached."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.operations.journal_scene import REVENUE_CODE, WALLET_CODE, JournalScene, credit, debit, journal_scene
from tests.operations.payments_lab import payments_lab
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.limits.authorization import SpendAuthorization
from wallet_service.limits.marks import LimitMarks
from wallet_service.limits.model import Duration, LimitStatus, Strategy
from wallet_service.limits.operations import SpendingLimits
from wallet_service.watching.operations import BalanceWatch

DAILY, WEEKLY, MONTHLY = Duration
FIXED, SLIDING = Strategy
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Scene:
    """A wallet with 1,000,000 minor units at noon of 1 March 2026, a Sunday."""

    journal: JournalScene
    limits: SpendingLimits
    marks: LimitMarks
    watch: BalanceWatch

    @property
    def org_id(self) -> Any:
        return self.journal.org_id

    @property
    def clock(self) -> ManualClock:
        return self.journal.clock

    def to(self, at: datetime) -> None:
        self.clock.advance(at - self.clock.now())

    async def set(
        self, amount: int, duration: Duration = DAILY, strategy: Strategy = FIXED, **more: Any
    ) -> LimitStatus:
        return await self.limits.set(self.org_id, amount_minor=amount, duration=duration, strategy=strategy, **more)

    async def status(self) -> LimitStatus:
        found = await self.limits.get(self.org_id)
        assert found is not None
        return found

    async def spend(self, amount: int, key: str) -> Any:
        legs = [debit(WALLET_CODE, amount), credit(REVENUE_CODE, amount)]
        return await self.journal.journal.record(self.org_id, legs=legs, description="", key=key)

    async def refused(self, work: Any, reason: Reason = Reason.SPENDING_LIMIT_EXCEEDED) -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            await work
        assert caught.value.reason is reason
        return caught.value

    async def events(self) -> list[str]:
        """Types of events about the limit, in order; the watcher looks first."""
        await self.watch.run_due(self.org_id)
        rows = await self.journal.rows("SELECT type FROM events WHERE type LIKE 'spending_limit.%' ORDER BY seq")
        return [row.type.removeprefix("spending_limit.") for row in rows]

    async def suspend(self, state: str, reason: str | None) -> None:
        async def work(conn: AsyncConnection) -> None:
            statement = "UPDATE billing_accounts SET state = :state, suspended_reason = :reason WHERE org_id = :org"
            await conn.execute(text(statement), {"state": state, "reason": reason, "org": self.org_id})

        await self.journal.db.transact(work)


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[Scene]:
    async with journal_scene(db, clock) as journal:
        await journal.deposit(1_000_000)
        marks = LimitMarks(db, clock)

        def no_other_time(org_id: Any) -> Any:
            return _now()

        watch = BalanceWatch(db, clock, [marks], time_of=no_other_time)
        yield Scene(journal, SpendingLimits(db, clock), marks, watch)


class _now:
    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


async def test_a_limit_is_set_changed_read_and_removed(scene: Scene) -> None:
    assert await scene.limits.get(scene.org_id) is None
    await scene.refused(scene.set(99), Reason.AMOUNT_TOO_SMALL)
    made = await scene.set(100)
    assert (made.limit.amount_minor, made.spent_minor, made.held_minor, made.remaining_minor) == (100, 0, 0, 100)
    assert made == await scene.set(100)
    changed = await scene.set(500, WEEKLY, SLIDING)
    assert await scene.status() == changed
    assert changed.window.end - changed.window.start == timedelta(days=7)
    await scene.limits.delete(scene.org_id)
    await scene.limits.delete(scene.org_id)
    assert await scene.limits.get(scene.org_id) is None
    assert await scene.events() == ["set", "set", "deleted"]


async def test_holds_captures_and_debits_share_the_limit(scene: Scene) -> None:
    await scene.set(1000)
    hold_id = await scene.journal.hold(600, "h1")
    await scene.spend(300, "d1")
    await scene.refused(scene.spend(101, "d2"))
    error = await scene.refused(scene.journal.hold(101, "h2"))
    assert error.code is Code.FAILED_PRECONDITION
    assert (
        error.retry_after
        == scene.clock.now().replace(hour=0, minute=0, second=0) + timedelta(days=1) - scene.clock.now()
    )
    assert error.metadata == {
        "limit_minor": "1000",
        "spent_minor": "300",
        "held_minor": "600",
        "remaining_minor": "100",
        "required_minor": "101",
        "currency": "USD",
        "duration": "daily",
        "strategy": "fixed",
        "window_start": "2026-03-01T00:00:00+00:00",
        "window_end": "2026-03-02T00:00:00+00:00",
    }
    await capture(scene, hold_id, 600, "c1")
    status = await scene.status()
    assert (status.spent_minor, status.held_minor, status.remaining_minor) == (900, 0, 100)
    await scene.spend(100, "d3")
    await scene.refused(scene.spend(1, "d4"))
    assert await scene.journal.amounts() == (999_000, 0)


async def test_usage_counts_and_may_make_a_capture_too_much(scene: Scene) -> None:
    await scene.set(1000)
    hold_id = await scene.journal.hold(800, "h")
    await scene.journal.use("300.5", "u")
    error = await scene.refused(capture(scene, hold_id, 0, "c"))
    assert (error.metadata["spent_minor"], error.metadata["required_minor"]) == ("300", "800")
    await capture(scene, hold_id, 700, "c")
    assert (await scene.status()).spent_minor == 1000


async def test_what_was_granted_is_answered_again_and_what_was_refused_may_be_asked_again(scene: Scene) -> None:
    await scene.set(1000)
    first = await scene.journal.hold(600, "h1")
    entry = await scene.spend(400, "d1")
    captured = await capture(scene, first, 600, "c1")
    assert await scene.journal.hold(600, "h1") == first
    assert await scene.spend(400, "d1") == entry
    assert await capture(scene, first, 600, "c1") == captured
    await scene.refused(scene.spend(400, "d2"))
    await scene.suspend("suspended", "manual")
    assert await scene.journal.hold(600, "h1") == first
    await scene.suspend("active", None)
    await scene.set(2000)
    await scene.spend(400, "d2")


async def test_a_key_with_other_content_is_still_refused_as_reused(scene: Scene) -> None:
    await scene.set(1000)
    await scene.journal.hold(600, "h1")
    await scene.refused(scene.journal.hold(900, "h1"), Reason.IDEMPOTENCY_KEY_REUSED)


async def test_what_the_ledger_refuses_keeps_its_reason(scene: Scene) -> None:
    await scene.set(10_000_000)
    await scene.refused(scene.journal.hold(2_000_000, "h1"), Reason.INSUFFICIENT_FUNDS)
    hold_id = await scene.journal.hold(100, "h2")
    await scene.refused(capture(scene, hold_id, 101, "c1"), Reason.EXCEEDS_REMAINING)
    await scene.journal.holds.release(scene.org_id, hold_id, key="r")
    await scene.refused(capture(scene, hold_id, 100, "c2"), Reason.HOLD_NOT_OPEN)


@pytest.mark.parametrize("kind", ["hold", "debit", "mixed"])
async def test_a_hundred_racers_never_exceed_the_limit(scene: Scene, db: Database, kind: str) -> None:
    await scene.set(1000)

    async def race(number: int) -> int:
        amount = 1 + number % 70
        try:
            if kind == "debit" or (kind == "mixed" and number % 2):
                await scene.spend(amount, f"d{number}")
            else:
                await scene.journal.hold(amount, f"h{number}")
        except ServiceError as error:
            if error.reason is Reason.OVERLOADED:
                return await race(number)
            if error.reason is not Reason.SPENDING_LIMIT_EXCEEDED:
                raise
            return 0
        return amount

    granted = await asyncio.gather(*(race(number) for number in range(100)))
    status = await scene.status()
    assert status.spent_minor + status.held_minor == sum(granted) <= 1000
    assert status.remaining_minor < 70


async def test_captures_race_as_well(scene: Scene) -> None:
    holds = [await scene.journal.hold(100, f"h{number}") for number in range(20)]
    await scene.set(500)
    results = await asyncio.gather(
        *(capture(scene, hold_id, 100, f"c{number}") for number, hold_id in enumerate(holds)), return_exceptions=True
    )
    assert sum(not isinstance(result, ServiceError) for result in results) == 5
    assert (await scene.status()).spent_minor == 500


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("suspended", "low_balance", Reason.BILLING_ACCOUNT_SUSPENDED),
        ("closed", None, Reason.BILLING_ACCOUNT_CLOSED),
    ],
)
async def test_an_account_that_is_not_active_spends_no_more(
    scene: Scene, state: str, reason: str | None, expected: Reason
) -> None:
    held = await scene.journal.hold(100, "before")
    await scene.suspend(state, reason)
    error = await scene.refused(scene.journal.hold(1, "h"), expected)
    assert error.metadata == ({} if reason is None else {"suspended_reason": reason})
    await scene.refused(scene.spend(1, "d"), expected)
    # What was granted before is settled, and what gives back is no spending.
    await capture(scene, held, 100, "c")
    legs = [debit(REVENUE_CODE, 5), credit(WALLET_CODE, 5)]
    await scene.journal.journal.record(scene.org_id, legs=legs, description="", key="back")


async def test_a_fixed_limit_is_new_in_each_window_and_a_sliding_one_is_not(scene: Scene) -> None:
    """The worked figures: 100 in the last minute of a window and 100 in the first of the next."""
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    scene.to(midnight - MINUTE)
    await scene.set(100)
    await scene.spend(100, "a")
    await scene.refused(scene.spend(1, "b"))
    scene.to(midnight)
    await scene.spend(100, "c")
    await scene.set(200, DAILY, SLIDING)
    await scene.refused(scene.spend(100, "d"))
    error = await scene.refused(scene.spend(100, "d"))
    assert error.retry_after is not None
    assert timedelta(days=1) - MINUTE <= error.retry_after <= timedelta(days=1) - MINUTE + timedelta(seconds=2)
    scene.clock.advance(error.retry_after)
    await scene.spend(100, "d")
    await scene.refused(scene.spend(1, "e"))


async def test_no_hint_where_time_does_not_help(scene: Scene) -> None:
    await scene.set(100)
    assert (await scene.refused(scene.spend(101, "a"))).retry_after is None
    await scene.journal.hold(60, "h")
    assert (await scene.refused(scene.spend(50, "b"))).retry_after is None


async def test_reached_and_reset_are_told_once_for_each_window(scene: Scene) -> None:
    await scene.set(100)
    await scene.journal.use("99.5", "u1")
    assert await scene.events() == ["set"]
    await scene.journal.use("0.5", "u2")
    assert await scene.events() == ["set", "reached"]
    await scene.journal.use("40", "u3")
    assert await scene.events() == ["set", "reached"]
    assert (await scene.status()).remaining_minor == 0
    due = (await scene.marks.next_due([scene.org_id])).get(scene.org_id)
    assert due is not None
    assert due == datetime(2026, 3, 2, tzinfo=UTC)
    assert await scene.marks.run_due(None) == 0
    scene.to(due)
    assert await scene.marks.run_due(None) == 1
    assert await scene.marks.run_due(None) == 0
    assert (await scene.marks.next_due([scene.org_id])).get(scene.org_id) is None
    assert await scene.events() == ["set", "reached", "reset"]
    await scene.journal.use("200", "u4")
    assert await scene.events() == ["set", "reached", "reset", "reached"]


async def test_a_window_that_nobody_watched_is_told_afterwards(scene: Scene) -> None:
    await scene.set(100)
    await scene.journal.use("100", "u1")
    scene.clock.advance(timedelta(days=1))
    await scene.journal.use("150", "u2")
    scene.clock.advance(timedelta(days=2))
    await scene.journal.use("1", "u3")
    assert await scene.events() == ["set", "reached", "reset", "reached", "reset"]


async def test_a_sliding_limit_is_free_when_spend_has_aged(scene: Scene) -> None:
    await scene.set(100, WEEKLY, SLIDING)
    await scene.journal.use("60", "u1")
    first = scene.clock.now()
    scene.clock.advance(timedelta(days=3))
    await scene.journal.use("60", "u2")
    assert await scene.events() == ["set", "reached"]
    due = (await scene.marks.next_due([scene.org_id])).get(scene.org_id)
    assert due is not None
    assert first + timedelta(days=7) < due <= first + timedelta(days=7, seconds=1)
    scene.to(due - timedelta(seconds=2))
    assert await scene.marks.run_due(scene.org_id) == 0
    scene.to(due)
    assert await scene.marks.run_due(scene.org_id) == 1
    assert await scene.events() == ["set", "reached", "reset"]


async def test_new_terms_are_marked_at_once(scene: Scene) -> None:
    await scene.journal.use("500", "u")
    assert (await scene.set(400)).limit.reached_until == datetime(2026, 3, 2, tzinfo=UTC)
    await scene.set(300)
    await scene.set(600)
    await scene.set(500)
    assert await scene.events() == ["set", "reached", "set", "set", "reset", "set", "reached"]


async def test_a_limit_of_a_wallet_that_was_closed_is_forgotten(scene: Scene) -> None:
    await scene.set(100)
    await scene.journal.use("100", "u")
    await scene.events()

    async def close(conn: AsyncConnection) -> None:
        await conn.execute(text("UPDATE wallets SET closed_at = now() WHERE org_id = :o"), {"o": scene.org_id})

    await scene.journal.db.transact(close)
    scene.clock.advance(timedelta(days=1))
    assert await scene.marks.run_due(None) == 1
    assert await scene.marks.run_due(None) == 0


async def test_the_first_limit_may_need_a_manual_topup(scene: Scene) -> None:
    await scene.refused(scene.set(100, needs_manual_topup=True), Reason.NO_MANUAL_TOPUP)
    assert await scene.limits.get(scene.org_id) is None


async def test_a_manual_topup_that_succeeded_is_enough(db: Database, clock: ManualClock) -> None:
    async with payments_lab(db, clock) as lab:
        limits = SpendingLimits(db, clock)

        async def set_it() -> LimitStatus:
            return await limits.set(
                lab.org_id, amount_minor=100, duration=DAILY, strategy=FIXED, needs_manual_topup=True
            )

        await lab.start(3000)
        with pytest.raises(ServiceError) as refused:
            await set_it()
        assert refused.value.reason is Reason.NO_MANUAL_TOPUP
        await lab.credited(5000)
        assert (await set_it()).limit.amount_minor == 100


async def test_a_wallet_without_a_limit_takes_no_statement_more(scene: Scene, db: Database) -> None:
    """The limit and the state are read with the wallet: one statement before the ledger's batch and one after it."""
    await scene.journal.hold(5, "warm")
    statements: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("SET "):
            statements.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    await scene.journal.hold(5, "k")
    event.remove(db.engine.sync_engine, "before_cursor_execute", note)
    assert [re.findall(r"FROM (\w+)", statement) for statement in statements] == [["wallets"], ["ledger_holds"]]


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    strategy=st.sampled_from(Strategy),
    duration=st.sampled_from(Duration),
    steps=st.lists(
        st.tuples(st.sampled_from(["hold", "spend", "capture", "wait"]), st.integers(1, 150)), min_size=5, max_size=30
    ),
)
async def test_no_window_ever_spends_more_than_the_limit(
    scene: Scene, strategy: Strategy, duration: Duration, steps: list[tuple[str, int]]
) -> None:
    """Without usage, which may not be refused: any window of the history, wherever it begins, is within the limit."""
    own = Scene(await scene.journal.another(), scene.limits, scene.marks, scene.watch)
    await own.journal.deposit(1_000_000)
    await own.set(200, duration, strategy)
    spent: list[tuple[datetime, int]] = []
    holds: list[tuple[Any, int]] = []
    for number, (step, amount) in enumerate(steps):
        if step == "wait":
            own.clock.advance(timedelta(hours=amount))
            continue
        try:
            match step:
                case "hold":
                    holds.append((await own.journal.hold(amount, f"{number}", lasts=timedelta(days=300)), amount))
                case "spend":
                    await own.spend(amount, f"{number}")
                    spent.append((own.clock.now(), amount))
                case _ if holds:
                    hold_id, amount = holds.pop()
                    await capture(own, hold_id, 0, f"{number}")
                    spent.append((own.clock.now(), amount))
                case _:
                    pass
        except ServiceError as error:
            if error.reason is not Reason.SPENDING_LIMIT_EXCEEDED:
                raise
        status = await own.status()
        inside = sum(amount for at, amount in spent if status.window.start <= at <= own.clock.now())
        assert status.spent_minor == inside <= 200


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    funds=st.integers(1, 300),
    used=st.integers(0, 300),
    held=st.integers(0, 300),
    limit=st.none() | st.integers(100, 300),
    suspended=st.booleans(),
    wanted=st.integers(1, 300),
)
async def test_what_is_authorized_is_what_a_hold_is_granted(
    scene: Scene, funds: int, used: int, held: int, limit: int | None, suspended: bool, wanted: int
) -> None:
    own = Scene(await scene.journal.another(), scene.limits, scene.marks, scene.watch)
    await own.journal.deposit(funds)
    if 0 < held <= funds:
        await own.journal.hold(held, "before")
    if used:
        await own.journal.use(str(used), "u")
    if limit is not None:
        await own.set(limit)
    if suspended:
        await own.suspend("suspended", "dispute")
    answer = await SpendAuthorization(own.journal.db, own.clock).of_amount(own.org_id, wanted)
    refusal = None
    try:
        await own.journal.hold(wanted, "h")
    except ServiceError as error:
        refusal = error.reason
    assert answer.allowed is (refusal is None)
    assert refusal is None or refusal in answer.refusals
    available, _ = await own.journal.amounts()
    assert not answer.allowed or available == answer.available_after_minor


async def capture(scene: Scene, hold_id: Any, amount: int, key: str) -> Any:
    return await scene.journal.holds.capture(
        scene.org_id, hold_id, amount_minor=amount, keep_remaining=False, description="", key=key
    )


async def test_taking_a_refund_back_is_spending_again(scene: Scene) -> None:
    refund = scene.journal.journal.refund
    await scene.set(100)
    first = await scene.spend(100, "first")
    given_back, _ = await refund(scene.org_id, first, amount_minor=0, description="", key="back")
    await scene.spend(100, "second")
    again = {"amount_minor": 0, "description": "", "key": "again"}
    refused = await scene.refused(refund(scene.org_id, given_back.entry_id, **again))
    assert refused.metadata["required_minor"] == "100"
    await scene.refused(refund(scene.org_id, given_back.entry_id, **{**again, "amount_minor": 1}))
    assert (await scene.status()).spent_minor == 100

    await scene.limits.delete(scene.org_id)
    await scene.suspend("suspended", "manual")
    await scene.refused(refund(scene.org_id, given_back.entry_id, **again), Reason.BILLING_ACCOUNT_SUSPENDED)
    await scene.suspend("active", None)
    done, _ = await refund(scene.org_id, given_back.entry_id, **again)
    await scene.set(100)
    await scene.suspend("suspended", "manual")
    assert (await refund(scene.org_id, given_back.entry_id, **again))[0] == done


async def test_giving_back_is_never_refused_by_limit_or_state(scene: Scene) -> None:
    first = await scene.spend(100, "first")
    await scene.set(100)
    await scene.suspend("suspended", "manual")
    await scene.journal.journal.refund(scene.org_id, first, amount_minor=40, description="", key="back")
    await scene.suspend("active", None)
    assert (await scene.status()).spent_minor == 60


async def test_what_is_spent_while_a_limit_is_being_set_marks_it(scene: Scene) -> None:
    blocking, release = asyncio.Event(), asyncio.Event()

    async def block(conn: AsyncConnection) -> None:
        await conn.execute(text("SELECT 1 FROM event_heads WHERE org_id = :org FOR UPDATE"), {"org": scene.org_id})
        blocking.set()
        await release.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(scene.journal.db.transact(block))
        await blocking.wait()
        tasks.create_task(scene.set(100))
        await _waiting(scene, 1)
        await scene.spend(100, "meanwhile")
        watched = tasks.create_task(scene.watch.run_due(scene.org_id))
        await asyncio.wait([watched], timeout=0.5)
        release.set()
    assert await scene.events() == ["set", "reached"]


async def test_the_mark_of_a_closed_wallet_is_forgotten_beside_a_new_one(scene: Scene) -> None:
    await scene.set(100)
    await scene.spend(100, "all")
    assert await scene.events() == ["set", "reached"]

    async def close(conn: AsyncConnection) -> None:
        await conn.execute(text("UPDATE wallets SET closed_at = :at"), {"at": scene.clock.now()})

    await scene.journal.db.transact(close)
    await Wallets(scene.journal.db, scene.clock).create(scene.org_id, currency="USD", display_name="")
    await scene.set(100)
    scene.to(datetime(2026, 3, 2, tzinfo=UTC))
    assert await scene.marks.run_due(scene.org_id) == 1
    assert await scene.marks.run_due(scene.org_id) == 0


async def _waiting(scene: Scene, count: int) -> None:
    """Until so many statements wait for a lock."""
    while True:
        rows = await scene.journal.rows("SELECT count(*) AS waiting FROM pg_locks WHERE NOT granted")
        if rows[0].waiting >= count:
            return
        await asyncio.sleep(0.01)
