"""Every provider of cards: a card is charged once, however often it was asked for."""

from datetime import timedelta

import pytest

from providers.protocol import InvalidRequest, PaymentState, Unavailable
from tests.contract.labs import new_customer, saved_card, top_up, usd
from tests.contract.stripe_lab import StripeSimulatorLab
from tests.contract.test_card_payments import charge


async def test_a_decline_is_replayed_not_tried_again(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    customer_id = await new_customer(lab)
    attempt = charge(lab, customer_id, await saved_card(lab, customer_id, "declined_after_saving"), usd(900))
    for _ in range(2):
        with pytest.raises(Exception, match="card_declined"):
            await lab.provider.charge_off_session(attempt)
    assert len(lab.account.tables["charge"]) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_charge_with_a_lost_answer_is_made_once(stripe_lab: StripeSimulatorLab, when: str) -> None:
    lab = stripe_lab
    customer_id = await new_customer(lab)
    attempt = charge(lab, customer_id, await saved_card(lab, customer_id, "good"), usd(2500))
    await lab.fault(f"disconnect_{when}")
    with pytest.raises(Unavailable) as lost:
        await lab.provider.charge_off_session(attempt)
    assert lost.value.failure.outcome_unknown is True
    assert lab.payment_count() == (1 if when == "after" else 0)

    paid = await lab.provider.charge_off_session(attempt)
    assert paid.state is PaymentState.SUCCEEDED
    assert lab.payment_count() == 1
    assert len(lab.account.tables["charge"]) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_internal_error_is_replayed_and_the_payment_is_found_by_its_top_up(
    stripe_lab: StripeSimulatorLab, when: str
) -> None:
    """Stripe keeps even a 500 under the key, so that resending cannot resolve it: looking can."""
    lab = stripe_lab
    request = top_up(lab, top_up_id="top-500")
    await lab.fault(f"error_{when}")
    for _ in range(2):
        with pytest.raises(Unavailable) as lost:
            await lab.provider.create_topup(request)
        assert lost.value.failure.outcome_unknown is True
    assert lab.payment_count() == (1 if when == "after" else 0)
    found = await lab.provider.find_topup(
        top_up_id="top-500", created_from=lab.now(), created_until=lab.now() + timedelta(seconds=1)
    )
    assert (found is not None) == (when == "after")


async def test_a_refused_parameter_does_not_use_up_the_key(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    careless = lab.other_provider(minimum_minor={})
    key = lab.key()
    with pytest.raises(InvalidRequest):
        await careless.create_topup(top_up(lab, idempotency_key=key, amount=usd(1)))
    made = await careless.create_topup(top_up(lab, idempotency_key=key, amount=usd(100)))
    await careless.aclose()
    assert made.amount == usd(100)
