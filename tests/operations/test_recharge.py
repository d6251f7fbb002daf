"""Automatic recharging against the payment simulator: consent, what sets it off, how much, declines, races."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.operations.payments_lab import (
    AUTHENTICATE,
    DECLINED_AFTER_SAVING,
    DISPUTED,
    GOOD,
    REFUND_FAILS,
    payments_lab,
)
from tests.operations.recharge_scene import KEY_ID, RechargeScene
from tests.operations.watch_scene import real_time
from wallet_service.account_states import store as standings
from wallet_service.account_states.model import PolicyChoice
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Reason, ServiceError
from wallet_service.recharge import store as recharges
from wallet_service.recharge.model import AttemptState, DisabledReason, SkipReason
from wallet_service.topups.model import Origin, TopUpState
from wallet_service.watching.operations import BalanceWatch


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[RechargeScene]:
    async with payments_lab(db, clock) as lab:
        yield RechargeScene(lab)


class TestConfiguring:
    async def test_a_wallet_that_was_never_configured_is_off(self, scene):
        view = await scene.lab.recharges.get(scene.lab.org_id)
        assert (view.config, view.consent, view.currency) == (None, None, "USD")
        assert (await scene.lab.recharges.disable(scene.lab.org_id)).config is None
        assert await scene.events() == []

    async def test_turning_it_on_records_who_when_and_the_words(self, scene):
        view = await scene.enable(close_gap_max_minor=20_000)
        assert view.config.is_enabled
        assert view.config.terms.daily_cap_minor == 100_000
        assert view.config.terms.monthly_cap_minor == 600_000
        assert view.config.terms.cooldown == timedelta(minutes=5)
        assert (view.consent.key_id, view.consent.agreed_at) == (KEY_ID, scene.lab.clock.now())
        words = view.consent.mandate_text
        assert all(part in words for part in ("1000 USD", "visa 4242", "5000 to 20000", "100000 USD in 24 hours"))
        [(kind, data)] = await scene.events()
        assert (kind, data["enabled"], data["amount_minor"]) == ("configured", True, 5000)

        again = await scene.enable(card=scene.card, mandate_text="I agree.")
        assert (again.consent.mandate_text, again.consent.mandate_version) == ("I agree.", "shown_by_caller")
        [(count,)] = await scene.lab.rows("SELECT count(*) FROM auto_recharge_consents")
        assert count == 2

    async def test_turning_it_off_keeps_what_is_stored(self, scene):
        before = (await scene.enable()).config
        off = (await scene.lab.recharges.disable(scene.lab.org_id)).config
        assert (off.is_enabled, off.terms, off.disabled_reason) == (False, before.terms, None)
        await scene.fall()
        assert scene.lab.intents() == []

    async def test_deleting_is_final_and_may_be_repeated(self, scene):
        await scene.enable()
        await scene.lab.recharges.delete(scene.lab.org_id)
        await scene.lab.recharges.delete(scene.lab.org_id)
        assert (await scene.lab.recharges.get(scene.lab.org_id)).config is None
        assert await scene.happened() == ["deleted"]
        await scene.fall()
        assert scene.lab.intents() == []

    @pytest.mark.parametrize(
        ("fields", "reason", "field"),
        [
            ({"threshold_minor": 0}, Reason.INVALID_FIELD, "threshold_minor"),
            ({"amount_minor": 0}, Reason.INVALID_FIELD, "amount_minor"),
            ({"amount_minor": 49}, Reason.AMOUNT_TOO_SMALL, None),
            ({"amount_minor": 1_000_001}, Reason.AMOUNT_TOO_LARGE, None),
            ({"close_gap_max_minor": 4999}, Reason.INVALID_FIELD, "close_gap_max_minor"),
            ({"close_gap_max_minor": 1_000_001}, Reason.INVALID_FIELD, "close_gap_max_minor"),
            ({"daily_cap_minor": 4999}, Reason.INVALID_FIELD, "daily_cap_minor"),
            ({"monthly_cap_minor": 4999}, Reason.INVALID_FIELD, "monthly_cap_minor"),
            ({"cooldown": timedelta(days=2)}, Reason.INVALID_FIELD, "cooldown_seconds"),
            ({"payment_method_id": "pm_nobody"}, Reason.RESOURCE_NOT_FOUND, None),
        ],
    )
    async def test_terms_that_make_no_sense_are_refused(self, scene, fields, reason, field):
        with pytest.raises(ServiceError) as refused:
            await scene.enable(**fields)
        assert refused.value.reason is reason
        assert refused.value.metadata.get("field") == field
        assert (await scene.lab.recharges.get(scene.lab.org_id)).config is None

    async def test_the_card_of_another_organization_is_not_found(self, scene):
        card = await scene.lab.saved_card()
        await scene.lab.open("other-org")
        with pytest.raises(ServiceError) as refused:
            await scene.enable(card=card)
        assert refused.value.reason is Reason.RESOURCE_NOT_FOUND


class TestWhatSetsItOff:
    async def test_a_posting_that_leaves_less_than_the_threshold(self, scene):
        await scene.lab.credited(3000)
        await scene.enable()
        await scene.fall(2000)
        assert await scene.happened() == []
        await scene.fall(1)
        assert [charge["amount"] for charge in scene.charges()] == [3000, 5000]
        assert await scene.available() == 5999
        assert await scene.happened() == ["started", "succeeded"]
        [topup] = (await scene.lab.topups.list(scene.lab.org_id, state=None, size=1, token="")).rows
        assert (topup.origin, topup.state, topup.amount_minor) == (Origin.AUTO, TopUpState.SUCCEEDED, 5000)
        assert (await scene.config()).last_succeeded_at == scene.lab.clock.now()

    async def test_configuring_alone_never_charges_however_low_the_balance(self, scene):
        await scene.use(500)
        await scene.enable()
        await scene.see()
        await scene.later(days=3)
        assert await scene.happened() == []
        await scene.fall()
        assert len(scene.charges()) == 1

    async def test_a_balance_that_recovered_before_anybody_looked(self, scene):
        await scene.enable()
        await scene.use(100)
        await scene.lab.credited(2000)
        await scene.see()
        assert await scene.happened() == []

    async def test_what_one_recharge_leaves_open_the_next_one_closes_after_the_cooldown(self, scene):
        await scene.enable()
        await scene.fall(9000)
        assert await scene.available() == -4000
        await scene.see()
        assert await scene.happened() == ["started", "succeeded", "skipped"]
        assert (await scene.events())[-1][1]["reason"] == "cooldown"
        config = await scene.config()
        assert config.next_attempt_at == scene.lab.clock.now() + timedelta(minutes=5)
        assert await scene.later(minutes=4) == 0
        await scene.later(minutes=1)
        assert await scene.available() == 1000
        assert len(scene.charges()) == 2

    async def test_one_charge_closes_a_gap_where_that_was_agreed_to(self, scene):
        await scene.enable(close_gap_max_minor=50_000)
        await scene.fall(20_000)
        assert [charge["amount"] for charge in scene.charges()] == [21_000]
        assert await scene.available() == 1000

    async def test_a_gap_beyond_what_was_agreed_to_is_closed_up_to_that(self, scene):
        await scene.enable(close_gap_max_minor=15_000)
        await scene.fall(20_000)
        assert [charge["amount"] for charge in scene.charges()] == [15_000]

    async def test_a_pending_top_up_counts_as_arrived(self, scene):
        await scene.enable()
        await scene.lab.fault("disconnect_after")
        with pytest.raises(ServiceError):
            await scene.lab.start(5000, payment_method_id=scene.card)
        await scene.fall(1)
        assert await scene.happened() == ["skipped"]
        assert (await scene.config()).last_skip is SkipReason.PENDING_TOP_UP
        await scene.lab.settle_everything()
        assert await scene.available() == 4999
        await scene.later(minutes=5)
        assert (await scene.config()).last_skip is None
        assert len(scene.charges()) == 1

    @pytest.mark.parametrize(
        ("state", "reason", "is_charged"),
        [
            ("suspended", "'low_balance'", True),
            ("suspended", "'dispute'", False),
            ("suspended", "'manual'", False),
            ("closed", "NULL", False),
        ],
    )
    async def test_only_an_account_that_ran_out_of_money_is_charged_beside_active_ones(
        self, scene, state, reason, is_charged
    ):
        await scene.enable()
        await scene.lab.execute(f"UPDATE billing_accounts SET state = '{state}', suspended_reason = {reason}")
        await scene.fall(1)
        assert len(scene.charges()) == is_charged
        assert await scene.happened() == (["started", "succeeded"] if is_charged else ["skipped"])


class TestDeclines:
    async def test_a_decline_that_may_pass_is_tried_after_1_24_and_72_hours_then_it_is_off(self, scene):
        await scene.enable(token=DECLINED_AFTER_SAVING)
        await scene.fall(1)
        delays = []
        for _ in range(3):
            config = await scene.config()
            assert config.is_enabled
            assert config.last_error_code == "generic_decline"
            delay = config.next_attempt_at - scene.lab.clock.now()
            delays.append(delay // timedelta(hours=1))
            await scene.fall(1)
            before = len(scene.lab.intents())
            scene.lab.clock.advance(delay - timedelta(seconds=1))
            assert await scene.lab.recharge_work.run_due(scene.lab.org_id) == 0
            assert len(scene.lab.intents()) == before
            await scene.later(seconds=1)
        assert delays == [1, 24, 72]
        config = await scene.config()
        assert (config.is_enabled, config.disabled_reason) == (False, DisabledReason.RETRIES_EXHAUSTED)
        assert config.next_attempt_at is None
        await scene.later(days=30)
        await scene.fall(1)
        assert [intent["status"] for intent in scene.lab.intents()] == ["canceled"] * 4
        assert (await scene.happened())[-2:] == ["failed", "disabled"]
        assert (await scene.events())[-1][1]["reason"] == "retries_exhausted"

    async def test_a_retry_finds_that_the_balance_has_recovered(self, scene):
        await scene.enable(token=DECLINED_AFTER_SAVING)
        await scene.fall(1)
        await scene.lab.credited(4000)
        await scene.later(hours=1)
        assert len([intent for intent in scene.lab.intents() if intent["status"] == "canceled"]) == 1
        assert (await scene.config()).next_attempt_at is None

    async def test_a_success_forgets_the_declines(self, scene):
        await scene.enable(token=DECLINED_AFTER_SAVING)
        await scene.fall(1)
        assert (await scene.config()).failure_count == 1
        await scene.enable(token="pm_card_mastercard")
        config = await scene.config()
        assert (config.failure_count, config.last_error, config.last_failed_at, config.next_attempt_at) == (
            0,
            None,
            None,
            None,
        )
        scene.lab.clock.advance(timedelta(minutes=5))
        await scene.fall(1)
        assert len(scene.charges()) == 1

    async def test_authentication_leaves_one_payment_that_can_be_confirmed_on_session(self, scene):
        await scene.enable(token=AUTHENTICATE)
        await scene.fall(1)
        config = await scene.config()
        assert (config.is_enabled, config.disabled_reason) == (False, DisabledReason.AUTHENTICATION_REQUIRED)
        assert await scene.happened() == ["started", "action_required", "disabled"]
        view = await scene.lab.recharges.get(scene.lab.org_id)
        assert view.open_attempt.state is AttemptState.ACTION_REQUIRED
        confirmed = await scene.lab.topups.confirm(scene.lab.org_id, view.open_attempt.topup_id)
        assert confirmed.client_secret.startswith(confirmed.topup.external_id)
        await scene.fall(1)
        await scene.later(days=1)
        assert len(scene.lab.intents()) == 1

        await scene.lab.pay(confirmed.topup, AUTHENTICATE)
        await scene.lab.authenticate(confirmed.topup, passed=True)
        await scene.lab.settle_everything()
        assert await scene.available() == 4998
        view = await scene.lab.recharges.get(scene.lab.org_id)
        assert view.open_attempt is None
        # Paying is no consent to be charged again.
        assert not view.config.is_enabled
        assert (await scene.happened())[-1] == "succeeded"

    async def test_turning_it_on_again_gives_up_the_payment_that_waits(self, scene):
        await scene.enable(token=AUTHENTICATE)
        await scene.fall(1)
        await scene.enable(token=GOOD)
        await scene.use(1)
        await scene.see()
        assert (await scene.config()).last_skip is SkipReason.IN_FLIGHT
        await scene.charge()
        assert [intent["status"] for intent in scene.lab.intents()] == ["canceled"]
        assert (await scene.config()).failure_count == 0
        await scene.later(minutes=5)
        assert [intent["status"] for intent in scene.lab.intents()] == ["canceled", "succeeded"]

    @pytest.mark.parametrize("reported", ["dispute", "fraud_warning"])
    async def test_a_payment_that_is_called_back_turns_it_off(self, scene, reported):
        first = await scene.lab.credited(500)
        await scene.enable()
        if reported == "dispute":
            await scene.lab.dispute(first)
        else:
            await scene.lab.control("fraud_warnings", payment_intent=first.external_id)
        await scene.lab.settle_everything()
        config = await scene.config()
        assert (config.is_enabled, config.disabled_reason) == (False, DisabledReason(reported))
        await scene.fall(1)
        assert scene.lab.intents()[1:] == []
        assert await scene.happened() == ["disabled"]


class TestUnknownOutcomes:
    async def test_a_lost_answer_stays_one_charge_and_is_resolved_by_the_webhook(self, scene):
        await scene.enable()
        await scene.lab.fault("disconnect_after")
        await scene.fall(1)
        assert (await scene.lab.recharges.get(scene.lab.org_id)).open_attempt.state is AttemptState.IN_FLIGHT
        await scene.fall(1)
        assert await scene.happened() == ["started", "skipped"]
        await scene.lab.settle_everything()
        assert await scene.available() == 4998
        await scene.later(hours=1)
        assert len(scene.lab.intents()) == 1
        assert await scene.happened() == ["started", "skipped", "succeeded"]

    async def test_without_webhooks_the_same_key_is_sent_again(self, scene):
        await scene.enable()
        await scene.lab.deliver("drop")
        await scene.lab.fault("disconnect_after")
        await scene.fall(1)
        await scene.later(seconds=10)
        assert await scene.available() == 4999
        assert len(scene.charges()) == 1

    async def test_a_request_that_never_arrived_is_sent_again(self, scene):
        await scene.enable()
        await scene.lab.fault("disconnect_before")
        await scene.fall(1)
        assert scene.lab.intents() == []
        await scene.later(seconds=10)
        assert len(scene.charges()) == 1

    async def test_a_worker_that_died_with_the_attempt_in_hand(self, scene):
        await scene.enable()
        await scene.use(1)
        await scene.see()
        now = scene.lab.clock.now()
        await scene.lab.execute("UPDATE auto_recharge_attempts SET next_check_at = :at, try_count = 1", at=now)
        await scene.lab.execute("DELETE FROM pgqueuer")
        await scene.later(seconds=0)
        assert len(scene.charges()) == 1

    async def test_what_nobody_answers_for_a_day_has_failed_and_is_tried_again(self, scene):
        await scene.enable()
        await scene.lab.fault("disconnect_before", times=1000)
        await scene.fall(1)
        for _ in range(5):
            await scene.later(hours=4)
        assert (await scene.lab.recharges.get(scene.lab.org_id)).open_attempt is not None
        await scene.lab.http.delete("/_sim/faults")
        # The provider may have forgotten the key by now, so the payment is looked for and not sent again.
        await scene.later(hours=4)
        assert scene.lab.intents() == []
        config = await scene.config()
        assert (config.is_enabled, config.last_error_code) == (True, "never_started")
        await scene.later(hours=1)
        assert len(scene.charges()) == 1
        assert await scene.happened() == ["started", "failed", "started", "succeeded"]


class TestRaces:
    async def test_turned_off_between_claim_and_charge_nothing_is_charged(self, scene):
        await scene.enable()
        await scene.use(1)
        await scene.see()
        await scene.lab.recharges.disable(scene.lab.org_id)
        await scene.charge()
        assert scene.lab.intents() == []
        view = await scene.lab.recharges.get(scene.lab.org_id)
        assert view.open_attempt is None
        assert view.config.disabled_reason is None

    async def test_turned_off_before_the_charge_the_reconciler_charges_nothing_either(self, scene):
        await scene.enable()
        await scene.use(1)
        await scene.see()
        await scene.lab.recharges.disable(scene.lab.org_id)
        scene.lab.clock.advance(timedelta(minutes=1))
        await scene.lab.reconcile()
        assert scene.lab.intents() == []
        await scene.charge()
        assert scene.lab.intents() == []
        assert (await scene.lab.recharges.get(scene.lab.org_id)).open_attempt is None

    async def test_settling_takes_locks_in_the_order_of_the_watch(self, scene):
        """The account's standing, then the configuration."""
        lab = scene.lab
        await lab.account_states.choose_policy(lab.org_id, PolicyChoice(grace_hours=0))
        await scene.enable()
        await scene.use(1)
        await BalanceWatch(lab.db, lab.clock, [lab.account_states, lab.recharge_watcher], time_of=real_time).run_due(
            lab.org_id
        )

        async def watch(conn: AsyncConnection) -> None:
            await standings.lock(conn, lab.org_id, lab.clock.now())
            settling = tasks.create_task(scene.charge())
            while not (await lab.rows("SELECT count(*) FROM pg_locks WHERE NOT granted"))[0][0]:
                assert not settling.done()
                await asyncio.sleep(0.01)
            await conn.execute(text("SET LOCAL lock_timeout = '300ms'"))
            assert await recharges.read_config(conn, lab.org_id, lab.wallet.wallet_id, lock=True) is not None

        async with asyncio.TaskGroup() as tasks:
            await lab.db.transact(watch)
        assert await scene.available() == 4999

    async def test_a_charge_that_was_delayed_counts_from_when_it_was_made(self, scene):
        await scene.enable(daily_cap_minor=5000)
        await scene.lab.fault("disconnect_before", times=1000)
        await scene.fall(20_000)
        for _ in range(5):
            await scene.later(hours=4)
        await scene.lab.http.delete("/_sim/faults")
        await scene.later(hours=1)
        assert len(scene.charges()) == 1
        await scene.see()
        for _ in range(3):
            await scene.later(hours=4)
        await scene.fall(1)
        # 33 hours after the claim, 12 after the money was taken.
        assert len(scene.charges()) == 1
        assert (await scene.config()).last_skip is SkipReason.DAILY_CAP
        await scene.later(hours=12)
        assert len(scene.charges()) == 2

    async def test_deleting_and_configuring_again_is_no_way_around_the_caps(self, scene):
        await scene.enable(daily_cap_minor=5000)
        await scene.fall(20_000)
        await scene.lab.recharges.delete(scene.lab.org_id)
        await scene.enable(card=scene.card, daily_cap_minor=5000)
        scene.lab.clock.advance(timedelta(hours=1))
        await scene.fall(1)
        assert (await scene.config()).last_skip is SkipReason.DAILY_CAP
        assert len(scene.charges()) == 1

    async def test_another_card_named_between_claim_and_charge_gives_the_waiting_payment_up(self, scene):
        await scene.enable(token=AUTHENTICATE)
        await scene.use(1)
        await scene.see()
        await scene.enable(token=GOOD)
        await scene.charge()
        assert (await scene.config()).is_enabled
        await scene.later(seconds=0)
        assert [intent["status"] for intent in scene.lab.intents()] == ["canceled"]
        assert (await scene.lab.recharges.get(scene.lab.org_id)).open_attempt is None
        scene.lab.clock.advance(timedelta(minutes=5))
        await scene.fall(1)
        assert len(scene.charges()) == 1
        assert await scene.happened() == ["started", "started", "succeeded"]

    async def test_the_card_of_a_recharge_cannot_be_detached(self, scene):
        await scene.enable()
        with pytest.raises(ServiceError) as refused:
            await scene.lab.methods.detach(scene.lab.org_id, scene.card)
        assert refused.value.reason is Reason.PAYMENT_METHOD_IN_USE
        await scene.lab.recharges.disable(scene.lab.org_id)
        await scene.lab.methods.detach(scene.lab.org_id, scene.card)

    async def test_the_card_of_a_wallet_that_was_closed_can_be_detached(self, scene):
        await scene.enable()
        await scene.lab.execute("UPDATE wallets SET closed_at = :at", at=scene.lab.clock.now())
        await scene.lab.methods.detach(scene.lab.org_id, scene.card)

    async def test_detaching_and_turning_on_at_once_never_leave_a_recharge_without_its_card(self, scene):
        for token in (GOOD, "pm_card_mastercard", AUTHENTICATE, DECLINED_AFTER_SAVING, DISPUTED, REFUND_FAILS):
            card = await scene.lab.saved_card(token)
            outcomes = await asyncio.gather(
                scene.enable(card=card), scene.lab.methods.detach(scene.lab.org_id, card), return_exceptions=True
            )
            refused = [outcome for outcome in outcomes if isinstance(outcome, ServiceError)]
            assert [error.reason for error in refused] in (
                [Reason.RESOURCE_NOT_FOUND],
                [Reason.PAYMENT_METHOD_IN_USE],
            )
            await scene.lab.recharges.delete(scene.lab.org_id)
