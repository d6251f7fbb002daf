"""What is particular to the Coinbase module: what it sends, what becomes of a payment, how it refunds."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest

from ledger.money import Money
from providers.coinbase import CoinbaseProvider
from providers.protocol import (
    InvalidRequest,
    PaymentListing,
    PaymentState,
    RefundRequest,
    RefundState,
    SavedMethods,
    Unavailable,
)
from tests.contract.coinbase_lab import CoinbaseSimulatorLab
from tests.contract.labs import paid_top_up, top_up, usd


def claims_of(request: httpx.Request) -> dict[str, Any]:
    token = request.headers["authorization"].removeprefix("Bearer ")
    return jwt.decode(token, options={"verify_signature": False}) | {"nonce": jwt.get_unverified_header(token)["nonce"]}


async def test_every_attempt_has_a_new_token_and_the_same_key(
    coinbase_lab: CoinbaseSimulatorLab, sent: list[httpx.Request]
) -> None:
    lab = coinbase_lab
    provider = lab.other_provider(network_retries_max=2)
    await lab.fault("disconnect_after", times=2)
    made = await provider.create_topup(top_up(lab))
    await provider.sync(made.external_id)
    await provider.aclose()
    first, second, third, read = (row for row in sent if row.url.path.startswith("/api/"))
    keys = {row.headers["x-idempotency-key"] for row in (first, second, third)}
    assert len(keys) == 1
    assert UUID(keys.pop()).version == 4
    assert len({claims_of(row)["nonce"] for row in (first, second, third, read)}) == 4
    host = lab.simulator.url.removeprefix("http://")
    assert claims_of(first)["uris"] == [f"POST {host}/api/v1/checkouts"]
    assert claims_of(read)["uris"] == [f"GET {host}/api/v1/checkouts/{made.external_id}"]
    assert lab.payment_count() == 1


async def test_what_is_sent(coinbase_lab: CoinbaseSimulatorLab, sent: list[httpx.Request]) -> None:
    lab = coinbase_lab
    provider = lab.other_provider(
        success_redirect_url="https://example.com/paid", fail_redirect_url="https://example.com/unpaid"
    )
    await provider.create_topup(top_up(lab, description="x" * 600, expires_at=lab.now() + timedelta(minutes=30)))
    await provider.aclose()
    assert json.loads(sent[0].content) == {
        "amount": "50.00",
        "currency": "USDC",
        "network": "base",
        "metadata": {"org_id": "org-1", "top_up_id": "top-1"},
        "description": "x" * 500,
        "expiresAt": "2026-11-02T10:00:00.000Z",
        "successRedirectUrl": "https://example.com/paid",
        "failRedirectUrl": "https://example.com/unpaid",
    }


async def test_a_request_sent_again_later_is_the_same_request(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    request = top_up(lab, expires_at=lab.now() + timedelta(hours=1))
    made = await lab.provider.create_topup(request)
    assert made.hosted_url == f"{lab.simulator.url}/payment-links/{lab.account.facts[made.external_id]['link']}"
    lab.clock.advance(timedelta(hours=23))
    assert (await lab.provider.create_topup(request)).external_id == made.external_id


@pytest.mark.parametrize("when", ["before", "after"])
async def test_after_an_internal_error_the_same_key_acts_once(coinbase_lab: CoinbaseSimulatorLab, when: str) -> None:
    lab = coinbase_lab
    request = top_up(lab)
    await lab.fault(f"error_{when}")
    with pytest.raises(Unavailable):
        await lab.provider.create_topup(request)
    assert (await lab.provider.create_topup(request)).state is PaymentState.AWAITING_PAYER
    assert lab.payment_count() == 1


async def test_the_minimum_is_five_dollars(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    assert lab.provider.minimum("USD") == usd(500)
    assert lab.provider.minimum("EUR") is None
    with pytest.raises(InvalidRequest) as refused:
        await lab.provider.create_topup(top_up(lab, amount=usd(499)))
    assert refused.value.failure.code == "amount_too_small"
    assert lab.payment_count() == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": Money(5000, "EUR")}, "currency_not_supported"),
        ({"payment_method_id": "pm_1"}, "saved_methods_not_supported"),
        ({"save_method": True}, "saved_methods_not_supported"),
    ],
)
async def test_what_usdc_cannot_do(coinbase_lab: CoinbaseSimulatorLab, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await coinbase_lab.provider.create_topup(top_up(coinbase_lab, **changes))
    assert refused.value.failure.code == code


async def test_the_total_is_credited_and_the_fee_is_ours(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    paid = await lab.provider.sync(await paid_top_up(lab))
    assert (paid.amount_received, paid.fee) == (usd(5000), usd(50))
    assert paid.charge_id is not None
    assert paid.balance_transaction_id == paid.charge_id


async def test_a_payment_is_processing_until_the_chain_confirms_it(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    external_id = await paid_top_up(lab, "confirmed_later")
    waiting = await lab.provider.sync(external_id)
    assert (waiting.state, waiting.amount_received) == (PaymentState.PROCESSING, usd(0))
    with pytest.raises(InvalidRequest) as refused:
        await lab.provider.cancel(external_id, idempotency_key=lab.key())
    assert refused.value.payment is not None
    assert refused.value.payment.state is PaymentState.PROCESSING
    await lab.flush()
    assert (await lab.provider.sync(external_id)).state is PaymentState.SUCCEEDED


async def test_a_failed_payment_says_so(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    external_id = await paid_top_up(lab, "fails")
    failed = await lab.provider.sync(external_id)
    assert (failed.state, failed.amount_received) == (PaymentState.FAILED, usd(0))
    assert failed.last_failure is not None
    assert failed.last_failure.code == "checkout_failed"
    assert (await lab.provider.cancel(external_id, idempotency_key=lab.key())).state is PaymentState.FAILED


async def test_an_unpaid_offer_ends_with_its_time(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    made = await lab.provider.create_topup(top_up(lab, expires_at=lab.now() + timedelta(minutes=5)))
    lab.clock.advance(timedelta(minutes=5))
    expired = await lab.provider.cancel(made.external_id, idempotency_key=lab.key())
    assert expired.state is PaymentState.CANCELED
    await lab.flush()
    assert [event.event_type for event in lab.events()] == ["checkout.payment.expired"]


async def test_a_refund_is_found_after_its_key_is_forgotten(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    external_id = await paid_top_up(lab)
    request = RefundRequest(payment_external_id=external_id, idempotency_key=lab.key(), amount=usd(1000))
    first = await lab.provider.refund(request)
    lab.clock.advance(timedelta(days=3))
    await lab.flush()
    again = await lab.provider.refund(request)
    assert (again.refund_id, again.state) == (first.refund_id, RefundState.SUCCEEDED)
    assert (await lab.provider.sync(external_id)).amount_refunded == usd(1000)


async def test_all_that_is_left_means_the_same_after_a_lost_answer(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    external_id = await paid_top_up(lab)
    request = RefundRequest(payment_external_id=external_id, idempotency_key=lab.key())
    await lab.fault("disconnect_after", lab.refund_path(external_id))
    with pytest.raises(Unavailable) as lost:
        await lab.provider.refund(request)
    assert lost.value.failure.outcome_unknown
    assert (await lab.provider.refund(request)).amount == usd(5000)
    assert len((await lab.provider.sync(external_id)).refunds) == 1


async def test_nothing_left_is_refused(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    external_id = await paid_top_up(lab)
    await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    with pytest.raises(InvalidRequest) as refused:
        await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    assert refused.value.failure.code == "already_refunded"


async def test_capabilities_and_secrets(coinbase_lab: CoinbaseSimulatorLab) -> None:
    provider: object = coinbase_lab.provider
    assert isinstance(provider, PaymentListing)
    assert not isinstance(provider, SavedMethods)
    assert isinstance(provider, CoinbaseProvider)
    assert provider.name == "coinbase"
    shown = repr(coinbase_lab.settings)
    assert coinbase_lab.settings.api_key_secret not in shown
    assert coinbase_lab.settings.webhook_secrets[0] not in shown
