"""Each law is broken in turn, by the owner of the tables, and the audit names it and the row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.invariants import CHAIN_LAW, LAWS, Violation, check_all
from ledger.model import Accrue, CaptureHold, OpenHold, Reversal
from tests.ledger.conftest import Scene, posted


@dataclass(frozen=True)
class Corruption:
    """Statements that break a law, the row that the audit must name, and what else is broken by the same."""

    law: str
    statements: tuple[str, ...]
    row: str
    also: frozenset[str] = frozenset()


CORRUPTIONS: Mapping[str, Corruption] = {
    "a leg is changed": Corruption(
        "entry_sums_to_zero",
        ("UPDATE ledger_postings SET amount_minor = amount_minor - 1 WHERE entry_seq = 2 AND leg = 1",),
        "entry 2",
        frozenset({CHAIN_LAW}),
    ),
    "an entry has lost its legs": Corruption(
        "entry_sums_to_zero",
        ("DELETE FROM ledger_postings WHERE entry_seq = 2",),
        "entry 2",
        frozenset(
            {
                CHAIN_LAW,
                "live_balance_is_sum_of_postings",
                "running_balance_is_sum_of_postings",
                "reversals_within_originals",
            }
        ),
    ),
    "a posting of no entry": Corruption(
        "posting_belongs",
        (
            "INSERT INTO ledger_postings SELECT org_id, 99, leg, account_id, amount_minor, NULL"
            " FROM ledger_postings WHERE entry_seq = 1 AND balance_after_minor IS NULL",
        ),
        "entry 99 leg 0",
    ),
    "a posting to another currency": Corruption(
        "posting_belongs",
        ("UPDATE ledger_accounts SET currency = 'EUR' WHERE kind = 'revenue'",),
        "entry 2 leg 1",
    ),
    "money out of nothing": Corruption(
        "live_balance_is_sum_of_postings",
        ("UPDATE ledger_wallets SET available_minor = available_minor + 1",),
        "wallet {wallet}",
    ),
    "more is held": Corruption(
        "live_balance_is_sum_of_postings",
        ("UPDATE ledger_wallets SET held_minor = held_minor + 1",),
        "wallet {wallet}",
        frozenset({"held_is_open_holds"}),
    ),
    "a running balance": Corruption(
        "running_balance_is_sum_of_postings",
        ("UPDATE ledger_postings SET balance_after_minor = balance_after_minor + 1 WHERE entry_seq = 1 AND leg = 1",),
        "entry 1 leg 1",
    ),
    "a hold is smaller": Corruption(
        "held_is_open_holds",
        ("UPDATE ledger_holds SET remaining_minor = remaining_minor - 1 WHERE state = 'open'",),
        "wallet {wallet}",
        frozenset({"hold_is_its_entries"}),
    ),
    "a hold captured less": Corruption(
        "hold_is_its_entries",
        ("UPDATE ledger_holds SET captured_minor = captured_minor - 1 WHERE state = 'open'",),
        "hold {hold}",
    ),
    "a fraction is lost": Corruption(
        "carry_and_posted_are_exact_cost",
        ("UPDATE ledger_wallets SET carry = carry - 0.001",),
        "wallet {wallet}",
    ),
    "a carry of a whole unit": Corruption(
        "carry_and_posted_are_exact_cost",
        (
            "ALTER TABLE ledger_wallets DROP CONSTRAINT ck_ledger_wallets_carry",
            "UPDATE ledger_wallets SET carry = carry + 1, accrued_exact = accrued_exact + 1",
        ),
        "wallet {wallet}",
    ),
    "a transfer below zero": Corruption(
        "only_usage_goes_below_zero",
        ("UPDATE ledger_entries SET kind = 'transfer' WHERE entry_seq = 6",),
        "entry 6",
        frozenset({CHAIN_LAW, "carry_and_posted_are_exact_cost"}),
    ),
    "an entry is gone": Corruption(
        "numbers_without_gap",
        ("DELETE FROM ledger_entries WHERE entry_seq = 2",),
        "entry 3",
        frozenset({CHAIN_LAW, "posting_belongs", "key_names_an_entry", "reversals_within_originals"}),
    ),
    "the book is ahead": Corruption(
        "numbers_without_gap",
        ("UPDATE ledger_books SET entry_seq = entry_seq + 1",),
        "book",
        frozenset({CHAIN_LAW}),
    ),
    "time runs backwards": Corruption(
        "numbers_without_gap",
        ("UPDATE ledger_entries SET recorded_at = recorded_at - interval '1 day' WHERE entry_seq = 4",),
        "entry 4",
        frozenset({CHAIN_LAW}),
    ),
    "a reversal is not counted": Corruption(
        "reversals_within_originals",
        ("DELETE FROM ledger_reversals",),
        "entry {spent}",
    ),
    "a reversal above its original": Corruption(
        "reversals_within_originals",
        (
            "UPDATE ledger_postings SET amount_minor = amount_minor * 1000 WHERE entry_seq = 5",
            "UPDATE ledger_reversals SET reversed_minor = reversed_minor * 1000",
        ),
        "entry {spent}",
        frozenset({CHAIN_LAW, "live_balance_is_sum_of_postings", "running_balance_is_sum_of_postings"}),
    ),
    "a key of no entry": Corruption(
        "key_names_an_entry",
        ("UPDATE ledger_keys SET entry_seq = 77 WHERE entry_seq = 3",),
        "key ",
    ),
    "a description is changed": Corruption(
        CHAIN_LAW,
        ("UPDATE ledger_entries SET description = 'something else' WHERE entry_seq = 2",),
        "entry 2",
    ),
    "metadata is changed": Corruption(
        CHAIN_LAW,
        ('UPDATE ledger_entries SET metadata = \'{"a": "b"}\' WHERE entry_seq = 3',),
        "entry 3",
    ),
    "a hash is changed with its book": Corruption(
        CHAIN_LAW,
        (
            "UPDATE ledger_entries SET hash = sha256('x') WHERE entry_seq = 6",
            "UPDATE ledger_books SET chain_hash = sha256('x')",
        ),
        "entry 6",
    ),
    "the head of the book is another": Corruption(
        CHAIN_LAW,
        ("UPDATE ledger_books SET chain_hash = sha256('x')",),
        "book",
    ),
}


async def fill(scene: Scene) -> dict[str, str]:
    """Six entries: top-up, spending, a hold captured in part, a reversal, usage that goes below zero."""
    await scene.fund(1000)
    spent = posted(await scene.ledger.post(scene.spend("spend", 300)))
    hold = posted(
        await scene.ledger.post(OpenHold(org_id=scene.org_id, key="hold", wallet=scene.wallet, amount_minor=200))
    )
    assert hold.hold_id is not None
    assert spent.entry_id is not None
    scene.clock.advance(timedelta(hours=1))
    await scene.ledger.post(
        CaptureHold(
            org_id=scene.org_id,
            key="capture",
            hold_id=hold.hold_id,
            credit_account=scene.revenue,
            amount_minor=50,
            release_rest=False,
        )
    )
    await scene.ledger.post(
        Reversal(org_id=scene.org_id, key="back", original_entry_id=spent.entry_id, amount_minor=100)
    )
    usage = await scene.ledger.post(
        Accrue(
            org_id=scene.org_id,
            key="usage",
            wallet=scene.wallet,
            revenue_account=scene.revenue,
            exact_minor=Decimal("700.25"),
        )
    )
    assert posted(usage).wallets[0].available_minor == -100
    assert await scene.violations() == []
    return {"wallet": str(scene.wallet), "hold": str(hold.hold_id), "spent": str(spent.entry_id)}


@pytest.mark.parametrize("name", CORRUPTIONS)
async def test_a_broken_law_is_named(scene: Scene, owner: AsyncEngine, name: str) -> None:
    names = await fill(scene)
    corruption = CORRUPTIONS[name]
    async with owner.begin() as conn:
        # The owner's hand is not stopped by foreign keys either.
        await conn.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in corruption.statements:
            await conn.execute(text(statement))
    found = {violation.law: violation for violation in await scene.violations()}
    violation = found[corruption.law]
    assert violation.org_id == scene.org_id
    assert violation.row.startswith(corruption.row.format(**names))
    assert set(found) == {corruption.law} | corruption.also


def test_every_law_is_broken_by_some_test() -> None:
    assert {corruption.law for corruption in CORRUPTIONS.values()} == {*LAWS, CHAIN_LAW}


async def test_an_audit_of_one_organization_sees_only_it(scene: Scene, owner: AsyncEngine) -> None:
    await fill(scene)
    async with owner.begin() as conn:
        await conn.execute(text("UPDATE ledger_wallets SET available_minor = 0"))

    async def audit(org_id: object) -> list[Violation]:
        return await scene.database.read(lambda conn: check_all(conn, org_id))  # type: ignore[arg-type]

    assert [violation.law for violation in await audit(scene.org_id)] == ["live_balance_is_sum_of_postings"]
    assert await audit(scene.wallet) == []
