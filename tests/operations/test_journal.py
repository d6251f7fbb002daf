"""Entries, corrections, holds and statements as operations: what is done once, what is refused, what adds up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.invariants import check_all
from ledger.model import HoldState
from tests.operations.journal_scene import (
    ADJUSTMENTS_CODE,
    FAR_FUTURE,
    FAR_PAST,
    REVENUE_CODE,
    WALLET_CODE,
    JournalScene,
    credit,
    debit,
    journal_scene,
)
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Reason, ServiceError
from wallet_service.journal.hold_operations import HOLD_LASTS, HOLD_LASTS_MAX
from wallet_service.journal.model import StatementLineView, StatementView
from wallet_service.journal.rules import Purpose
from wallet_service.pages import encode_token, query_digest

KEY_OF_255 = "k" * 255


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[JournalScene]:
    async with journal_scene(db, clock) as made:
        yield made


async def refused(work: Awaitable[object]) -> ServiceError:
    with pytest.raises(ServiceError) as error:
        await work
    return error.value


async def statement(scene: JournalScene, **fields: Any) -> StatementView:
    arguments: dict[str, Any] = {"start": FAR_PAST, "end": FAR_FUTURE, "size": 1000, "token": "", **fields}
    return await scene.journal.statement(scene.org_id, **arguments)


async def all_lines(scene: JournalScene, size: int, **fields: Any) -> list[StatementLineView]:
    lines: list[StatementLineView] = []
    token, is_first = "", True
    while token or is_first:
        page = await statement(scene, size=size, token=token, **fields)
        lines += page.lines
        token, is_first = page.next_page_token, False
    return lines


# Entries of operators


async def test_an_entry_of_three_legs_is_posted_once(scene):
    legs = [debit(ADJUSTMENTS_CODE, 700), credit(WALLET_CODE, 500), credit(REVENUE_CODE, 200)]
    first = await scene.journal.record(scene.org_id, legs=legs, description="opening", key="k")
    again = await scene.journal.record(scene.org_id, legs=legs, description="opening", key="k")
    assert first == again
    entry = await scene.journal.get_entry(scene.org_id, first)
    assert [(leg.account_code, leg.amount_minor, leg.is_debit) for leg in entry.legs] == [
        (ADJUSTMENTS_CODE, 700, True),
        (WALLET_CODE, 500, False),
        (REVENUE_CODE, 200, False),
    ]
    assert (entry.purpose, entry.sequence, entry.description) == (Purpose.TRANSFER, 1, "opening")
    assert entry.recorded_at == entry.effective_at == scene.clock.now()
    assert await scene.amounts() == (500, 0)


@pytest.mark.parametrize(
    ("legs", "reason", "metadata"),
    [
        (
            [debit(ADJUSTMENTS_CODE, 700), credit(WALLET_CODE, 500)],
            Reason.ENTRY_UNBALANCED,
            {"difference_minor": "200"},
        ),
        ([debit("NO_SUCH", 5), credit(WALLET_CODE, 5)], Reason.ACCOUNT_UNKNOWN, {"field": "postings[0].account_code"}),
        (
            [debit(ADJUSTMENTS_CODE, 5), credit("CUSTOMER_HOLDS", 5)],
            Reason.ACCOUNT_UNKNOWN,
            {"field": "postings[1].account_code"},
        ),
        (
            [debit(ADJUSTMENTS_CODE, 5), credit(WALLET_CODE, 5, "EUR")],
            Reason.CURRENCY_MISMATCH,
            {"field": "postings[1].currency"},
        ),
        (
            [debit(WALLET_CODE, 101), credit(REVENUE_CODE, 101)],
            Reason.INSUFFICIENT_FUNDS,
            {"available_minor": "100", "required_minor": "101", "currency": "USD"},
        ),
    ],
)
async def test_entries_that_cannot_be_are_refused_and_leave_the_key(scene, legs, reason, metadata):
    await scene.deposit(100)
    error = await refused(scene.journal.record(scene.org_id, legs=legs, description="", key="k"))
    assert (error.reason, error.metadata) == (reason, metadata)
    await scene.journal.record(
        scene.org_id, legs=[debit(WALLET_CODE, 1), credit(REVENUE_CODE, 1, "usd")], description="", key="k"
    )
    assert await scene.amounts() == (99, 0)


async def test_one_key_means_one_thing_in_each_operation(scene):
    assert await scene.deposit(100, key="k") == await scene.deposit(100, key="k")
    error = await refused(scene.deposit(101, key="k"))
    assert (error.reason, error.metadata) == (Reason.IDEMPOTENCY_KEY_REUSED, {"idempotency_key": "k"})
    await scene.hold(40, key="k")
    legs = [debit(WALLET_CODE, 10), credit(REVENUE_CODE, 10)]
    await scene.journal.record(scene.org_id, legs=legs, description="", key="k")
    assert await scene.amounts() == (50, 40)


async def test_keys_of_every_length_are_told_apart(scene):
    for key in (KEY_OF_255, KEY_OF_255[:-1] + "x", KEY_OF_255[:248], "é" * 255):
        first = await scene.deposit(10, key=key)
        assert await scene.deposit(10, key=key) == first
    assert await scene.amounts() == (40, 0)
    hold_id = await scene.hold(10, key=KEY_OF_255)
    assert await scene.hold(10, key=KEY_OF_255) == hold_id


async def test_a_deposit_credits_against_adjustments(scene):
    entry, balance_minor = await scene.journal.deposit(
        scene.org_id, amount_minor=250, currency="USD", description="goodwill", key="k"
    )
    assert balance_minor == 250
    assert (entry.purpose, entry.description, entry.metadata) == (Purpose.DEPOSIT, "goodwill", {})
    assert [(leg.account_code, leg.is_debit) for leg in entry.legs] == [(ADJUSTMENTS_CODE, True), (WALLET_CODE, False)]
    error = await refused(scene.journal.deposit(scene.org_id, amount_minor=1, currency="EUR", description="", key="k2"))
    assert (error.reason, error.metadata) == (Reason.CURRENCY_MISMATCH, {"field": "currency"})


# Corrections


async def refund(scene: JournalScene, entry_id: UUID, amount_minor: int, key: str) -> tuple[Any, int]:
    return await scene.journal.refund(scene.org_id, entry_id, amount_minor=amount_minor, description="mistake", key=key)


async def test_refunds_never_exceed_the_original(scene):
    original = await scene.deposit(100)
    entry, remaining_minor = await refund(scene, original, 30, "r1")
    assert (entry.reversed_entry_id, entry.purpose, remaining_minor) == (original, Purpose.REVERSAL, 70)
    repeated, _ = await refund(scene, original, 30, "r1")
    assert repeated == entry
    error = await refused(refund(scene, original, 71, "r2"))
    assert (error.reason, error.metadata) == (Reason.EXCEEDS_REMAINING, {"remaining_minor": "70"})
    _, remaining_minor = await refund(scene, original, 0, "r3")
    assert (remaining_minor, await scene.amounts()) == (0, (0, 0))
    error = await refused(refund(scene, original, 0, "r4"))
    assert (error.reason, error.metadata) == (Reason.EXCEEDS_REMAINING, {"remaining_minor": "0"})


async def test_concurrent_refunds_share_what_is_left(scene):
    original = await scene.deposit(100)
    done = await asyncio.gather(*(refund(scene, original, 30, f"r{i}") for i in range(6)), return_exceptions=True)
    errors = [error for error in done if isinstance(error, BaseException)]
    assert [getattr(error, "reason", error) for error in errors] == [Reason.EXCEEDS_REMAINING] * 3
    assert await scene.amounts() == (10, 0)


async def test_a_refund_of_spent_money_says_what_there_is(scene):
    original = await scene.deposit(100)
    await scene.hold(60)
    for amount_minor, required in ((0, "100"), (50, "50")):
        error = await refused(refund(scene, original, amount_minor, "r"))
        assert error.reason is Reason.INSUFFICIENT_FUNDS
        assert error.metadata == {"available_minor": "40", "required_minor": required, "currency": "USD"}


async def test_an_entry_of_several_legs_is_taken_back_in_parts(scene):
    legs = [debit(ADJUSTMENTS_CODE, 100), credit(REVENUE_CODE, 40), credit(WALLET_CODE, 60)]
    original = await scene.journal.record(scene.org_id, legs=legs, description="", key="k")
    # What was given last is taken back first.
    await refund(scene, original, 60, "r1")
    assert await scene.amounts() == (0, 0)
    entry, remaining_minor = await refund(scene, original, 0, "r2")
    assert remaining_minor == 0
    assert [(leg.account_code, leg.amount_minor, leg.is_debit) for leg in entry.legs] == [
        (REVENUE_CODE, 40, True),
        (ADJUSTMENTS_CODE, 40, False),
    ]


async def test_what_has_nothing_to_take_back_is_refused(scene):
    await scene.deposit(100)
    hold_id = await scene.hold(40)
    error = await refused(refund(scene, hold_id, 0, "r"))
    assert error.reason is Reason.ENTRY_NOT_REVERSIBLE
    unknown = UUID(int=7)
    error = await refused(refund(scene, unknown, 0, "r"))
    assert error.reason is Reason.RESOURCE_NOT_FOUND
    assert error.metadata["name"] == f"organizations/my-org/journal-entries/{unknown}"


async def test_a_captured_hold_returns_to_the_wallet(scene):
    await scene.deposit(100)
    hold_id = await scene.hold(40)
    _, entry_id = await scene.holds.capture(
        scene.org_id, hold_id, amount_minor=30, keep_remaining=False, description="", key="c"
    )
    assert await scene.amounts() == (70, 0)
    _, remaining_minor = await refund(scene, entry_id, 0, "r")
    assert (remaining_minor, await scene.amounts()) == (0, (100, 0))


# Holds


async def test_a_hold_lasts_a_week_and_its_key_survives_the_clock(scene):
    await scene.deposit(100)
    hold_id = await scene.hold(60)
    scene.clock.advance(timedelta(hours=1))
    assert await scene.hold(60) == hold_id
    assert (await refused(scene.hold(61))).reason is Reason.IDEMPOTENCY_KEY_REUSED
    error = await refused(scene.hold(41, key="other"))
    assert error.reason is Reason.INSUFFICIENT_FUNDS
    assert error.metadata == {"available_minor": "40", "required_minor": "41", "currency": "USD"}
    page, _ = await scene.holds.list(scene.org_id, state=None, size=0, token="")
    [hold] = page.rows
    assert hold.expires_at == hold.created_at + HOLD_LASTS
    assert await scene.amounts() == (40, 60)


async def test_expiry_has_bounds_that_a_repeat_does_not_meet_again(scene):
    await scene.deposit(100)
    for lasts in (timedelta(0), -timedelta(seconds=1), HOLD_LASTS_MAX + timedelta(seconds=1)):
        error = await refused(scene.hold(10, lasts=lasts))
        assert (error.reason, error.metadata) == (Reason.INVALID_FIELD, {"field": "expire_time"})
    at = scene.clock.now() + timedelta(seconds=5)
    arguments: dict[str, Any] = {"amount_minor": 10, "currency": "", "description": "", "expires_at": at, "key": "k"}
    made = await scene.holds.create(scene.org_id, **arguments)
    extended = await scene.holds.extend(scene.org_id, made.hold_id, expires_at=at + timedelta(seconds=5), key="e")
    scene.clock.advance(timedelta(minutes=1))
    again = await scene.holds.create(scene.org_id, **arguments)
    assert again == extended
    assert again == await scene.holds.extend(scene.org_id, made.hold_id, expires_at=at + timedelta(seconds=5), key="e")
    error = await refused(scene.holds.create(scene.org_id, **{**arguments, "amount_minor": 11}))
    assert error.reason is Reason.IDEMPOTENCY_KEY_REUSED
    error = await refused(scene.holds.create(scene.org_id, **{**arguments, "key": "new"}))
    assert error.reason is Reason.INVALID_FIELD


async def capture(scene: JournalScene, hold_id: UUID, amount_minor: int, key: str, *, keep: bool = False) -> Any:
    hold, _ = await scene.holds.capture(
        scene.org_id, hold_id, amount_minor=amount_minor, keep_remaining=keep, description="", key=key
    )
    return hold


async def test_a_hold_is_captured_in_parts(scene):
    await scene.deposit(100)
    hold_id = await scene.hold(60)
    kept = await capture(scene, hold_id, 20, "c1", keep=True)
    assert (kept.captured_minor, kept.remaining_minor, kept.state) == (20, 40, HoldState.OPEN)
    assert await capture(scene, hold_id, 20, "c1", keep=True) == kept
    assert await scene.amounts() == (40, 40)
    error = await refused(capture(scene, hold_id, 41, "c2"))
    assert (error.reason, error.metadata) == (Reason.EXCEEDS_REMAINING, {"remaining_minor": "40"})
    done = await capture(scene, hold_id, 10, "c2")
    assert (done.captured_minor, done.remaining_minor, done.state) == (30, 0, HoldState.CAPTURED)
    assert await scene.amounts() == (70, 0)
    error = await refused(capture(scene, hold_id, 0, "c3"))
    assert (error.reason, error.metadata) == (Reason.HOLD_NOT_OPEN, {"state": "captured"})


async def test_a_whole_capture_takes_all_that_is_left(scene):
    await scene.deposit(100)
    hold_id = await scene.hold(60)
    await capture(scene, hold_id, 25, "c1", keep=True)
    done = await capture(scene, hold_id, 0, "c2")
    assert (done.captured_minor, done.state) == (60, HoldState.CAPTURED)
    assert await scene.amounts() == (40, 0)


async def test_a_released_hold_is_over(scene):
    await scene.deposit(100)
    hold_id = await scene.hold(60)
    released = await scene.holds.release(scene.org_id, hold_id, key="r")
    assert (released.state, await scene.amounts()) == (HoldState.RELEASED, (100, 0))
    assert await scene.holds.release(scene.org_id, hold_id, key="r") == released
    later = scene.clock.now() + timedelta(days=1)
    for work in (
        scene.holds.release(scene.org_id, hold_id, key="r2"),
        scene.holds.extend(scene.org_id, hold_id, expires_at=later, key="e"),
        capture(scene, hold_id, 1, "c"),
    ):
        error = await refused(work)
        assert (error.reason, error.metadata) == (Reason.HOLD_NOT_OPEN, {"state": "released"})
    error = await refused(scene.holds.release(scene.org_id, UUID(int=7), key="r3"))
    assert (error.reason, error.metadata["kind"]) == (Reason.RESOURCE_NOT_FOUND, "hold")


async def test_due_holds_expire_and_extended_ones_do_not(scene):
    await scene.deposit(100)
    first = await scene.hold(10, "h1", lasts=timedelta(minutes=1))
    second = await scene.hold(20, "h2", lasts=timedelta(minutes=1))
    third = await scene.hold(30, "h3", lasts=timedelta(minutes=1))
    await capture(scene, third, 5, "c", keep=True)
    await scene.holds.extend(scene.org_id, second, expires_at=scene.clock.now() + timedelta(minutes=5), key="e")
    assert await scene.holds.run_due(None) == 0
    scene.clock.advance(timedelta(minutes=1))
    error = await refused(capture(scene, first, 1, "late"))
    assert (error.reason, error.metadata) == (Reason.HOLD_NOT_OPEN, {"state": "expired"})
    assert await scene.holds.run_due(None) == 2
    assert await scene.holds.run_due(None) == 0
    assert await scene.amounts() == (75, 20)
    states = {}
    for state in HoldState:
        page, _ = await scene.holds.list(scene.org_id, state=state, size=0, token="")
        states[state] = [hold.hold_id for hold in page.rows]
    assert states == {
        HoldState.OPEN: [second],
        HoldState.CAPTURED: [third],
        HoldState.EXPIRED: [first],
        HoldState.RELEASED: [],
    }
    scene.clock.advance(timedelta(minutes=4))
    assert await scene.holds.run_due(None) == 1
    assert await scene.amounts() == (95, 0)


async def test_holds_are_listed_in_pages_oldest_first(scene):
    await scene.deposit(100)
    made = [await scene.hold(10, f"h{i}") for i in range(5)]
    await scene.holds.release(scene.org_id, made[1], key="r")
    for state, expected in ((None, made), (HoldState.OPEN, [made[0], *made[2:]])):
        found: list[UUID] = []
        token, is_first = "", True
        while token or is_first:
            page, wallet = await scene.holds.list(scene.org_id, state=state, size=2, token=token)
            assert (len(page.rows) <= 2, wallet.currency) == (True, "USD")
            found += [hold.hold_id for hold in page.rows]
            token, is_first = page.next_page_token, False
        assert found == expected
    page, _ = await scene.holds.list(scene.org_id, state=None, size=2, token="")
    error = await refused(scene.holds.list(scene.org_id, state=HoldState.OPEN, size=2, token=page.next_page_token))
    assert error.reason is Reason.INVALID_PAGE_TOKEN


# Reading the journal


async def some_history(scene: JournalScene) -> None:
    """Deposit, hold, capture, release of the rest, usage: a minute apart."""
    await scene.deposit(1000)
    scene.clock.advance(timedelta(minutes=1))
    hold_id = await scene.hold(300)
    scene.clock.advance(timedelta(minutes=1))
    await capture(scene, hold_id, 100, "c")
    scene.clock.advance(timedelta(minutes=1))
    await scene.use("250.75", "u")
    scene.clock.advance(timedelta(minutes=1))
    other = await scene.hold(50, "h2")
    await scene.holds.release(scene.org_id, other, key="r")


async def purposes(scene: JournalScene, **fields: Any) -> list[Purpose]:
    arguments: dict[str, Any] = {"purposes": [], "start": None, "end": None, "size": 0, "token": "", **fields}
    found: list[Purpose] = []
    while True:
        page = await scene.journal.list_entries(scene.org_id, **arguments)
        found += [entry.purpose for entry in page.rows]
        if not page.next_page_token:
            return found
        arguments["token"] = page.next_page_token


async def test_entries_are_listed_newest_first_by_purpose_and_time(scene):
    start = scene.clock.now()
    await some_history(scene)
    everything = [
        Purpose.RELEASE,
        Purpose.HOLD,
        Purpose.USAGE,
        Purpose.CAPTURE,
        Purpose.HOLD,
        Purpose.DEPOSIT,
    ]
    assert await purposes(scene) == everything
    assert await purposes(scene, size=1) == await purposes(scene, size=4) == everything
    assert await purposes(scene, purposes=[Purpose.HOLD, Purpose.DEPOSIT]) == [
        Purpose.HOLD,
        Purpose.HOLD,
        Purpose.DEPOSIT,
    ]
    assert await purposes(scene, purposes=[Purpose.TOP_UP]) == []
    minute = timedelta(minutes=1)
    # Half-open: what was recorded at the end is not in it.
    assert await purposes(scene, start=start + minute, end=start + 3 * minute) == [Purpose.CAPTURE, Purpose.HOLD]
    assert await purposes(scene, end=start) == []
    assert await purposes(scene, start=start + 4 * minute) == [Purpose.RELEASE, Purpose.HOLD]


async def test_a_token_of_another_query_or_of_no_column_is_refused(scene):
    await some_history(scene)
    page = await scene.journal.list_entries(scene.org_id, purposes=[], start=None, end=None, size=1, token="")
    for token, wanted in ((page.next_page_token, [Purpose.HOLD]), ("nonsense", [])):
        error = await refused(
            scene.journal.list_entries(scene.org_id, purposes=wanted, start=None, end=None, size=1, token=token)
        )
        assert error.reason is Reason.INVALID_PAGE_TOKEN
    digest = query_digest("entries", scene.org_id, [], None, None)
    error = await refused(
        scene.journal.list_entries(
            scene.org_id, purposes=[], start=None, end=None, size=1, token=encode_token((2**63,), digest)
        )
    )
    assert error.reason is Reason.INVALID_PAGE_TOKEN


async def test_another_organizations_entry_is_not_found(scene):
    entry_id = await scene.deposit(100)
    error = await refused(scene.journal.get_entry(UUID(int=1), entry_id))
    assert error.reason is Reason.RESOURCE_NOT_FOUND
    error = await refused(scene.journal.get_entry(scene.org_id, UUID(int=1)))
    assert error.metadata["name"] == f"organizations/my-org/journal-entries/{UUID(int=1)}"


# Statements


async def test_holds_do_not_move_the_balance(scene):
    await some_history(scene)
    found = await statement(scene)
    assert (found.currency, found.opening_minor, found.closing_minor) == ("USD", 0, 650)
    assert [(line.purpose, line.amount_minor, line.balance_minor) for line in found.lines] == [
        (Purpose.DEPOSIT, 1000, 1000),
        (Purpose.CAPTURE, -100, 900),
        (Purpose.USAGE, -250, 650),
    ]
    assert [(total.purpose, total.amount_minor, total.line_count) for total in found.totals] == [
        (Purpose.CAPTURE, -100, 1),
        (Purpose.DEPOSIT, 1000, 1),
        (Purpose.USAGE, -250, 1),
    ]


async def test_a_statement_of_a_part_opens_with_what_came_before(scene):
    start = scene.clock.now()
    await some_history(scene)
    minute = timedelta(minutes=1)
    found = await statement(scene, start=start + minute, end=start + 3 * minute)
    assert (found.opening_minor, found.closing_minor) == (1000, 900)
    assert [line.amount_minor for line in found.lines] == [-100]
    before = await statement(scene, start=FAR_PAST, end=start)
    assert (before.opening_minor, before.closing_minor, before.lines, before.totals) == (0, 0, (), ())


def check_statement(whole: StatementView, lines: list[StatementLineView]) -> None:
    """Opening + movements = closing, line by line, and in the totals."""
    balance = whole.opening_minor
    for line in lines:
        balance += line.amount_minor
        assert line.balance_minor == balance
        assert line.amount_minor != 0
    assert balance == whole.closing_minor
    assert whole.opening_minor + sum(total.amount_minor for total in whole.totals) == whole.closing_minor
    by_purpose: dict[Purpose, list[int]] = {}
    for line in lines:
        by_purpose.setdefault(line.purpose, []).append(line.amount_minor)
    assert {total.purpose: (total.amount_minor, total.line_count) for total in whole.totals} == {
        purpose: (sum(amounts), len(amounts)) for purpose, amounts in by_purpose.items()
    }


STEPS = st.one_of(
    st.tuples(st.just("deposit"), st.integers(1, 500)),
    st.tuples(st.just("use"), st.integers(-900, 900)),
    st.tuples(st.just("hold"), st.integers(1, 300)),
    st.tuples(st.just("capture"), st.integers(0, 200)),
    st.tuples(st.just("keep"), st.integers(1, 200)),
    st.tuples(st.just("release"), st.just(0)),
    st.tuples(st.just("refund"), st.integers(0, 300)),
    st.tuples(st.just("charge"), st.integers(1, 300)),
    st.tuples(st.just("wait"), st.integers(1, 9)),
)


class History:
    """Plays steps on one wallet; the ledger may refuse any of them."""

    def __init__(self, scene: JournalScene) -> None:
        self._scene = scene
        self._holds: list[UUID] = []
        self._entries: list[UUID] = []

    async def play(self, steps: list[tuple[str, int]]) -> None:
        for number, (step, amount) in enumerate(steps):
            try:
                await self._play(step, amount, str(number))
            except ServiceError:
                continue

    async def _play(self, step: str, amount: int, key: str) -> None:
        scene = self._scene
        match step:
            case "deposit":
                self._entries.append(await scene.deposit(amount, key))
            case "use":
                await scene.use(f"{amount}.{abs(amount):03}", key)
            case "hold":
                self._holds.append(await scene.hold(amount, key))
            case "capture" | "keep" if self._holds:
                await capture(scene, self._holds[-1], amount, key, keep=step == "keep")
            case "release" if self._holds:
                await scene.holds.release(scene.org_id, self._holds.pop(), key=key)
            case "refund" if self._entries:
                await refund(scene, self._entries[-1], amount, key)
            case "charge":
                legs = [debit(WALLET_CODE, amount), credit(REVENUE_CODE, amount)]
                self._entries.append(await scene.journal.record(scene.org_id, legs=legs, description="", key=key))
            case _:
                scene.clock.advance(timedelta(minutes=amount))


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    steps=st.lists(STEPS, max_size=25),
    start=st.integers(0, 60),
    length=st.integers(0, 60),
    size=st.integers(1, 7),
)
async def test_any_history_adds_up_in_every_period_and_page_size(
    scene: JournalScene, steps: list[tuple[str, int]], start: int, length: int, size: int
) -> None:
    own = await scene.another()
    began = own.clock.now()
    await History(own).play(steps)
    whole = await statement(own)
    check_statement(whole, await all_lines(own, size))
    assert (whole.opening_minor, whole.closing_minor) == (0, sum(await own.amounts()))
    period = {"start": began + timedelta(minutes=start), "end": began + timedelta(minutes=start + length)}
    part = await statement(own, **period)
    lines = await all_lines(own, size, **period)
    check_statement(part, lines)
    assert lines == [line for line in whole.lines if period["start"] <= line.recorded_at < period["end"]]
    assert await own.db.read(lambda conn: check_all(conn, own.org_id)) == []
