"""Every provider: top-ups, charges while the customer is away, cancelling, finding."""

import dataclasses
from datetime import timedelta

import pytest

from ledger.money import Money
from providers.protocol import (
    AuthenticationRequired,
    Declined,
    FailureKind,
    InvalidRequest,
    OffSessionCharge,
    PaymentState,
    TopUpRequest,
)
from tests.contract.labs import Lab, StripeSimulatorLab, new_customer, saved_card, usd


def top_up(lab: Lab, **changes: object) -> TopUpRequest:
    request = TopUpRequest(org_id="org-1", top_up_id="top-1", amount=usd(5000), idempotency_key=lab.key())
    return dataclasses.replace(request, **changes)


def charge(lab: Lab, customer_id: str, method_id: str, amount: Money) -> OffSessionCharge:
    return OffSessionCharge(
        org_id="org-1",
        top_up_id="top-2",
        amount=amount,
        customer_id=customer_id,
        payment_method_id=method_id,
        idempotency_key=lab.key(),
    )


async def test_top_up_without_saved_method_waits_for_the_payer(lab: Lab) -> None:
    made = await lab.provider.create_topup(top_up(lab, description="Wallet top-up"))
    assert made.state is PaymentState.AWAITING_PAYER
    assert made.client_secret
    assert made.amount == usd(5000)
    assert made.amount_received == usd(0)
    assert made.metadata == {"org_id": "org-1", "top_up_id": "top-1"}
    assert made.client_secret not in repr(made)

    await lab.pay(made.external_id, "good")
    paid = await lab.provider.sync(made.external_id)
    assert paid.state is PaymentState.SUCCEEDED
    assert paid.amount_received == usd(5000)
    assert paid.amount_refunded == usd(0)
    assert paid.charge_id
    assert (paid.refunds, paid.disputes) == ((), ())


async def test_top_up_with_saved_method_is_paid_at_once(lab: Lab) -> None:
    customer_id = await new_customer(lab)
    method_id = await saved_card(lab, customer_id, "good")
    request = top_up(lab, customer_id=customer_id, payment_method_id=method_id)
    paid = await lab.provider.create_topup(request)
    assert paid.state is PaymentState.SUCCEEDED
    assert paid.payment_method_id == method_id
    assert paid.customer_id == customer_id


async def test_declined_attempt_leaves_the_payment_open_for_another_card(lab: Lab) -> None:
    made = await lab.provider.create_topup(top_up(lab))
    await lab.pay(made.external_id, "no_funds")
    refused = await lab.provider.sync(made.external_id)
    assert refused.state is PaymentState.AWAITING_PAYER
    assert refused.last_failure is not None
    assert refused.last_failure.kind is FailureKind.DECLINED_RETRYABLE
    assert refused.last_failure.decline_code == "insufficient_funds"

    await lab.pay(made.external_id, "good")
    assert (await lab.provider.sync(made.external_id)).state is PaymentState.SUCCEEDED


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("declined", FailureKind.DECLINED_RETRYABLE),
        ("no_funds", FailureKind.DECLINED_RETRYABLE),
        ("stolen", FailureKind.DECLINED_HARD),
        ("expired", FailureKind.DECLINED_HARD),
    ],
)
async def test_decline_classes(lab: Lab, behaviour: str, kind: FailureKind) -> None:
    with pytest.raises(Declined) as refused:
        await lab.provider.create_topup(top_up(lab, payment_method_id=lab.card(behaviour)))
    assert refused.value.failure.kind is kind
    assert refused.value.failure.outcome_unknown is False
    payment = refused.value.payment
    assert payment is not None
    assert payment.state is PaymentState.AWAITING_PAYER
    assert payment.metadata["top_up_id"] == "top-1"


async def test_off_session_charge(lab: Lab) -> None:
    customer_id = await new_customer(lab)
    method_id = await saved_card(lab, customer_id, "good")
    paid = await lab.provider.charge_off_session(charge(lab, customer_id, method_id, usd(2500)))
    assert paid.state is PaymentState.SUCCEEDED
    assert paid.amount_received == usd(2500)


async def test_off_session_decline_of_a_card_that_could_be_saved(lab: Lab) -> None:
    customer_id = await new_customer(lab)
    method_id = await saved_card(lab, customer_id, "declined_after_saving")
    with pytest.raises(Declined) as refused:
        await lab.provider.charge_off_session(charge(lab, customer_id, method_id, usd(2500)))
    assert refused.value.failure.kind is FailureKind.DECLINED_RETRYABLE
    assert refused.value.payment is not None


async def test_off_session_authentication_required_is_its_own_failure(lab: Lab) -> None:
    customer_id = await new_customer(lab)
    method_id = await saved_card(lab, customer_id, "always_authenticate")
    with pytest.raises(AuthenticationRequired) as refused:
        await lab.provider.charge_off_session(charge(lab, customer_id, method_id, usd(2500)))
    payment = refused.value.payment
    assert payment is not None
    assert payment.client_secret, "the customer confirms this very payment on session"
    assert (await lab.provider.sync(payment.external_id)).state is PaymentState.AWAITING_PAYER


