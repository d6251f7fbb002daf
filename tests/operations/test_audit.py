"""The audit on the database: the service's own laws, each broken in turn by its owner and named, and the `wallet audit`
that says so."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.operations.journal_scene import FAR_FUTURE, FAR_PAST
from tests.operations.payments_lab import PaymentsLab, payments_lab
from tests.operations.usage_scene import Scene, event, scene_on
from wallet_service.clock import ManualClock
from wallet_service.db import Database, engine_for
from wallet_service.journal.audit_operations import Audit
from wallet_service.journal.laws import LAWS
from wallet_service.journal.operations import Journal
from wallet_service.journal.rules import Purpose

USAGE_CORRUPTIONS = {
    "a cost in the roll-up": (
        "UPDATE usage_hourly SET cost_minor = cost_minor + 1 WHERE resource = 'vm-1'",
        {"rollup_is_sum_of_events", "usage_is_accrued"},
    ),
    "a cost moved between resources": (
        "UPDATE usage_hourly SET cost_minor = cost_minor + CASE resource WHEN 'vm-1' THEN 1 ELSE -1 END",
        {"rollup_is_sum_of_events"},
    ),
    "a quantity in the roll-up": (
        "UPDATE usage_hourly SET quantity = quantity + 1 WHERE resource = 'vm-1'",
        {"rollup_is_sum_of_events"},
    ),
    "an event that was never rolled up": (
        "DELETE FROM usage_hourly WHERE resource = 'vm-2'",
        {"rollup_is_sum_of_events", "usage_is_accrued"},
    ),
    "an event that is gone": (
        "DELETE FROM usage_events WHERE resource = 'vm-2'",
        {"rollup_is_sum_of_events"},
    ),
    "usage that no wallet has paid": (
        "UPDATE ledger_wallets SET accrued_exact = accrued_exact - 1 WHERE accrued_exact > 0",
        {"usage_is_accrued", "carry_and_posted_are_exact_cost"},
    ),
}

TOPUP_CORRUPTIONS = {
    "another amount": "UPDATE topups SET amount_minor = amount_minor + 1 WHERE state = 'SUCCEEDED'",
    "a success without its credit": """
        UPDATE topups SET state = 'SUCCEEDED', settled_at = updated_at,
               entry_id = (SELECT entry_id FROM topups WHERE state = 'SUCCEEDED')
        WHERE state = 'PENDING'
    """,
    "a credit without a success": """
        UPDATE topups SET state = 'FAILED', entry_id = NULL WHERE state = 'SUCCEEDED'
    """,
    "a second credit": """
        UPDATE ledger_entries e SET metadata = first.metadata
        FROM ledger_entries first
        WHERE first.metadata ->> 'purpose' = 'top_up' AND e.metadata ->> 'purpose' = 'deposit'
    """,
}


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The role that owns the tables: nothing but it could break a law."""
    engine = engine_for(database_url, pool_size=2, role=None)
    yield engine
    await engine.dispose()


async def corrupt(owner: AsyncEngine, statement: str) -> None:
    async with owner.begin() as conn:
        done = await conn.execute(text(statement))
        assert done.rowcount >= 1, "the corruption met no row"


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[Scene]:
    async with scene_on(db, clock) as made:
        at = clock.now() - timedelta(hours=3)
        events = [
            event("a", "1.5", resource="vm-1", event_time=at),
            event("b", "7", resource="vm-1", event_time=at),
            event("c", "2.25", resource="vm-2", event_time=at),
        ]
        await made.recorder.record(made.org_id, events)
        yield made


@pytest.fixture
async def lab(db: Database, clock: ManualClock) -> AsyncIterator[PaymentsLab]:
    """A top-up that was credited, one that waits, and a deposit of the first one's amount."""
    async with payments_lab(db, clock) as made:
        await made.credited(5000)
        await made.start(3000)
        await Journal(db, made.ledger, made.clock).deposit(
            made.org_id, amount_minor=5000, currency="", description="", key="k"
        )
        yield made


