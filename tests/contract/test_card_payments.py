"""Every provider of cards: declines, charges while the customer is away, authentication, fees, currencies."""

import pytest

from ledger.money import Money
from providers.protocol import (
    AuthenticationRequired,
    Declined,
    FailureKind,
    InvalidRequest,
    OffSessionCharge,
    PaymentState,
)
from tests.contract.labs import CardLab, new_customer, saved_card, top_up, usd
from tests.contract.stripe_lab import StripeSimulatorLab


def charge(lab: CardLab, customer_id: str, method_id: str, amount: Money) -> OffSessionCharge:
    return OffSessionCharge(
        org_id="org-1",
        top_up_id="top-2",
        amount=amount,
        customer_id=customer_id,
        payment_method_id=method_id,
        idempotency_key=lab.key(),
    )


async def test_the_secret_of_a_top_up_is_not_shown(card_lab: CardLab) -> None:
    made = await card_lab.provider.create_topup(top_up(card_lab))
    assert made.client_secret
    assert made.client_secret not in repr(made)


async def test_top_up_with_saved_method_is_paid_at_once(card_lab: CardLab) -> None:
    lab = card_lab
    customer_id = await new_customer(lab)
    method_id = await saved_card(lab, customer_id, "good")
    request = top_up(lab, customer_id=customer_id, payment_method_id=method_id)
    paid = await lab.provider.create_topup(request)
    assert paid.state is PaymentState.SUCCEEDED
    assert paid.payment_method_id == method_id
    assert paid.customer_id == customer_id


async def test_declined_attempt_leaves_the_payment_open_for_another_card(card_lab: CardLab) -> None:
    lab = card_lab
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
async def test_decline_classes(card_lab: CardLab, behaviour: str, kind: FailureKind) -> None:
    lab = card_lab
    with pytest.raises(Declined) as refused:
        await lab.provider.create_topup(top_up(lab, payment_method_id=lab.card(behaviour)))
    assert refused.value.failure.kind is kind
    assert refused.value.failure.outcome_unknown is False
    payment = refused.value.payment
    assert payment is not None
    assert payment.state is PaymentState.AWAITING_PAYER
    assert payment.metadata["top_up_id"] == "top-1"


async def test_off_session_charge(card_lab: CardLab) -> None:
    lab = card_lab
    customer_id = await new_customer(lab)
    method_id = await saved_card(lab, customer_id, "good")
    paid = await lab.provider.charge_off_session(charge(lab, customer_id, method_id, usd(2500)))
    assert paid.state is PaymentState.SUCCEEDED
    assert paid.amount_received == usd(2500)


async def test_off_session_decline_of_a_card_that_could_be_saved(card_lab: CardLab) -> None:
    lab = card_lab
    customer_id = await new_customer(lab)
    method_id = await saved_card(lab, customer_id, "declined_after_saving")
    with pytest.raises(Declined) as refused:
        await lab.provider.charge_off_session(charge(lab, customer_id, method_id, usd(2500)))
    assert refused.value.failure.kind is FailureKind.DECLINED_RETRYABLE
    assert refused.value.payment is not None


async def test_off_session_authentication_required_is_its_own_failure(card_lab: CardLab) -> None:
    lab = card_lab
    customer_id = await new_customer(lab)
    method_id = await saved_card(lab, customer_id, "always_authenticate")
    with pytest.raises(AuthenticationRequired) as refused:
        await lab.provider.charge_off_session(charge(lab, customer_id, method_id, usd(2500)))
    payment = refused.value.payment
    assert payment is not None
    assert payment.client_secret, "the customer confirms this very payment on session"
    assert (await lab.provider.sync(payment.external_id)).state is PaymentState.AWAITING_PAYER


async def test_saved_method_that_asks_for_authentication_on_session(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    customer_id = await new_customer(lab)
    method_id = await saved_card(lab, customer_id, "always_authenticate")
    made = await lab.provider.create_topup(top_up(lab, customer_id=customer_id, payment_method_id=method_id))
    assert made.state is PaymentState.AWAITING_AUTHENTICATION
    assert made.client_secret

    await lab.authenticate("payment_intents", made.external_id, passed=True)
    assert (await lab.provider.sync(made.external_id)).state is PaymentState.SUCCEEDED


async def test_failed_authentication_takes_no_money(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    made = await lab.provider.create_topup(top_up(lab))
    await lab.pay(made.external_id, "always_authenticate")
    await lab.authenticate("payment_intents", made.external_id, passed=False)
    refused = await lab.provider.sync(made.external_id)
    assert refused.state is PaymentState.AWAITING_PAYER
    assert refused.amount_received == usd(0)
    assert refused.last_failure is not None
    assert refused.last_failure.kind is FailureKind.AUTHENTICATION_REQUIRED


async def test_card_kept_by_paying_with_it_can_be_charged_later(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    customer_id = await new_customer(lab)
    made = await lab.provider.create_topup(top_up(lab, customer_id=customer_id, save_method=True))
    await lab.pay(made.external_id, "authenticate_once")
    await lab.authenticate("payment_intents", made.external_id, passed=True)
    (kept,) = await lab.provider.list_methods(customer_id)
    paid = await lab.provider.charge_off_session(charge(lab, customer_id, kept.method_id, usd(700)))
    assert paid.state is PaymentState.SUCCEEDED


async def test_fee_and_balance_transaction_are_known_once_booked(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    made = await lab.provider.create_topup(top_up(lab))
    await lab.pay(made.external_id, "good")
    before = await lab.provider.sync(made.external_id)
    assert (before.fee, before.balance_transaction_id) == (None, None)
    await lab.flush()
    booked = await lab.provider.sync(made.external_id)
    assert booked.fee == usd(175)
    assert booked.balance_transaction_id


async def test_amount_that_only_the_provider_finds_too_small(stripe_lab: StripeSimulatorLab) -> None:
    provider = stripe_lab.other_provider(minimum_minor={})
    with pytest.raises(InvalidRequest) as refused:
        await provider.create_topup(top_up(stripe_lab, amount=usd(10)))
    await provider.aclose()
    assert provider.minimum("USD") is None
    assert refused.value.failure.code == "amount_too_small"


@pytest.mark.parametrize("amount", [Money(500, "JPY"), Money(5000, "KWD"), Money(1999, "EUR")])
async def test_amounts_of_other_exponents_come_back_as_sent(card_lab: CardLab, amount: Money) -> None:
    lab = card_lab
    made = await lab.provider.create_topup(top_up(lab, amount=amount))
    assert made.amount == amount
    assert (await lab.provider.sync(made.external_id)).amount == amount
