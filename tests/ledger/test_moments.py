"""Organizations that live in other times share a lane with all others, and never a time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import chart
from ledger.accounts import AccountKind, chart_account_id
from ledger.batcher import Ledger
from ledger.errors import BookAhead
from ledger.ids import new_id
from ledger.model import Transfer
from tests.ledger.conftest import START, Scene, posted
from wallet_service.clock import at, moment

PAST = START - timedelta(days=700)
FUTURE = START + timedelta(days=700)
MOMENTS = (None, PAST, None, FUTURE)


class Times(Scene):
    """A scene whose ledger asks its callers what time they live in, and a wallet for each of `MOMENTS`."""

    wallets: dict[UUID, tuple[UUID, datetime | None]]

    def request(self, org_id: UUID, key: str) -> Transfer:
        clearing = chart_account_id(org_id, "USD", AccountKind.PROVIDER_CLEARING)
        wallet, _ = self.wallets[org_id]
        return Transfer(org_id=org_id, key=key, debit_account=clearing, credit_account=wallet, amount_minor=1)

    async def post(self, org_id: UUID, key: str) -> datetime:
        with at(self.wallets[org_id][1]):
            return posted(await self.ledger.post(self.request(org_id, key))).recorded_at

    async def recorded(self) -> dict[UUID, set[datetime]]:
        async def work(conn: AsyncConnection) -> dict[UUID, set[datetime]]:
            found: dict[UUID, set[datetime]] = {}
            for row in await conn.execute(text("SELECT org_id, recorded_at FROM ledger_entries")):
                found.setdefault(row.org_id, set()).add(row.recorded_at)
            return found

        return await self.database.read(work)


@pytest_asyncio.fixture
async def times(scene: Scene) -> AsyncIterator[Times]:
    async with Ledger(scene.engine, scene.clock, moment=moment) as ledger:
        made = Times(scene.url, scene.engine, scene.database, scene.clock, ledger, scene.org_id, scene.wallet)
        made.wallets = {}
        for lives_at in MOMENTS:
            org_id = new_id(lives_at or START)
            with at(lives_at):
                wallet = await open_wallet(made, org_id, lives_at or START)
            made.wallets[org_id] = wallet, lives_at
        yield made


async def open_wallet(scene: Scene, org_id: UUID, now: datetime) -> UUID:
    return await scene.database.transact(lambda conn: chart.open_account(conn, org_id, "USD", now=now))


async def test_each_organization_is_recorded_at_its_own_time(times: Times) -> None:
    work = [(org_id, f"k{number}") for number in range(40) for org_id in times.wallets]
    answered = await asyncio.gather(*(times.post(*one) for one in work))
    expected = {org_id: lives_at or START for org_id, (_, lives_at) in times.wallets.items()}
    assert list(answered) == [expected[org_id] for org_id, _ in work]
    assert await times.recorded() == {org_id: {lives_at} for org_id, lives_at in expected.items()}
    assert await times.violations() == []


async def test_the_first_caller_of_a_lane_does_not_leave_its_time_there(times: Times) -> None:
    (real, _), (past, _), *_ = times.wallets.items()
    assert await times.post(past, "first") == PAST
    assert await times.post(real, "second") == START


async def test_one_that_was_posted_to_in_the_wrong_time_takes_no_other_along(times: Times) -> None:
    (real, _), _, (other, _), (future, _) = times.wallets.items()
    await times.post(future, "right")
    answered = await asyncio.gather(
        *(times.ledger.post(times.request(org_id, f"k{n}")) for n in range(20) for org_id in (real, future, other))
    )
    assert {posted(outcome).recorded_at for outcome in answered} == {START, FUTURE}
    recorded = await times.recorded()
    assert (recorded[real], recorded[other], recorded[future]) == ({START}, {START}, {FUTURE})


async def test_a_step_is_recorded_at_the_time_of_its_caller(times: Times) -> None:
    (real, _), _, _, (future, _) = times.wallets.items()

    async def post(*org_ids: UUID) -> set[datetime]:
        requests = [times.request(org_id, f"step-{len(org_ids)}") for org_id in org_ids]
        outcomes = await times.database.transact(lambda conn: times.ledger.post_in(conn, requests))
        return {posted(outcome).recorded_at for outcome in outcomes}

    with at(FUTURE):
        assert await post(future) == {FUTURE}
    assert await post(real) == {START}
    with pytest.raises(BookAhead):
        await post(real, future)


@given(st.lists(st.sampled_from([PAST, START, FUTURE]), max_size=4))
def test_the_innermost_moment_counts(moments: list[datetime]) -> None:
    def enter(rest: list[datetime], around: datetime | None) -> None:
        assert moment() == around
        if rest:
            with at(rest[0]):
                enter(rest[1:], rest[0])
            assert moment() == around

    enter(moments, None)