@pytest.mark.parametrize("name", USAGE_CORRUPTIONS)
async def test_a_broken_law_of_usage_is_named(scene: Scene, owner: AsyncEngine, name: str):
    audit = Audit(scene.db)
    stranger = await scene.organization("other-org")
    assert (await audit.verify(None)).ok
    statement, expected = USAGE_CORRUPTIONS[name]
    await corrupt(owner, statement)
    found = await audit.verify(None)
    assert {broken.law for broken in found.violations} == expected
    assert {broken.organization for broken in found.violations} == {"my-org"}
    assert {broken.law for broken in (await audit.verify(scene.org_id)).violations} == expected
    assert (await audit.verify(stranger)).ok


@pytest.mark.parametrize("name", TOPUP_CORRUPTIONS)
async def test_a_broken_law_of_topups_is_named(lab: PaymentsLab, owner: AsyncEngine, name: str):
    audit = Audit(lab.db)
    assert (await audit.verify(None)).ok
    await corrupt(owner, TOPUP_CORRUPTIONS[name])
    # The hash chain also sees that an entry was changed; that is the ledger's own law.
    laws = {broken.law: broken for broken in (await audit.verify(lab.org_id)).violations}
    assert laws.keys() - {"hash_chain"} == {"topup_credited_once"}
    assert laws["topup_credited_once"].row.startswith("top-up ")


def test_every_law_of_the_service_is_broken_by_some_test():
    broken = {law for _, laws in USAGE_CORRUPTIONS.values() for law in laws} | {"topup_credited_once"}
    assert set(LAWS) <= broken


async def test_an_audit_counts_what_it_has_seen(scene: Scene):
    other = await scene.organization("other-org")
    everything = await Audit(scene.db).verify(None)
    assert (everything.organization_count, everything.entry_count) == (2, 1)
    assert {*LAWS, "hash_chain", "entry_sums_to_zero"} <= set(everything.laws)
    assert (await Audit(scene.db).verify(other)).entry_count == 0


async def test_a_payments_life_states_its_purposes(lab: PaymentsLab):
    refunded, disputed = await lab.credited(1000), await lab.credited(2000)
    await lab.refund(refunded)
    dispute_id = await lab.dispute(disputed)
    await lab.settle_everything()
    await lab.resolve(dispute_id, "won")
    await lab.settle_everything()
    found = await Journal(lab.db, lab.ledger, lab.clock).statement(
        lab.org_id, start=FAR_PAST, end=FAR_FUTURE, size=0, token=""
    )
    assert {total.purpose: (total.amount_minor, total.line_count) for total in found.totals} == {
        Purpose.TOP_UP: (8000, 3),
        Purpose.DEPOSIT: (5000, 1),
        Purpose.REFUND: (-1000, 1),
        Purpose.DISPUTE: (0, 2),
    }
    fees = await Journal(lab.db, lab.ledger, lab.clock).list_entries(
        lab.org_id, purposes=[Purpose.FEE], start=None, end=None, size=0, token=""
    )
    assert {leg.account_code for entry in fees.rows for leg in entry.legs} == {"PROVIDER_FEES", "TOPUP_CLEARING"}
    assert (await Audit(lab.db).verify(lab.org_id)).ok


def run_audit(database_url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "from wallet_service.cli import main; main()", "audit", *arguments],
        env={**os.environ, "DATABASE_URL": database_url, "WALLET_LOG_LEVEL": "error"},
        capture_output=True,
        text=True,
        timeout=60,
    )


async def test_wallet_audit_says_ok_or_names_what_is_broken(scene: Scene, owner: AsyncEngine, database_url: str):
    laws = len((await Audit(scene.db).verify(None)).laws)
    sound = run_audit(database_url)
    assert (sound.returncode, sound.stdout) == (0, f"audit ok: {laws} laws, 1 organizations, 1 entries\n"), sound.stderr
    await corrupt(owner, USAGE_CORRUPTIONS["a cost moved between resources"][0])
    broken = run_audit(database_url, "--organization", "my-org")
    lines = broken.stdout.splitlines()
    assert broken.returncode == 1
    assert lines[0].startswith("BROKEN rollup_is_sum_of_events: my-org meter compute.vm.vcpu_hours, hour ")
    assert lines[1] == f"audit NOT ok: {laws} laws, 1 organizations, 1 entries"
    unknown = run_audit(database_url, "--organization", "nobody")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr == "wallet: organization organizations/nobody was not found\n"
