"""Billing accounts on their way to a suspension and back: balances, time, forecasts, disputes and operators."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from tests.operations.payments_lab import PaymentsLab, payments_lab
from tests.operations.watch_scene import real_time
from wallet_service.account_states.model import PolicyChoice
from wallet_service.accounts import steps
from wallet_service.accounts.model import BillingAccountState
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.journal.hold_operations import Holds
from wallet_service.topups import store as topup_store
from wallet_service.topups.steps import refuse_pending
from wallet_service.watching.operations import BalanceWatch

WARNED, GRACE = "billing_account.warned", "billing_account.grace_started"
SUSPENDED, RESUMED = "billing_account.suspended", "billing_account.resumed"


@dataclass
class Scene:
    """One organization, whose balance is watched when a test says so."""

    lab: PaymentsLab
    watch: BalanceWatch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = BalanceWatch(self.lab.db, self.lab.clock, [self.lab.account_states], time_of=real_time)

    async def fund(self, amount_minor: int) -> None:
        """A top-up, settled, not yet seen by the watch."""
        await self.lab.credited(amount_minor)

    async def burn(self, amount_minor: int) -> None:
        """Money leaves the wallet, and the watch sees it."""
        await self.lab.spend(amount_minor)
        await self.see()

    async def see(self) -> None:
        await self.watch.run_due(self.lab.org_id)
        await self.lab.account_states.run_due(self.lab.org_id)

    async def later(self, **by: float) -> None:
        """Time goes on, and what is due by then is done."""
        self.lab.clock.advance(timedelta(**by))
        await self.lab.account_states.run_due(None)

    async def state(self) -> tuple[BillingAccountState, str | None]:
        account = await self.lab.db.read(lambda conn: steps.billing_account(conn, self.lab.org_id))
        return account.state, account.suspended_reason

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        rows = await self.lab.rows(
            "SELECT type, data FROM events WHERE org_id = :org AND type LIKE 'billing_account.%' ORDER BY seq",
            org=self.lab.org_id,
        )
        return [(row[0], row[1]) for row in rows]

    async def types(self) -> list[str]:
        return [type for type, _ in await self.events()]

    async def past_usage(self, per_hour_minor: int) -> None:
        """The same usage in each of the last 168 hours, as the roll-up has it."""
        async with self.lab.db.engine.begin() as conn:
            await conn.execute(
                text(
                    """
                    INSERT INTO usage_hourly (org_id, hour, project_id, meter, resource, datacenter, currency, quantity,
                                              cost_minor, discount_minor, event_count)
                    SELECT :org, date_trunc('hour', CAST(:now AS timestamptz)) - n * interval '1 hour', :org, 'm', '', '',
                           'USD', 1, :cost, 0, 1
                    FROM generate_series(1, 168) n
                    """
                ),
                {"org": self.lab.org_id, "now": self.lab.clock.now(), "cost": per_hour_minor},
            )


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[Scene]:
    async with payments_lab(db, clock) as lab:
        yield Scene(lab)


class TestRunningOut:
    async def test_grace_then_suspension_then_a_top_up_resumes(self, scene):
        await scene.fund(1000)
        await scene.burn(400)
        assert await scene.types() == []
        await scene.later(minutes=1)
        await scene.lab.spend(600)
        await scene.see()
        [(type, data)] = await scene.events()
        assert type == GRACE
        assert data["suspend_at"] == (scene.lab.clock.now() + timedelta(hours=24)).isoformat().replace("+00:00", "Z")
        await scene.later(hours=23, minutes=59)
        assert await scene.state() == (BillingAccountState.ACTIVE, None)
        await scene.later(minutes=1)
        assert await scene.state() == (BillingAccountState.SUSPENDED, "low_balance")
        await scene.see()
        await scene.fund(500)
        assert await scene.state() == (BillingAccountState.ACTIVE, None)
        await scene.see()
        assert await scene.types() == [GRACE, SUSPENDED, RESUMED]

    async def test_money_in_time_ends_the_grace(self, scene):
        await scene.fund(1000)
        await scene.burn(1000)
        await scene.fund(500)
        await scene.see()
        await scene.later(hours=30)
        assert await scene.state() == (BillingAccountState.ACTIVE, None)
        assert await scene.types() == [GRACE]
        await scene.burn(500)
        assert await scene.types() == [GRACE, GRACE]

    async def test_a_policy_without_suspension_suspends_nobody_and_frees_who_is(self, scene):
        await scene.fund(1000)
        await scene.burn(1000)
        await scene.later(hours=24)
        policy = await scene.lab.account_states.choose_policy(scene.lab.org_id, PolicyChoice(suspends=False))
        assert not policy.suspends
        assert await scene.state() == (BillingAccountState.ACTIVE, None)
        await scene.later(hours=48)
        assert await scene.types() == [GRACE, SUSPENDED, RESUMED]

    async def test_without_grace_the_end_of_the_balance_suspends_at_once(self, scene):
        await scene.lab.account_states.choose_policy(scene.lab.org_id, PolicyChoice(grace_hours=0))
        await scene.fund(1000)
        await scene.burn(1000)
        assert await scene.types() == [SUSPENDED]

    async def test_many_workers_make_each_step_once(self, scene):
        await scene.fund(1000)
        await scene.lab.spend(1000)
        watches = [
            BalanceWatch(scene.lab.db, scene.lab.clock, [scene.lab.account_states], time_of=real_time) for _ in range(4)
        ]
        await asyncio.gather(*(watch.run_due(scene.lab.org_id) for watch in watches))
        scene.lab.clock.advance(timedelta(hours=24))
        await asyncio.gather(*(scene.lab.account_states.run_due(None) for _ in range(4)))
        assert await scene.types() == [GRACE, SUSPENDED]


class TestWarnings:
    async def test_each_warning_is_given_once_as_the_end_comes_near(self, scene):
        await scene.past_usage(10)
        await scene.fund(1000)
        await scene.see()
        assert await scene.types() == []
        for balance_left in (730, 710, 700, 230, 220, 9):
            [(balance,)] = await scene.lab.rows(
                "SELECT available_minor FROM ledger_wallets WHERE org_id = :org", org=scene.lab.org_id
            )
            await scene.lab.spend(balance - balance_left)
            await scene.see()
            await scene.later(hours=1)
        warnings = [(data["hours"], data["currency"]) for type, data in await scene.events() if type == WARNED]
        assert warnings == [(72, "USD"), (24, "USD"), (1, "USD")]

    async def test_an_account_that_is_idle_is_warned_of_nothing(self, scene):
        await scene.fund(1000)
        await scene.see()
        await scene.later(days=30)
        assert await scene.types() == []
        assert scene.lab.org_id in await scene.lab.account_states.next_due([scene.lab.org_id])


class TestDisputes:
    async def test_one_that_is_won_while_another_is_opened_resumes_nothing(self, scene):
        topup = await scene.lab.credited()
        dispute = await scene.lab.dispute(topup)
        await scene.lab.settle_everything()
        known = await scene.lab.db.read(lambda conn: topup_store.read_taken_back(conn, topup))
        opened = known[dispute]
        won = replace(opened, status="won")
        another = replace(opened, reversal_id=new_id(scene.lab.clock.now()), provider_reference="another")
        both_changed = asyncio.Event()

        async def win(conn: AsyncConnection) -> None:
            await topup_store.update_taken_back(conn, won, scene.lab.clock.now())
            await scene.lab.account_states.claim_changed(conn, topup, opened, won)
            await both_changed.wait()

        async def open_another(conn: AsyncConnection) -> None:
            await topup_store.insert_taken_back(conn, another)
            await scene.lab.account_states.claim_changed(conn, topup, None, another)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(scene.lab.db.transact(win))
            await asyncio.sleep(0.2)
            opening = tasks.create_task(scene.lab.db.transact(open_another))
            await asyncio.wait([opening], timeout=0.5)
            both_changed.set()
        assert await scene.state() == (BillingAccountState.SUSPENDED, "dispute")

    @pytest.mark.parametrize(
        ("outcome", "state"), [("won", BillingAccountState.ACTIVE), ("lost", BillingAccountState.SUSPENDED)]
    )
    async def test_suspends_until_it_is_won(self, scene, outcome, state):
        topup = await scene.lab.credited(5000)
        await scene.lab.credited(5000)
        dispute = await scene.lab.dispute(topup)
        await scene.lab.settle_everything()
        assert await scene.state() == (BillingAccountState.SUSPENDED, "dispute")
        await scene.lab.resolve(dispute, outcome)
        await scene.lab.settle_everything()
        assert (await scene.state())[0] is state
        if outcome == "lost":
            await scene.lab.account_states.resume(scene.lab.org_id)
        assert await scene.state() == (BillingAccountState.ACTIVE, None)
        assert await scene.types() == [SUSPENDED, RESUMED]

    async def test_a_top_up_does_not_end_it(self, scene):
        topup = await scene.lab.credited(5000)
        await scene.lab.dispute(topup)
        await scene.lab.settle_everything()
        await scene.fund(5000)
        await scene.see()
        assert await scene.state() == (BillingAccountState.SUSPENDED, "dispute")


class TestOperator:
    async def test_suspends_and_resumes_once_however_often(self, scene):
        states = scene.lab.account_states
        await scene.fund(1000)
        for _ in range(2):
            account = await states.suspend(scene.lab.org_id)
            assert (account.state, account.suspended_reason) == (BillingAccountState.SUSPENDED, "manual")
        await scene.fund(1000)
        await scene.see()
        assert await scene.state() == (BillingAccountState.SUSPENDED, "manual")
        for _ in range(2):
            assert (await states.resume(scene.lab.org_id)).state is BillingAccountState.ACTIVE
        assert await scene.types() == [SUSPENDED, RESUMED]

    async def test_a_suspended_account_sets_nothing_aside(self, scene):
        holds = Holds(scene.lab.db, scene.lab.ledger, scene.lab.clock)

        async def hold(key: str):
            return await holds.create(
                scene.lab.org_id, amount_minor=100, currency="USD", expires_at=None, description="", key=key
            )

        await scene.fund(1000)
        await scene.lab.account_states.suspend(scene.lab.org_id)
        with pytest.raises(ServiceError) as refused:
            await hold("a")
        assert (refused.value.code, refused.value.reason) == (
            Code.FAILED_PRECONDITION,
            Reason.BILLING_ACCOUNT_SUSPENDED,
        )
        await scene.lab.account_states.resume(scene.lab.org_id)
        await hold("a")

    async def test_the_gravest_reason_is_shown_and_the_next_one_remains(self, scene):
        states = scene.lab.account_states
        topup = await scene.lab.credited(5000)
        await scene.lab.credited(5000)
        dispute = await scene.lab.dispute(topup)
        await scene.lab.settle_everything()
        await states.suspend(scene.lab.org_id)
        assert await scene.state() == (BillingAccountState.SUSPENDED, "manual")
        await scene.lab.resolve(dispute, "won")
        await scene.lab.settle_everything()
        assert await scene.state() == (BillingAccountState.SUSPENDED, "manual")
        assert [data["reason"] for _, data in await scene.events()] == ["dispute", "manual"]

    async def test_resuming_without_money_begins_the_grace_anew(self, scene):
        await scene.fund(1000)
        await scene.burn(1000)
        await scene.later(hours=24)
        await scene.lab.account_states.resume(scene.lab.org_id)
        assert await scene.state() == (BillingAccountState.ACTIVE, None)
        await scene.later(hours=24)
        assert await scene.types() == [GRACE, SUSPENDED, RESUMED, GRACE, SUSPENDED]

    async def test_closes_an_account_without_a_wallet_for_good(self, scene):
        states, org_id = scene.lab.account_states, scene.lab.org_id
        wallets = Wallets(scene.lab.db, scene.lab.clock, close_guards=(refuse_pending,))
        with pytest.raises(ServiceError) as refused:
            await states.close(org_id)
        assert (refused.value.code, refused.value.reason) == (Code.FAILED_PRECONDITION, Reason.WALLET_NOT_EMPTY)
        await wallets.delete(org_id)
        for _ in range(2):
            assert (await states.close(org_id)).state is BillingAccountState.CLOSED
        for refused_call in (
            states.suspend(org_id),
            states.resume(org_id),
            wallets.create(org_id, currency="", display_name=""),
        ):
            with pytest.raises(ServiceError) as refused:
                await refused_call
            assert refused.value.reason is Reason.BILLING_ACCOUNT_CLOSED
        assert await scene.types() == ["billing_account.closed"]

    async def test_a_wallet_with_a_pending_top_up_is_not_deleted(self, scene):
        wallets = Wallets(scene.lab.db, scene.lab.clock, close_guards=(refuse_pending,))
        await scene.lab.start(5000)
        with pytest.raises(ServiceError) as refused:
            await wallets.delete(scene.lab.org_id)
        assert (refused.value.reason, refused.value.metadata) == (Reason.WALLET_NOT_EMPTY, {"pending_top_ups": "1"})

    async def test_a_policy_is_replaced_as_a_whole(self, scene):
        states, org_id = scene.lab.account_states, scene.lab.org_id
        chosen = await states.choose_policy(org_id, PolicyChoice(warn_hours=(5, 48), grace_hours=2))
        assert (chosen.warn_hours, chosen.grace, chosen.suspends) == ((48, 5), timedelta(hours=2), True)
        assert await states.policy(org_id) == chosen
        await states.choose_policy(org_id, PolicyChoice())
        assert (await states.policy(org_id)).warn_hours == (72, 24, 1)
        with pytest.raises(ServiceError) as refused:
            await states.choose_policy(org_id, PolicyChoice(warn_hours=(5, 5)))
        assert refused.value.code is Code.INVALID_ARGUMENT
