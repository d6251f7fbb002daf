"""Top-ups in USDC through Coinbase's simulator: started, paid, expired, refunded, and what comes late or twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from providers.protocol import RefundRequest, TopUpRequest
from tests.operations.payments_lab import PaymentsLab, payments_lab
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.journal.audit_operations import Audit
from wallet_service.topups.model import TopUp, TopUpMethod, TopUpState


@pytest.fixture
async def lab(db: Database, clock: ManualClock) -> AsyncIterator[PaymentsLab]:
    async with payments_lab(db, clock) as made:
        yield made


async def paid(lab: PaymentsLab, amount_minor: int = 2500, **behaviour: object) -> TopUp:
    started = await lab.checkout(amount_minor)
    await lab.chain(f"checkouts/{started.topup.external_id}/pay", **behaviour)
    return started.topup


class TestCheckout:
    async def test_is_credited_one_to_one_and_the_fee_is_our_cost(self, lab):
        started = await lab.checkout(2500)
        assert (started.topup.state, started.topup.method) == (TopUpState.PENDING, TopUpMethod.COINBASE)
        assert started.hosted_url.startswith(lab.coinbase.url)
        page = await lab.coinbase_http.get(started.hosted_url)
        assert page.status_code == 200
        await lab.chain(f"checkouts/{started.topup.external_id}/pay")
        await lab.settle_everything()
        settled = await lab.stored(started.topup)
        assert settled.state is TopUpState.SUCCEEDED
        assert await lab.balances() == {"wallet": 2500, "fees": 25, "provider_clearing": 2475}
        assert await lab.event_types() == ["wallet.topup.created", "wallet.topup.succeeded"]
        await lab.settle_everything()
        assert await lab.entry_count() == 2

    async def test_the_same_key_is_the_same_checkout(self, lab):
        first = await lab.checkout(2500, request_key="k1")
        again = await lab.checkout(2500, request_key="k1")
        assert (again.topup.topup_id, again.hosted_url) == (first.topup.topup_id, first.hosted_url)
        assert len(lab.coinbase.world.tables["checkout"]) == 1
        with pytest.raises(ServiceError) as refused:
            await lab.checkout(2501, request_key="k1")
        assert refused.value.reason is Reason.IDEMPOTENCY_KEY_REUSED

    @pytest.mark.parametrize(("amount_minor", "is_taken"), [(499, False), (500, True)])
    async def test_the_minimum_is_five_dollars(self, lab, amount_minor, is_taken):
        if is_taken:
            assert (await lab.checkout(amount_minor)).topup.state is TopUpState.PENDING
            return
        with pytest.raises(ServiceError) as refused:
            await lab.checkout(amount_minor)
        assert (refused.value.code, refused.value.reason) == (Code.INVALID_ARGUMENT, Reason.AMOUNT_TOO_SMALL)
        assert refused.value.metadata["minimum_minor"] == "500"

    async def test_only_wallets_in_dollars(self, lab):
        await lab.open("euro-org", "EUR")
        with pytest.raises(ServiceError) as refused:
            await lab.checkout(2500)
        assert refused.value.reason is Reason.CURRENCY_MISMATCH
        assert (await lab.topups.list(lab.org_id, state=None, size=0, token="")).rows == ()

    async def test_confirm_hands_out_the_page_again(self, lab):
        started = await lab.checkout()
        again = await lab.topups.confirm(started.topup.org_id, started.topup.topup_id)
        assert again.hosted_url == started.hosted_url


class TestEnds:
    async def test_nobody_pays_in_time(self, lab):
        started = await lab.checkout()
        await lab.chain(f"checkouts/{started.topup.external_id}/expire")
        await lab.settle_everything()
        assert (await lab.stored(started.topup)).state is TopUpState.CANCELED
        assert await lab.balances() == {}
        assert (await lab.event_types())[-1] == "wallet.topup.canceled"

    async def test_a_payment_that_fails(self, lab):
        topup = await paid(lab, outcome="fail")
        await lab.settle_everything()
        failed = await lab.stored(topup)
        assert (failed.state, failed.failure.code) == (TopUpState.FAILED, "checkout_failed")
        assert await lab.balances() == {}

    async def test_a_refund_is_followed(self, lab):
        topup = await paid(lab, 2500)
        await lab.settle_everything()
        await lab.crypto.refund(RefundRequest(payment_external_id=topup.external_id, idempotency_key="r1"))
        await lab.settle_everything()
        balances = await lab.balances()
        assert "wallet" not in balances
        assert balances["fees"] == 25
        assert (await lab.stored(topup)).taken_back_minor == 2500
        assert "wallet.topup.refunded" in await lab.event_types()

    async def test_a_refund_that_fails_comes_back(self, lab):
        topup = await paid(lab, 2500, refunds="fail")
        await lab.settle_everything()
        await lab.crypto.refund(RefundRequest(payment_external_id=topup.external_id, idempotency_key="r1"))
        await lab.settle_everything()
        await lab.sync.sync(topup.org_id, topup.topup_id)
        assert (await lab.balances())["wallet"] == 2500


class TestTrouble:
    @pytest.mark.parametrize("fault", ["disconnect_before", "disconnect_after"])
    async def test_an_unknown_outcome_is_resumed_by_the_key(self, lab, fault):
        await lab.chain("faults", kind=fault, path="/api/v1/checkouts")
        with pytest.raises(ServiceError) as refused:
            await lab.checkout(2500, request_key="k1")
        assert refused.value.reason is Reason.OUTCOME_UNKNOWN
        again = await lab.checkout(2500, request_key="k1")
        assert again.hosted_url
        assert len(lab.coinbase.world.tables["checkout"]) == 1

    async def test_the_reconciler_finds_what_no_webhook_told(self, lab):
        await lab.chain("delivery", mode="drop")
        topup = await paid(lab)
        lab.clock.advance(timedelta(seconds=30))
        await lab.reconcile()
        assert (await lab.stored(topup)).state is TopUpState.SUCCEEDED
        assert (await lab.balances())["wallet"] == 2500

    async def test_deliveries_twice_and_at_once_credit_once(self, lab):
        await lab.chain("delivery", mode="duplicate")
        topup = await paid(lab)
        await lab.flush()
        await asyncio.gather(lab.work_events(), *(lab.sync.sync(topup.org_id, topup.topup_id) for _ in range(4)))
        assert (await lab.balances())["wallet"] == 2500

    async def test_money_that_comes_after_the_end_is_the_customers(self, lab):
        topup = await paid(lab)
        await lab.execute("UPDATE topups SET state = 'CANCELED', settled_at = now()")
        await lab.settle_everything()
        ended = await lab.stored(topup)
        assert (ended.state, ended.entry_id) == (TopUpState.CANCELED, None)
        assert await lab.balances() == {"wallet": 2500, "fees": 25, "provider_clearing": 2475}
        [(data,)] = await lab.rows("SELECT data FROM events WHERE type = 'wallet.topup.payment_unmatched'")
        assert (data["reason"], data["amount_minor"], data["is_in_wallet"]) == ("late", 2500, True)
        assert (await Audit(lab.db).verify(None)).violations == ()
        await lab.crypto.refund(RefundRequest(payment_external_id=topup.external_id, idempotency_key="r1"))
        await lab.settle_everything()
        assert "wallet" not in await lab.balances()

    async def test_an_ended_checkout_is_watched_for_a_week_without_webhooks(self, lab):
        await lab.chain("delivery", mode="drop")
        topup = await paid(lab)
        await lab.execute("UPDATE topups SET state = 'CANCELED', settled_at = now(), next_check_at = now()")
        await lab.execute("UPDATE topups SET settled_at = :at, next_check_at = :at", at=lab.clock.now())
        await lab.reconcile()
        assert (await lab.balances())["wallet"] == 2500
        assert (await lab.stored(topup)).state is TopUpState.CANCELED

    async def test_a_second_checkout_of_one_top_up_is_the_customers_too(self, lab):
        topup = await paid(lab)
        await lab.settle_everything()
        made = await lab.crypto.create_topup(
            TopUpRequest(
                org_id=str(topup.org_id), top_up_id=str(topup.topup_id), amount=topup.amount, idempotency_key="another"
            )
        )
        await lab.chain(f"checkouts/{made.external_id}/pay")
        await lab.settle_everything()
        await lab.settle_everything()
        assert (await lab.balances())["wallet"] == 5000
        assert (await lab.stored(topup)).external_id == topup.external_id
        assert (await Audit(lab.db).verify(None)).violations == ()
