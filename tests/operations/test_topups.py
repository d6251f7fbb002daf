"""Top-ups by card through the simulator: starting, repeating, settling, and what goes wrong between us and the provider."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from providers.protocol import FailureKind, Unavailable
from tests.operations.payments_lab import (
    AUTHENTICATE,
    DECLINED_AFTER_SAVING,
    GOOD,
    PaymentsLab,
    payments_lab,
)
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.topups.model import Origin, TopUpMethod, TopUpState


@pytest.fixture
async def lab(db: Database, clock: ManualClock) -> AsyncIterator[PaymentsLab]:
    async with payments_lab(db, clock) as made:
        yield made


class TestCardInTheBrowser:
    async def test_webhook_credits_the_wallet_once(self, lab):
        started = await lab.start(5000)
        assert started.topup.state is TopUpState.PENDING
        assert started.topup.method is TopUpMethod.STRIPE_CARD
        assert started.client_secret.startswith(started.topup.external_id)
        assert await lab.balances() == {}

        await lab.pay(started.topup)
        await lab.settle_everything()

        settled = await lab.stored(started.topup)
        assert settled.state is TopUpState.SUCCEEDED
        assert settled.entry_id is not None
        assert settled.fee is not None
        fee_minor = settled.fee.amount_minor
        assert fee_minor > 0
        assert await lab.balances() == {
            "wallet": 5000,
            "provider_clearing": 5000 - fee_minor,
            "fees": fee_minor,
        }

    async def test_a_declined_card_leaves_it_open_for_another(self, lab):
        started = await lab.start(5000)
        await lab.pay(started.topup, "pm_card_visa_chargeDeclined")
        await lab.settle_everything()
        assert (await lab.stored(started.topup)).state is TopUpState.PENDING
        await lab.pay(started.topup)
        await lab.settle_everything()
        assert (await lab.balances())["wallet"] == 5000

    async def test_many_at_once_credit_once(self, lab):
        topup = await lab.paid(5000)
        settled = await asyncio.gather(*(lab.sync.sync(topup.org_id, topup.topup_id) for _ in range(6)))
        assert {row.entry_id for row in settled} == {settled[0].entry_id}
        assert (await lab.balances())["wallet"] == 5000
        assert await lab.entry_count() == 1


class TestRepetition:
    async def test_same_key_answers_with_the_same_top_up_and_secret(self, lab):
        first = await lab.start(5000, request_key="k1")
        again = await lab.start(5000, request_key="k1")
        assert again.topup.topup_id == first.topup.topup_id
        assert again.client_secret == first.client_secret
        assert len(lab.intents()) == 1

    async def test_same_key_after_success_tells_the_current_state(self, lab):
        first = await lab.start(5000, request_key="k1")
        await lab.pay(first.topup)
        again = await lab.start(5000, request_key="k1")
        assert again.topup.state is TopUpState.SUCCEEDED
        assert again.client_secret == ""
        assert (await lab.balances())["wallet"] == 5000

    @pytest.mark.parametrize("change", [{"amount_minor": 5001}, {"currency": "USD"}, {"payment_method_id": "pm_1"}])
    async def test_same_key_with_other_content_is_refused(self, lab, change):
        await lab.start(5000, request_key="k1")
        with pytest.raises(ServiceError) as refused:
            await lab.start(**{"amount_minor": 5000, "request_key": "k1", **change})
        assert refused.value.reason is Reason.IDEMPOTENCY_KEY_REUSED

    async def test_without_a_key_every_call_is_a_top_up_of_its_own(self, lab):
        first, second = await lab.start(5000), await lab.start(5000)
        assert first.topup.topup_id != second.topup.topup_id
        assert len(lab.intents()) == 2

    async def test_concurrent_calls_with_one_key_pay_once(self, lab):
        card = await lab.saved_card()
        await lab.fault("slow_before", seconds=0.5)
        answers = await asyncio.gather(
            *(lab.start(5000, payment_method_id=card, request_key="k1") for _ in range(5)), return_exceptions=True
        )
        started = [answer for answer in answers if not isinstance(answer, BaseException)]
        refused = [answer for answer in answers if isinstance(answer, BaseException)]
        assert started
        assert {row.topup.topup_id for row in started} == {started[0].topup.topup_id}
        assert all(isinstance(e, ServiceError) and e.reason is Reason.OUTCOME_UNKNOWN for e in refused)
        assert (await lab.start(5000, payment_method_id=card, request_key="k1")).topup.state is TopUpState.SUCCEEDED
        assert len(lab.intents()) == 1
        assert (await lab.balances())["wallet"] == 5000


class TestSavedCard:
    async def test_is_charged_at_once(self, lab):
        card = await lab.saved_card()
        started = await lab.start(5000, payment_method_id=card)
        assert started.topup.state is TopUpState.SUCCEEDED
        assert started.client_secret == ""
        assert (await lab.balances())["wallet"] == 5000
        await lab.settle_everything()
        assert (await lab.balances())["wallet"] == 5000

    async def test_3d_secure_hands_out_the_secret(self, lab):
        card = await lab.saved_card(AUTHENTICATE)
        started = await lab.start(5000, payment_method_id=card, request_key="k1")
        assert started.topup.state is TopUpState.PENDING
        assert started.client_secret
        await lab.authenticate(started.topup, passed=True)
        await lab.settle_everything()
        again = await lab.start(5000, payment_method_id=card, request_key="k1")
        assert again.topup.state is TopUpState.SUCCEEDED
        assert (await lab.balances())["wallet"] == 5000

    async def test_a_decline_is_final_and_says_the_same_again(self, lab):
        card = await lab.saved_card(DECLINED_AFTER_SAVING)
        errors = []
        for _ in range(2):
            with pytest.raises(ServiceError) as refused:
                await lab.start(5000, payment_method_id=card, request_key="k1")
            errors.append(refused.value)
        first, second = errors
        assert (first.code, first.reason) == (Code.FAILED_PRECONDITION, Reason.PAYMENT_DECLINED)
        assert first.metadata["decline_code"] == "generic_decline"
        assert (second.reason, second.message, second.metadata) == (first.reason, first.message, first.metadata)
        [topup] = (await lab.topups.list(lab.org_id, state=None, size=0, token="")).rows
        assert topup.state is TopUpState.FAILED
        assert str(topup.topup_id) == first.metadata["top_up_id"]
        assert [intent["status"] for intent in lab.intents()] == ["canceled"]

    async def test_a_decline_whose_cancellation_fails_is_finished_by_the_reconciler(self, lab):
        card = await lab.saved_card(DECLINED_AFTER_SAVING)
        await lab.fault("disconnect_before", "/v1/payment_intents/", times=5)
        with pytest.raises(ServiceError) as refused:
            await lab.start(5000, payment_method_id=card, request_key="k1")
        assert refused.value.reason is Reason.PAYMENT_DECLINED
        [topup] = (await lab.topups.list(lab.org_id, state=None, size=0, token="")).rows
        assert topup.state is TopUpState.PENDING
        await lab.http.delete("/_sim/faults")
        lab.clock.advance(timedelta(minutes=1))
        assert await lab.reconcile() == 1
        assert (await lab.stored(topup)).state is TopUpState.FAILED
        assert [intent["status"] for intent in lab.intents()] == ["canceled"]

    async def test_an_unknown_or_detached_card_is_not_found(self, lab):
        card = await lab.saved_card()
        await lab.methods.detach(lab.org_id, card)
        for name in (card, "pm_nobody"):
            with pytest.raises(ServiceError) as refused:
                await lab.start(5000, payment_method_id=name)
            assert refused.value.reason is Reason.RESOURCE_NOT_FOUND


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "reason", "metadata"),
        [
            ({"amount_minor": 49}, Reason.AMOUNT_TOO_SMALL, {"minimum_minor": "50", "currency": "USD"}),
            ({"amount_minor": 0}, Reason.INVALID_FIELD, {"field": "amount_minor"}),
            ({"amount_minor": 1_000_001}, Reason.AMOUNT_TOO_LARGE, {"maximum_minor": "1000000", "currency": "USD"}),
            ({"amount_minor": 5000, "currency": "EUR"}, Reason.CURRENCY_MISMATCH, {"field": "currency"}),
        ],
    )
    async def test_amount_and_currency(self, lab, fields, reason, metadata):
        with pytest.raises(ServiceError) as refused:
            await lab.start(**fields)
        assert (refused.value.code, refused.value.reason) == (Code.INVALID_ARGUMENT, reason)
        assert refused.value.metadata == metadata
        assert lab.intents() == []

    async def test_a_suspended_account_takes_money(self, lab):
        await lab.execute("UPDATE billing_accounts SET state = 'suspended', suspended_reason = 'low_balance'")
        await lab.credited(5000)
        assert (await lab.balances())["wallet"] == 5000

    async def test_a_closed_account_takes_no_money_but_answers_repetitions(self, lab):
        first = await lab.start(5000, request_key="k1")
        await lab.execute("UPDATE billing_accounts SET state = 'closed'")
        with pytest.raises(ServiceError) as refused:
            await lab.start(5000, request_key="k2")
        assert refused.value.reason is Reason.BILLING_ACCOUNT_CLOSED
        assert (await lab.start(5000, request_key="k1")).topup.topup_id == first.topup.topup_id

    async def test_a_refused_call_does_not_use_up_its_key(self, lab):
        with pytest.raises(ServiceError):
            await lab.start(10, request_key="k1")
        assert (await lab.start(5000, request_key="k1")).topup.state is TopUpState.PENDING


class TestUnknownOutcome:
    @pytest.mark.parametrize("fault", ["disconnect_before", "disconnect_after"])
    async def test_the_same_key_resumes_the_same_payment(self, lab, fault):
        card = await lab.saved_card()
        await lab.fault(fault)
        with pytest.raises(ServiceError) as refused:
            await lab.start(5000, payment_method_id=card, request_key="k1")
        assert (refused.value.code, refused.value.reason) == (Code.UNAVAILABLE, Reason.OUTCOME_UNKNOWN)
        [pending] = (await lab.topups.list(lab.org_id, state=None, size=0, token="")).rows
        assert pending.state is TopUpState.PENDING

        resumed = await lab.start(5000, payment_method_id=card, request_key="k1")
        assert resumed.topup.topup_id == pending.topup_id
        assert resumed.topup.state is TopUpState.SUCCEEDED
        assert len(lab.intents()) == 1
        assert (await lab.balances())["wallet"] == 5000

    async def test_an_error_that_the_provider_repeats_for_the_key_is_overcome_by_looking(self, lab):
        card = await lab.saved_card()
        await lab.deliver("drop")
        await lab.fault("error_after")
        for _ in range(2):
            with pytest.raises(ServiceError) as refused:
                await lab.start(5000, payment_method_id=card, request_key="k1")
            assert refused.value.reason is Reason.OUTCOME_UNKNOWN
        lab.clock.advance(timedelta(seconds=30))
        await lab.reconcile()
        again = await lab.start(5000, payment_method_id=card, request_key="k1")
        assert again.topup.state is TopUpState.SUCCEEDED
        assert len(lab.intents()) == 1

    async def test_the_reconciler_finds_a_charge_whose_answer_was_lost(self, lab):
        card = await lab.saved_card()
        await lab.deliver("drop")
        await lab.fault("disconnect_after")
        with pytest.raises(ServiceError):
            await lab.start(5000, payment_method_id=card)
        lab.clock.advance(timedelta(seconds=30))
        assert await lab.reconcile() == 1
        [topup] = (await lab.topups.list(lab.org_id, state=None, size=0, token="")).rows
        assert topup.state is TopUpState.SUCCEEDED
        assert (await lab.balances())["wallet"] == 5000

    async def test_nobody_charges_a_card_unattended_and_a_day_later_it_has_failed(self, lab):
        card = await lab.saved_card()
        await lab.fault("disconnect_before")
        with pytest.raises(ServiceError):
            await lab.start(5000, payment_method_id=card, request_key="k1")
        for step in (timedelta(minutes=1), timedelta(hours=12), timedelta(hours=12)):
            lab.clock.advance(step)
            await lab.reconcile()
        assert lab.intents() == []
        [topup] = (await lab.topups.list(lab.org_id, state=None, size=0, token="")).rows
        assert topup.state is TopUpState.FAILED
        assert topup.failure is not None
        assert topup.failure.code == "never_started"
        with pytest.raises(ServiceError) as refused:
            await lab.start(5000, payment_method_id=card, request_key="k1")
        assert refused.value.reason is Reason.PROVIDER_UNAVAILABLE
        assert lab.intents() == []

    async def test_without_a_card_the_reconciler_starts_it_again(self, lab):
        await lab.fault("disconnect_before")
        with pytest.raises(ServiceError):
            await lab.start(5000, request_key="k1")
        lab.clock.advance(timedelta(minutes=1))
        await lab.reconcile()
        assert len(lab.intents()) == 1
        resumed = await lab.start(5000, request_key="k1")
        assert resumed.client_secret
        assert len(lab.intents()) == 1


class TestDeliveries:
    @pytest.mark.parametrize("mode", ["normal", "duplicate", "shuffle", "drop"])
    async def test_end_in_the_same_ledger(self, lab, mode):
        await lab.deliver(mode)
        topups = [await lab.paid(amount) for amount in (1000, 2000, 3000)]
        await lab.refund(topups[1], 500)
        await lab.settle_everything(random.Random(7))
        lab.clock.advance(timedelta(hours=2))
        await lab.reconcile()
        await lab.settle_everything(random.Random(8))
        lab.clock.advance(timedelta(hours=2))
        await lab.reconcile()
        balances = await lab.balances()
        assert balances["wallet"] == 5500
        fees = [(await lab.stored(topup)).fee for topup in topups]
        assert balances["fees"] == sum(fee.amount_minor for fee in fees)
        assert sum(balances[kind] for kind in ("provider_clearing", "fees")) == 5500
        assert await lab.entry_count() == 7

    async def test_a_delivery_that_is_faster_than_the_answer_finds_its_top_up(self, lab):
        card = await lab.saved_card()
        await lab.fault("disconnect_after")
        with pytest.raises(ServiceError):
            await lab.start(5000, payment_method_id=card, request_key="k1")
        await lab.settle_everything()
        [topup] = (await lab.topups.list(lab.org_id, state=None, size=0, token="")).rows
        assert topup.state is TopUpState.SUCCEEDED
        assert topup.external_id == lab.intents()[0]["id"]

    async def test_a_payment_of_somebody_else_is_no_business_of_ours(self, lab):
        form = {"amount": "700", "currency": "usd", "allowed_payment_method_types[]": "card"}
        made = await lab.stripe("/v1/payment_intents", form)
        await lab.settle_everything()
        assert await lab.sync.sync_payment("stripe", made["id"]) is None
        assert await lab.sync.sync_payment("stripe", "pi_missing") is None
        assert await lab.rows("SELECT 1 FROM provider_events WHERE processed_at IS NULL") == []


class TestMoneyThatIsNoTopUp:
    async def test_another_amount_is_the_customers_all_the_same(self, lab):
        topup = await lab.paid(5000)
        await lab.execute("UPDATE topups SET amount_minor = 6000")
        failed = await lab.sync.sync(topup.org_id, topup.topup_id)
        assert failed.state is TopUpState.FAILED
        assert failed.failure.code == "amount_mismatch"
        assert failed.entry_id is None
        assert (await lab.balances())["wallet"] == 5000
        await lab.settle_everything()
        assert (await lab.balances())["wallet"] == 5000
        [(reason, is_in_wallet)] = await lab.rows("SELECT reason, is_in_wallet FROM unmatched_payments")
        assert (reason, is_in_wallet) == ("other_amount", True)

    async def test_its_refund_is_followed(self, lab):
        topup = await lab.paid(5000)
        await lab.execute("UPDATE topups SET amount_minor = 6000")
        await lab.sync.sync(topup.org_id, topup.topup_id)
        await lab.refund(topup)
        await lab.settle_everything()
        assert "wallet" not in await lab.balances()
        assert "receivable" not in await lab.balances()

    async def test_a_payment_of_another_top_up_changes_nothing(self, lab):
        first, second = await lab.paid(5000), await lab.paid(5000)
        await lab.refund(second, 2000)
        snapshot = await lab.provider.sync(second.external_id)
        current = await lab.stored(first)
        stored = await lab.sync.store_answer(current, snapshot, is_complete=True)
        assert (stored.state, stored.external_id) == (TopUpState.PENDING, current.external_id)
        assert await lab.balances() == {}

    async def test_a_second_payment_that_names_the_top_up_is_booked_once(self, lab):
        topup = await lab.credited(5000)
        payment = await lab.another_payment(topup, amount="5000")
        for _ in range(2):
            await lab.sync.sync_payment("stripe", payment)
        await lab.settle_everything()
        assert (await lab.balances())["wallet"] == 10_000
        assert (await lab.stored(topup)).external_id == topup.external_id
        assert "wallet.topup.payment_unmatched" in await lab.event_types()

    async def test_a_wallet_that_was_closed_meanwhile_leaves_it_to_the_customers_credit(self, lab):
        topup = await lab.paid(5000)
        await lab.execute("UPDATE ledger_wallets SET closed_at = now()")
        failed = await lab.sync.sync(topup.org_id, topup.topup_id)
        assert failed.state is TopUpState.FAILED
        assert failed.failure.reason is Reason.ACCOUNT_CLOSED
        assert (await lab.sync.sync(topup.org_id, topup.topup_id)).state is TopUpState.FAILED
        assert (await lab.balances())["receivable"] == -5000
        assert (await lab.event_types()).count("wallet.topup.payment_unmatched") == 1
        await lab.refund(topup)
        await lab.settle_everything()
        assert "receivable" not in await lab.balances()


class TestEvents:
    async def test_each_step_of_a_top_up_is_told_once(self, lab):
        topup = await lab.credited(5000)
        await lab.settle_everything()
        assert await lab.event_types() == ["wallet.topup.created", "wallet.topup.succeeded"]
        await lab.refund(topup, 2000)
        await lab.settle_everything()
        await lab.settle_everything()
        assert (await lab.event_types())[2:] == ["wallet.topup.refunded"]
        [(data,)] = await lab.rows("SELECT data FROM events WHERE type = 'wallet.topup.refunded'")
        assert (data["amount_minor"], data["currency"]) == (2000, "USD")
        assert (await lab.stored(topup)).taken_back_minor == 2000

    @pytest.mark.parametrize("outcome", ["won", "lost"])
    async def test_a_dispute_is_told_when_it_is_opened_and_decided(self, lab, outcome):
        topup = await lab.credited(5000)
        dispute = await lab.dispute(topup)
        await lab.settle_everything()
        await lab.resolve(dispute, outcome)
        await lab.settle_everything()
        assert (await lab.event_types())[2:] == ["dispute.created", f"dispute.{outcome}"]

    async def test_a_fraud_warning_is_told_once(self, lab):
        await lab.credited(5000, "pm_card_createIssuerFraudRecord")
        await lab.settle_everything()
        await lab.settle_everything()
        assert (await lab.event_types()).count("fraud_warning.created") == 1
        assert (await lab.balances())["wallet"] == 5000


class TestOffSession:
    async def auto(self, lab, card: str):
        method = await lab.saved_card(card)
        return await lab.db.transact(
            lambda conn: lab.topups.start_auto(conn, lab.org_id, amount_minor=5000, payment_method_id=method)
        )

    async def test_a_charge_is_made_once_however_often_it_is_asked_for(self, lab):
        topup = await self.auto(lab, GOOD)
        for _ in range(3):
            charged = await lab.topups.charge_auto(topup.org_id, topup.topup_id)
            assert (charged.state, charged.origin) == (TopUpState.SUCCEEDED, Origin.AUTO)
        assert len(lab.intents()) == 1
        assert (await lab.balances())["wallet"] == 5000

    async def test_a_decline_says_whether_to_try_again(self, lab):
        topup = await self.auto(lab, DECLINED_AFTER_SAVING)
        failed = await lab.topups.charge_auto(topup.org_id, topup.topup_id)
        assert (failed.state, failed.failure.kind) == (TopUpState.FAILED, FailureKind.DECLINED_RETRYABLE)
        assert [intent["status"] for intent in lab.intents()] == ["canceled"]

    async def test_the_bank_that_wants_the_customer_gets_them_on_session(self, lab):
        topup = await self.auto(lab, AUTHENTICATE)
        waiting = await lab.topups.charge_auto(topup.org_id, topup.topup_id)
        assert (waiting.state, waiting.action_required) == (TopUpState.PENDING, True)
        await lab.settle_everything()
        assert (await lab.stored(topup)).action_required
        confirmable = await lab.topups.confirm(topup.org_id, topup.topup_id)
        assert confirmable.client_secret.startswith(waiting.external_id)
        await lab.pay(confirmable.topup, GOOD)
        await lab.settle_everything()
        paid = await lab.stored(topup)
        assert (paid.state, paid.action_required) == (TopUpState.SUCCEEDED, False)
        assert (await lab.topups.confirm(topup.org_id, topup.topup_id)).client_secret == ""
        assert len(lab.intents()) == 1

    async def test_a_lost_answer_is_made_good_by_the_reconciler(self, lab):
        topup = await self.auto(lab, GOOD)
        await lab.fault("disconnect_before")
        with pytest.raises(Unavailable):
            await lab.topups.charge_auto(topup.org_id, topup.topup_id)
        assert lab.intents() == []
        lab.clock.advance(timedelta(minutes=1))
        await lab.reconcile()
        # Nobody but whoever has claimed the charge knows whether it is still wanted.
        assert lab.intents() == []
        await lab.fault("disconnect_after")
        with pytest.raises(Unavailable):
            await lab.topups.charge_auto(topup.org_id, topup.topup_id)
        lab.clock.advance(timedelta(minutes=1))
        await lab.reconcile()
        assert (await lab.stored(topup)).state is TopUpState.SUCCEEDED
        assert len(lab.intents()) == 1


class TestReconciler:
    async def test_settles_within_a_minute_what_no_webhook_told(self, lab):
        await lab.deliver("drop")
        topup = await lab.paid(5000)
        await lab.flush()
        assert await lab.reconcile() == 0
        lab.clock.advance(timedelta(seconds=21))
        assert await lab.reconcile() == 1
        assert (await lab.stored(topup)).state is TopUpState.SUCCEEDED

    async def test_cancels_what_nobody_paid_for_a_week(self, lab):
        started = await lab.start(5000, request_key="k1")
        lab.clock.advance(timedelta(days=6))
        await lab.reconcile()
        assert (await lab.stored(started.topup)).state is TopUpState.PENDING
        lab.clock.advance(timedelta(days=1, seconds=1))
        await lab.reconcile()
        assert (await lab.stored(started.topup)).state is TopUpState.CANCELED
        assert lab.intents()[0]["status"] == "canceled"
        again = await lab.start(5000, request_key="k1")
        assert (again.topup.state, again.client_secret) == (TopUpState.CANCELED, "")

    async def test_follows_a_cancellation_at_the_provider(self, lab):
        started = await lab.start(5000)
        await lab.provider.cancel(started.topup.external_id, idempotency_key="by-hand")
        await lab.settle_everything()
        assert (await lab.stored(started.topup)).state is TopUpState.CANCELED

    async def test_finds_a_refund_whose_webhook_was_lost(self, lab):
        topup = await lab.credited(5000)
        await lab.deliver("drop")
        await lab.refund(topup, 2000)
        await lab.flush()
        lab.clock.advance(timedelta(hours=1, seconds=1))
        await lab.reconcile()
        assert (await lab.balances())["wallet"] == 3000

    async def test_asks_less_and_less_often_and_stops_in_the_end(self, lab):
        topup = await lab.credited(5000)
        await lab.flush()
        checks = 0
        while (due := (await lab.stored(topup)).next_check_at) is not None:
            lab.clock.advance(due - lab.clock.now())
            checks += await lab.reconcile()
        assert 25 <= checks <= 60

    async def test_two_reconcilers_hand_out_a_check_once(self, lab):
        await lab.start(5000)
        lab.clock.advance(timedelta(minutes=1))
        counts = await asyncio.gather(lab.topups.run_due(None), lab.topups.run_due(lab.org_id))
        assert sorted(counts) == [0, 1]
        assert len(await lab.queued("topup-sync")) == counts[0], "whoever wins: only a sweep of all hands out jobs"


class TestReading:
    async def test_list_pages_newest_first_and_filters_by_state(self, lab):
        made = [(await lab.start(1000 + i)).topup.topup_id for i in range(5)]
        await lab.pay(await lab.topups.get(lab.org_id, made[2]))
        await lab.sync.sync(lab.org_id, made[2])
        first = await lab.topups.list(lab.org_id, state=None, size=3, token="")
        rest = await lab.topups.list(lab.org_id, state=None, size=3, token=first.next_page_token)
        assert [row.topup_id for row in (*first.rows, *rest.rows)] == made[::-1]
        assert rest.next_page_token == ""
        done = await lab.topups.list(lab.org_id, state=TopUpState.SUCCEEDED, size=3, token="")
        assert [row.topup_id for row in done.rows] == [made[2]]
        with pytest.raises(ServiceError) as refused:
            await lab.topups.list(lab.org_id, state=TopUpState.PENDING, size=3, token=first.next_page_token)
        assert refused.value.reason is Reason.INVALID_PAGE_TOKEN

    async def test_another_organization_sees_nothing(self, lab):
        started = await lab.start(5000)
        other = await lab.open("other-org")
        assert (await lab.topups.list(other, state=None, size=0, token="")).rows == ()
        with pytest.raises(ServiceError) as refused:
            await lab.topups.get(other, started.topup.topup_id)
        assert refused.value.reason is Reason.RESOURCE_NOT_FOUND


async def test_a_wallet_in_yen_is_credited_in_yen(lab):
    await lab.open("yen-org", "JPY")
    topup = await lab.paid(500, GOOD)
    settled = await lab.sync.sync(topup.org_id, topup.topup_id)
    assert settled.state is TopUpState.SUCCEEDED
    assert (await lab.balances())["wallet"] == 500
