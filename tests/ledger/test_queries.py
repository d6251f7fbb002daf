"""Balances at any time, statements that add up, totals, lists and their pages."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import queries
from ledger.accounts import AccountKind
from ledger.ids import new_id
from ledger.model import (
    Accrue,
    CaptureHold,
    EntryKind,
    ExpireHold,
    HoldState,
    OpenHold,
    Reversal,
)
from tests.ledger.conftest import START, Scene, posted

HOUR = timedelta(hours=1)


async def month(scene: Scene) -> dict[str, datetime]:
    """An entry an hour: top-up 1000, spend 100, hold 300, capture 120 of it, usage 50.5, top-up 10."""
    times: dict[str, datetime] = {}
    scene.clock.advance(HOUR)
    times["topup"] = scene.clock.now()
    await scene.fund(1000)
    scene.clock.advance(HOUR)
    times["spend"] = scene.clock.now()
    posted(await scene.ledger.post(scene.spend("spend", 100)))
    scene.clock.advance(HOUR)
    times["hold"] = scene.clock.now()
    hold = posted(
        await scene.ledger.post(OpenHold(org_id=scene.org_id, key="hold", wallet=scene.wallet, amount_minor=300))
    )
    assert hold.hold_id is not None
    scene.clock.advance(HOUR)
    times["capture"] = scene.clock.now()
    capture = CaptureHold(
        org_id=scene.org_id,
        key="capture",
        hold_id=hold.hold_id,
        credit_account=scene.revenue,
        amount_minor=120,
        release_rest=True,
    )
    posted(await scene.ledger.post(capture))
    scene.clock.advance(HOUR)
    times["usage"] = scene.clock.now()
    usage = Accrue(
        org_id=scene.org_id,
        key="usage",
        wallet=scene.wallet,
        revenue_account=scene.revenue,
        exact_minor=Decimal("50.5"),
    )
    posted(await scene.ledger.post(usage))
    posted(await scene.ledger.post(scene.topup("more", 10)))
    return times


async def test_balance_as_of_any_time(scene: Scene) -> None:
    times = await month(scene)
    tick = timedelta(microseconds=1)
    expected = [
        (START, 0, 0),
        (times["topup"] - tick, 0, 0),
        (times["topup"], 1000, 0),
        (times["spend"] - tick, 1000, 0),
        (times["spend"], 900, 0),
        (times["hold"], 600, 300),
        (times["capture"] - tick, 600, 300),
        (times["capture"], 780, 0),
        (times["usage"], 740, 0),
        (times["usage"] + timedelta(days=1000), 740, 0),
    ]

    async def read(conn: AsyncConnection) -> None:
        for at, available, held in expected:
            found = await queries.balance_at(conn, scene.org_id, scene.wallet, at)
            assert found == queries.BalanceAt(available, held), at
        revenue = await queries.balance_at(conn, scene.org_id, scene.revenue, times["usage"])
        clearing = await queries.balance_at(conn, scene.org_id, scene.clearing, times["usage"])
        assert revenue == queries.BalanceAt(100 + 120 + 50, 0)
        assert clearing == queries.BalanceAt(1010, 0)
        assert await queries.balance_at(conn, scene.org_id, new_id(START), START) is None

    await scene.database.read(read)


async def test_several_entries_within_one_millisecond(scene: Scene) -> None:
    """Entry ids have milliseconds; the time of recording has microseconds and decides."""
    tick = timedelta(microseconds=100)
    times: list[datetime] = []
    for number in range(25):
        times.append(scene.clock.advance(tick))
        await scene.fund(1, key=f"t{number}")

    async def read(conn: AsyncConnection) -> None:
        for number, at in enumerate(times, start=1):
            found = await queries.balance_at(conn, scene.org_id, scene.wallet, at)
            assert found == queries.BalanceAt(number, 0)

    await scene.database.read(read)


async def test_a_statement_whose_lines_fill_the_page_has_no_next_page(scene: Scene) -> None:
    start = scene.clock.now()
    for number in range(2):
        await scene.fund(1, key=f"f{number}")
    end = scene.clock.advance(HOUR)

    async def read(conn: AsyncConnection) -> None:
        for limit, following in ((1, 1), (2, None)):
            page = await queries.statement(conn, scene.org_id, scene.wallet, start=start, end=end, limit=limit)
            assert page is not None
            assert (len(page.lines), page.next_after_seq) == (limit, following)

    await scene.database.read(read)


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_a_statement_adds_up(scene: Scene, limit: int) -> None:
    times = await month(scene)
    end = times["usage"] + HOUR

    async def read(conn: AsyncConnection) -> list[queries.StatementPage]:
        pages: list[queries.StatementPage] = []
        after: int | None = None
        while True:
            page = await queries.statement(
                conn, scene.org_id, scene.wallet, start=times["spend"], end=end, after_seq=after, limit=limit
            )
            assert page is not None
            pages.append(page)
            after = page.next_after_seq
            if after is None:
                return pages

    pages = await scene.database.read(read)
    lines = [line for page in pages for line in page.lines]
    assert [(line.entry.kind, line.amount_minor, line.balance_minor) for line in lines] == [
        (EntryKind.TRANSFER, -100, 900),
        (EntryKind.CAPTURE, -120, 780),
        (EntryKind.ACCRUAL, -50, 730),
        (EntryKind.TRANSFER, 10, 740),
    ]
    assert {(page.opening_minor, page.closing_minor) for page in pages} == {(1000, 740)}
    assert 1000 + sum(line.amount_minor for line in lines) == 740


async def test_a_statement_of_the_chart_and_of_nothing(scene: Scene) -> None:
    times = await month(scene)

    async def read(conn: AsyncConnection) -> None:
        revenue = await queries.statement(conn, scene.org_id, scene.revenue, start=times["capture"], end=times["usage"])
        assert revenue is not None
        assert (revenue.opening_minor, revenue.closing_minor) == (100, 220)
        assert [line.amount_minor for line in revenue.lines] == [120]
        clearing = await queries.statement(conn, scene.org_id, scene.clearing, start=START, end=times["spend"])
        assert clearing is not None
        assert [(line.amount_minor, line.balance_minor) for line in clearing.lines] == [(1000, 1000)]
        empty = await queries.statement(conn, scene.org_id, scene.wallet, start=times["usage"], end=times["spend"])
        assert empty is not None
        assert (empty.lines, empty.opening_minor, empty.closing_minor) == ((), 780, 780)
        assert await queries.statement(conn, scene.org_id, new_id(START), start=START, end=START) is None

    await scene.database.read(read)


async def test_period_totals(scene: Scene) -> None:
    times = await month(scene)

    async def read(conn: AsyncConnection) -> None:
        totals = await queries.period_totals(
            conn, scene.org_id, scene.wallet, start=times["spend"], end=times["usage"] + HOUR
        )
        assert totals == [
            queries.KindTotal(EntryKind.ACCRUAL, 1, 50, 0),
            queries.KindTotal(EntryKind.CAPTURE, 1, 0, 180),
            queries.KindTotal(EntryKind.HOLD, 1, 300, 0),
            queries.KindTotal(EntryKind.TRANSFER, 2, 100, 10),
        ]
        assert await queries.period_totals(conn, scene.org_id, scene.wallet, start=START, end=START) == []
        assert await queries.period_totals(conn, scene.org_id, new_id(START), start=START, end=START) is None

    await scene.database.read(read)


async def test_entries_in_pages_and_by_what_they_touch(scene: Scene) -> None:
    await month(scene)

    async def read(conn: AsyncConnection) -> None:
        first = await queries.list_entries(conn, scene.org_id, limit=4)
        rest = await queries.list_entries(conn, scene.org_id, before_seq=first[-1].entry_seq)
        assert [entry.entry_seq for entry in first + rest] == [6, 5, 4, 3, 2, 1]
        capture = await queries.list_entries(conn, scene.org_id, kind=EntryKind.CAPTURE)
        assert [len(entry.legs) for entry in capture] == [3]
        hold_id = capture[0].hold_id
        of_hold = await queries.list_entries(conn, scene.org_id, hold_id=hold_id)
        assert [entry.kind for entry in of_hold] == [EntryKind.CAPTURE, EntryKind.HOLD]
        topups = await queries.list_entries(conn, scene.org_id, account_id=scene.clearing)
        assert [entry.entry_seq for entry in topups] == [6, 1]
        with pytest.raises(ValueError, match="limit"):
            await queries.list_entries(conn, scene.org_id, limit=1001)

    await scene.database.read(read)


async def test_an_entry_and_what_reversed_it(scene: Scene) -> None:
    topup = await scene.fund(100)
    assert topup.entry_id is not None
    back = posted(
        await scene.ledger.post(
            Reversal(org_id=scene.org_id, key="r", original_entry_id=topup.entry_id, amount_minor=30)
        )
    )

    async def read(conn: AsyncConnection) -> None:
        found = await queries.list_entries(conn, scene.org_id, reverses_entry_id=topup.entry_id)
        assert [(entry.entry_id, entry.kind) for entry in found] == [(back.entry_id, EntryKind.REVERSAL)]

    await scene.database.read(read)


async def test_holds_in_pages_and_those_that_are_due(scene: Scene) -> None:
    await scene.fund(1000)
    second = await scene.open_wallet()
    ids: list[UUID | None] = []
    for number in range(5):
        hold = OpenHold(
            org_id=scene.org_id,
            key=f"h{number}",
            wallet=scene.wallet,
            amount_minor=1,
            expires_at=None if number == 0 else START + timedelta(hours=number),
        )
        ids.append(posted(await scene.ledger.post(hold)).hold_id)
    scene.clock.advance(timedelta(hours=3))

    async def read(conn: AsyncConnection) -> list[object]:
        first = await queries.list_holds(conn, scene.org_id, limit=3)
        rest = await queries.list_holds(conn, scene.org_id, after=first[-1].hold_id, wallet_id=scene.wallet)
        assert [hold.hold_id for hold in first + rest] == ids
        assert await queries.list_holds(conn, scene.org_id, wallet_id=second) == []
        assert await queries.list_holds(conn, scene.org_id, state=HoldState.EXPIRED) == []
        return [hold.hold_id for hold in await queries.due_holds(conn, now=scene.clock.now())]

    due = await scene.database.read(read)
    assert due == ids[1:4]
    for hold_id in due:
        expire = ExpireHold(org_id=scene.org_id, key=f"e{hold_id}", hold_id=hold_id)  # type: ignore[arg-type]
        posted(await scene.ledger.post(expire))
    assert await scene.database.read(lambda conn: queries.due_holds(conn, now=scene.clock.now())) == []


async def test_a_wallet_shows_when_its_last_entry_was(scene: Scene) -> None:
    assert (await scene.balance()).last_entry_at is None
    times = await month(scene)
    balance = await scene.balance()
    assert balance.last_entry_at == times["usage"]
    assert (balance.balance_minor, balance.carry) == (740, Decimal("0.5"))
    scene.clock.advance(HOUR)
    tiny = Accrue(
        org_id=scene.org_id,
        key="tiny",
        wallet=scene.wallet,
        revenue_account=scene.account(AccountKind.REVENUE),
        exact_minor=Decimal("0.25"),
    )
    posted(await scene.ledger.post(tiny))
    assert (await scene.balance()).last_entry_at == times["usage"]
