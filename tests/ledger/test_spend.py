"""What left a wallet for revenue: against the plain sum of the revenue legs, for any history and any period."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import queries
from ledger.accounts import AccountKind
from ledger.ids import new_id
from ledger.model import (
    Accrue,
    CaptureHold,
    Draw,
    Entry,
    Leg,
    OpenHold,
    Posted,
    ReleaseHold,
    Request,
    Reversal,
)
from tests.ledger.conftest import START, Scene, posted

MINUTE = timedelta(minutes=1)

NAIVE = """
    SELECT -coalesce(sum(p.amount_minor), 0)
    FROM ledger_postings p
    JOIN ledger_accounts a ON a.org_id = p.org_id AND a.account_id = p.account_id AND a.kind = 'revenue'
    JOIN ledger_entries e ON e.org_id = p.org_id AND e.entry_seq = p.entry_seq
    WHERE p.org_id = :org AND e.recorded_at >= :since AND e.recorded_at < :until AND EXISTS (
        SELECT FROM ledger_postings m JOIN ledger_accounts w ON w.org_id = m.org_id AND w.account_id = m.account_id
        WHERE m.org_id = p.org_id AND m.entry_seq = p.entry_seq AND w.wallet_id = :wallet
    )
"""

STEPS = st.tuples(
    st.sampled_from(
        [
            "topup",
            "spend",
            "hold",
            "capture",
            "release",
            "use",
            "correct",
            "reverse",
            "draw",
            "mixed",
            "fee",
            "elsewhere",
            "move",
        ]
    ),
    st.integers(1, 500),
)


class Story:
    """Requests made of steps, each a minute after the one before; what cannot be done changes nothing."""

    def __init__(self, scene: Scene, other: UUID) -> None:
        self.scene = scene
        self.other = other
        self.holds: list[Posted] = []
        self.entries: list[Posted] = []

    async def play(self, steps: list[tuple[str, int]]) -> None:
        for number, (step, amount) in enumerate(steps):
            self.scene.clock.advance(MINUTE)
            request = self.request(step, amount, f"{number}")
            if request is None:
                continue
            outcome = await self.scene.ledger.post(request)
            if isinstance(outcome, Posted) and outcome.entry_id is not None:
                if step == "hold":
                    self.holds.append(outcome)
                else:
                    self.entries.append(outcome)

    def request(self, step: str, amount: int, key: str) -> Request | None:
        scene = self.scene
        if step in {"capture", "release", "reverse"}:
            return self.later_request(step, amount, key)
        adjustments = scene.account(AccountKind.ADJUSTMENTS)
        sevenths = (Decimal(amount) / 7).quantize(Decimal("1e-12"))
        made: dict[str, Request] = {
            "topup": scene.topup(key, amount * 3),
            "spend": scene.spend(key, amount),
            "hold": OpenHold(org_id=scene.org_id, key=key, wallet=scene.wallet, amount_minor=amount),
            "use": self.usage(key, sevenths),
            "correct": self.usage(key, -sevenths),
            "draw": Draw(
                org_id=scene.org_id,
                key=key,
                sources=(scene.wallet, scene.account(AccountKind.RECEIVABLE)),
                destination=scene.clearing,
                amount_minor=amount,
            ),
            "mixed": Entry(
                org_id=scene.org_id,
                key=key,
                legs=(Leg(scene.wallet, amount + 5), Leg(scene.revenue, -amount), Leg(adjustments, -5)),
            ),
            "fee": replace(
                scene.topup(key, amount), debit_account=scene.account(AccountKind.FEES), credit_account=scene.clearing
            ),
            "elsewhere": replace(scene.spend(key, amount), debit_account=adjustments),
            "move": replace(scene.spend(key, amount), credit_account=self.other),
        }
        return made[step]

    def usage(self, key: str, exact_minor: Decimal) -> Request:
        scene = self.scene
        return Accrue(
            org_id=scene.org_id, key=key, wallet=scene.wallet, revenue_account=scene.revenue, exact_minor=exact_minor
        )

    def later_request(self, step: str, amount: int, key: str) -> Request | None:
        """One that follows from an earlier entry; None when there is none."""
        scene = self.scene
        if step == "reverse":
            if not self.entries:
                return None
            original = self.entries[amount % len(self.entries)].entry_id
            assert original is not None
            return Reversal(
                org_id=scene.org_id,
                key=key,
                original_entry_id=original,
                amount_minor=1 + amount // 3,
                shortfall_account=scene.account(AccountKind.RECEIVABLE),
            )
        if not self.holds:
            return None
        hold = self.holds[amount % len(self.holds)].hold_id
        assert hold is not None
        if step == "release":
            return ReleaseHold(org_id=scene.org_id, key=key, hold_id=hold)
        return CaptureHold(
            org_id=scene.org_id,
            key=key,
            hold_id=hold,
            credit_account=scene.revenue,
            amount_minor=1 + amount // 2,
            release_rest=amount % 2 == 0,
        )


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, max_size=25), start=st.integers(-1, 26), length=st.integers(0, 27))
async def test_spend_is_the_sum_of_what_reached_revenue(
    scene: Scene, steps: list[tuple[str, int]], start: int, length: int
) -> None:
    org_id = new_id(START)
    own = replace(scene, org_id=org_id, wallet=await scene.open_wallet(org_id))
    other = await scene.open_wallet(org_id)
    began = own.clock.now()
    await Story(own, other).play(steps)
    since, until = began + start * MINUTE, began + (start + length) * MINUTE

    async def read(conn: AsyncConnection) -> None:
        for wallet in (own.wallet, other):
            values = {"org": org_id, "wallet": wallet, "since": since, "until": until}
            naive = (await conn.execute(text(NAIVE), values)).scalar_one()
            assert await queries.spend(conn, org_id, wallet, since=since, until=until) == naive
            whole = {**values, "since": began, "until": own.clock.now() + MINUTE}
            naive = (await conn.execute(text(NAIVE), whole)).scalar_one()
            assert await queries.spend(conn, org_id, wallet, since=began) == naive

    await own.database.read(read)


async def test_periods_are_half_open_and_later_entries_do_not_count(scene: Scene) -> None:
    await scene.fund(1000)
    at = scene.clock.advance(MINUTE)
    posted(await scene.ledger.post(scene.spend("a", 100)))
    scene.clock.advance(MINUTE)
    posted(await scene.ledger.post(scene.spend("b", 20)))

    async def read(conn: AsyncConnection) -> list[int]:
        tick = timedelta(microseconds=1)
        periods = [(START, at), (START, at + tick), (at, at + MINUTE), (at + tick, at + MINUTE), (at + MINUTE, at)]
        return [
            await queries.spend(conn, scene.org_id, scene.wallet, since=since, until=until) for since, until in periods
        ]

    assert await scene.database.read(read) == [0, 100, 100, 0, 0]


async def test_a_hot_wallet_is_read_by_its_indexes_alone(scene: Scene) -> None:
    """What is read does not grow with the number of postings that usage made."""
    await scene.fund(10**9)
    scene.clock.advance(MINUTE)
    since = scene.clock.now()
    for number in range(300):
        scene.clock.advance(timedelta(seconds=1))
        posted(await scene.ledger.post(scene.spend(f"s{number}", 1)))

    async def read(conn: AsyncConnection) -> tuple[int, int]:
        query = "SELECT coalesce(sum(idx_tup_fetch + seq_tup_read), 0) FROM pg_stat_xact_user_tables"
        await conn.execute(text("SELECT 1"))
        before = (await conn.execute(text(query))).scalar_one()
        found = await queries.spend(conn, scene.org_id, scene.wallet, since=since)
        return found, int((await conn.execute(text(query))).scalar_one() - before)

    found, rows_read = await scene.database.read(read)
    assert found == 300
    assert rows_read < 30
