"""What a lane remembers saves reads and changes no answer."""

import asyncio
import random
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import lane, memory
from ledger.batcher import Ledger
from ledger.model import CaptureHold, Duplicate, InsufficientFunds, OpenHold, Outcome, Posted, ReleaseHold, ReusedKey
from tests.ledger.conftest import Scene, posted


def count_statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first words of each statement that a driver connection runs from now on."""
    seen: list[str] = []
    for name in ("execute", "fetch"):
        original = getattr(asyncpg.Connection, name)

        async def run(conn: Any, query: str, *args: Any, original: Any = original, **options: Any) -> Any:
            seen.append(" ".join(query.split()[:2]))
            return await original(conn, query, *args, **options)

        monkeypatch.setattr(asyncpg.Connection, name, run)
    return seen


async def test_a_journal_that_is_remembered_is_not_read_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.fund(101)
    posted(await scene.ledger.post(scene.spend("revenue is known from now on", 1)))
    seen = count_statements(monkeypatch)
    posted(await scene.ledger.post(scene.spend("a", 1)))
    held = posted(await scene.ledger.post(OpenHold(org_id=scene.org_id, key="h", wallet=scene.wallet, amount_minor=30)))
    assert held.hold_id is not None
    capture = CaptureHold(
        org_id=scene.org_id, key="c", hold_id=held.hold_id, credit_account=scene.revenue, amount_minor=20
    )
    assert posted(await scene.ledger.post(capture)).wallets[0].available_minor == 79
    assert [words for words in seen if not words.startswith("SET ")] == ["WITH locked"] * 3
    assert await scene.violations() == []


async def test_a_key_of_long_ago_is_found_without_having_been_read(scene: Scene) -> None:
    await scene.fund(100)
    first = posted(await scene.ledger.post(scene.spend("first", 60)))
    for number in range(3):
        posted(await scene.ledger.post(scene.spend(f"k{number}", 1)))
    again, other, fresh, too_much = await asyncio.gather(
        *map(
            scene.ledger.post,
            [scene.spend("first", 60), scene.spend("k0", 2), scene.spend("k9", 1), scene.spend("k10", 37)],
        )
    )
    assert again == Duplicate(first.entry_id, first.entry_seq, None)
    assert other == ReusedKey()
    assert isinstance(fresh, Posted)
    assert isinstance(too_much, InsufficientFunds)
    # Alone: it could not be posted any more, and must not be refused for that.
    assert await scene.ledger.post(scene.spend("first", 60)) == again
    assert (await scene.balance()).available_minor == 36
    assert await scene.violations() == []


async def test_steps_of_holds_lead_back_to_what_is_remembered(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once somebody else has posted, a few batches are decided under the lock; then memory serves again."""
    monkeypatch.setattr(lane, "READS_AFTER_ASTRAY", 3)
    await scene.fund(100)
    posted(await scene.ledger.post(scene.spend("revenue is known from now on", 1)))
    hold = await scene.ledger.post(OpenHold(org_id=scene.org_id, key="h", wallet=scene.wallet, amount_minor=30))
    hold_id = posted(hold).hold_id
    assert hold_id is not None

    async def elsewhere(conn: AsyncConnection) -> None:
        posted((await scene.ledger.post_in(conn, [scene.spend("elsewhere", 1)]))[0])

    def capture(number: int) -> CaptureHold:
        return CaptureHold(
            org_id=scene.org_id,
            key=f"c{number}",
            hold_id=hold_id,
            credit_account=scene.revenue,
            amount_minor=1,
            release_rest=False,
        )

    await scene.database.transact(elsewhere)
    for number in range(5):
        posted(await scene.ledger.post(capture(number)))
    seen = count_statements(monkeypatch)
    posted(await scene.ledger.post(capture(5)))
    assert seen == ["WITH locked"]


async def test_holds_that_have_ended_are_not_what_is_remembered(scene: Scene) -> None:
    await scene.fund(100)
    held = posted(await scene.ledger.post(OpenHold(org_id=scene.org_id, key="h", wallet=scene.wallet, amount_minor=30)))
    assert held.hold_id is not None
    posted(await scene.ledger.post(ReleaseHold(org_id=scene.org_id, key="r", hold_id=held.hold_id)))
    capture = CaptureHold(org_id=scene.org_id, key="c", hold_id=held.hold_id, credit_account=scene.revenue)
    assert not isinstance(await scene.ledger.post(capture), Posted)
    assert (await scene.balance()).available_minor == 100


@pytest.mark.parametrize("rows_max", [0, 3, 300_000])
async def test_lanes_that_write_to_one_journal_in_turns_agree(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, rows_max: int
) -> None:
    """Three lanes, wallets and holds, keys that come twice: every key counts once and no wallet is overspent."""
    monkeypatch.setattr(memory, "ROWS_MAX", rows_max)
    wallets = [scene.wallet, await scene.open_wallet(), await scene.open_wallet()]
    for wallet in wallets:
        posted(await scene.ledger.post(scene.topup(f"fund {wallet}", 400, wallet)))
    choose = random.Random(7)
    done: dict[str, Outcome] = {}

    async def caller(ledger: Ledger, name: int) -> None:
        for number in range(60):
            key = f"{choose.randrange(4)}-{name % 3}-{number}"
            wallet = wallets[number % 3]
            opened = await ledger.post(OpenHold(org_id=scene.org_id, key=key, wallet=wallet, amount_minor=5))
            if isinstance(opened, Posted):
                assert key not in done
                done[key] = opened
                assert opened.hold_id is not None
                end = CaptureHold(
                    org_id=scene.org_id, key=f"c{key}", hold_id=opened.hold_id, credit_account=scene.revenue
                )
                posted(await ledger.post(end))
            await asyncio.sleep(0.002 * choose.random())

    async with Ledger(scene.engine, scene.clock) as second, Ledger(scene.engine, scene.clock) as third:
        lanes = (scene.ledger, second, third)
        await asyncio.gather(*(caller(lanes[name % 3], name) for name in range(9)))
    spent = 5 * len(done)
    balances = [(await scene.balance(wallet)).available_minor for wallet in wallets]
    assert sum(balances) == 1200 - spent
    assert min(balances) >= 0
    assert await scene.violations() == []