async def test_saved_method_that_asks_for_authentication_on_session(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    customer_id = await new_customer(lab)
    method_id = await saved_card(lab, customer_id, "always_authenticate")
    made = await lab.provider.create_topup(top_up(lab, customer_id=customer_id, payment_method_id=method_id))
    assert made.state is PaymentState.AWAITING_AUTHENTICATION
    assert made.client_secret

    await lab.authenticate("payment_intents", made.external_id, passed=True)
    assert (await lab.provider.sync(made.external_id)).state is PaymentState.SUCCEEDED


async def test_failed_authentication_takes_no_money(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    made = await lab.provider.create_topup(top_up(lab))
    await lab.pay(made.external_id, "always_authenticate")
    await lab.authenticate("payment_intents", made.external_id, passed=False)
    refused = await lab.provider.sync(made.external_id)
    assert refused.state is PaymentState.AWAITING_PAYER
    assert refused.amount_received == usd(0)
    assert refused.last_failure is not None
    assert refused.last_failure.kind is FailureKind.AUTHENTICATION_REQUIRED


async def test_card_kept_by_paying_with_it_can_be_charged_later(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    customer_id = await new_customer(lab)
    made = await lab.provider.create_topup(top_up(lab, customer_id=customer_id, save_method=True))
    await lab.pay(made.external_id, "authenticate_once")
    await lab.authenticate("payment_intents", made.external_id, passed=True)
    (kept,) = await lab.provider.list_methods(customer_id)
    paid = await lab.provider.charge_off_session(charge(lab, customer_id, kept.method_id, usd(700)))
    assert paid.state is PaymentState.SUCCEEDED


async def test_fee_and_balance_transaction_are_known_once_booked(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    made = await lab.provider.create_topup(top_up(lab))
    await lab.pay(made.external_id, "good")
    before = await lab.provider.sync(made.external_id)
    assert (before.fee, before.balance_transaction_id) == (None, None)
    await lab.flush()
    booked = await lab.provider.sync(made.external_id)
    assert booked.fee == usd(175)
    assert booked.balance_transaction_id


async def test_cancel_is_final_and_repeatable(lab: Lab) -> None:
    made = await lab.provider.create_topup(top_up(lab))
    canceled = await lab.provider.cancel(made.external_id, idempotency_key=lab.key())
    assert canceled.state is PaymentState.CANCELED
    again = await lab.provider.cancel(made.external_id, idempotency_key=lab.key())
    assert again.state is PaymentState.CANCELED


async def test_cancel_of_a_paid_payment_is_refused(lab: Lab) -> None:
    made = await lab.provider.create_topup(top_up(lab))
    await lab.pay(made.external_id, "good")
    with pytest.raises(InvalidRequest):
        await lab.provider.cancel(made.external_id, idempotency_key=lab.key())


async def test_unknown_payment_is_invalid(lab: Lab) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await lab.provider.sync("pi_unknown")
    assert refused.value.failure.code == "resource_missing"


async def test_amount_below_the_minimum_is_refused_before_any_call(lab: Lab) -> None:
    minimum = lab.provider.minimum("USD")
    assert minimum == usd(50)
    with pytest.raises(InvalidRequest) as refused:
        await lab.provider.create_topup(top_up(lab, amount=usd(49)))
    assert refused.value.failure.code == "amount_too_small"
    assert (await lab.provider.create_topup(top_up(lab, amount=minimum))).amount == minimum


async def test_amount_that_only_the_provider_finds_too_small(simulated: StripeSimulatorLab) -> None:
    provider = simulated.other_provider(minimum_minor={})
    with pytest.raises(InvalidRequest) as refused:
        await provider.create_topup(top_up(simulated, amount=usd(10)))
    await provider.aclose()
    assert provider.minimum("USD") is None
    assert refused.value.failure.code == "amount_too_small"


@pytest.mark.parametrize("amount", [Money(500, "JPY"), Money(5000, "KWD"), Money(1999, "EUR")])
async def test_amounts_of_other_exponents_come_back_as_sent(lab: Lab, amount: Money) -> None:
    made = await lab.provider.create_topup(top_up(lab, amount=amount))
    assert made.amount == amount
    assert (await lab.provider.sync(made.external_id)).amount == amount


async def test_payments_are_listed_and_found_by_top_up(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    start = lab.now()
    made: list[str] = []
    for number in range(3):
        request = top_up(lab, top_up_id=f"top-{number}")
        made.append((await lab.provider.create_topup(request)).external_id)
        lab.clock.advance(timedelta(seconds=10))
    references = [
        reference.external_id
        async for reference in lab.provider.list_payments(
            created_from=start + timedelta(seconds=10), created_until=lab.now()
        )
    ]
    assert references == [made[2], made[1]], "half-open interval, newest first"
    found = await lab.provider.find_topup(top_up_id="top-0", created_from=start, created_until=lab.now())
    assert found is not None
    assert found.external_id == made[0]
    assert await lab.provider.find_topup(top_up_id="top-9", created_from=start, created_until=lab.now()) is None


async def test_a_long_list_is_walked_page_by_page_and_bounded(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    for number in range(101):
        await lab.provider.create_topup(top_up(lab, top_up_id=f"top-{number}"))
    interval = {"created_from": lab.now(), "created_until": lab.now() + timedelta(seconds=1)}
    assert len([row async for row in lab.provider.list_payments(**interval)]) == 101
    short = lab.other_provider(list_pages_max=1)
    with pytest.raises(InvalidRequest, match="too_many_payments"):
        [row async for row in short.list_payments(**interval)]
    await short.aclose()
