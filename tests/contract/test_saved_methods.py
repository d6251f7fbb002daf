"""Every provider with `SavedMethods`: saving, listing and giving up cards."""

import pytest

from providers.protocol import (
    AuthenticationRequired,
    CustomerRequest,
    Declined,
    FailureKind,
    InvalidRequest,
    PaymentState,
)
from tests.contract.labs import CardLab, new_customer, saved_card, top_up, usd
from tests.contract.stripe_lab import StripeSimulatorLab
from tests.contract.test_card_payments import charge


async def test_ensure_customer_reuses_what_exists(card_lab: CardLab) -> None:
    lab = card_lab
    request = CustomerRequest(
        org_id="org-1", billing_account_id="ba-1", idempotency_key=lab.key(), name="A", email="a@example.com"
    )
    first = await lab.provider.ensure_customer(request)
    assert await lab.provider.ensure_customer(request) == first, "the key finds it"
    known = CustomerRequest(
        org_id="org-1", billing_account_id="ba-1", idempotency_key=lab.key(), known_customer_id=first
    )
    assert await lab.provider.ensure_customer(known) == first


async def test_ensure_customer_replaces_one_that_is_gone(card_lab: CardLab) -> None:
    lab = card_lab
    made = await lab.provider.ensure_customer(
        CustomerRequest(
            org_id="org-1", billing_account_id="ba-1", idempotency_key=lab.key(), known_customer_id="cus_gone"
        )
    )
    assert made != "cus_gone"


async def test_ensure_customer_replaces_a_deleted_one(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    first = await new_customer(lab)
    await lab.http.delete(f"/v1/customers/{first}", headers={"Authorization": "Bearer sk_test_contract"})
    request = CustomerRequest(
        org_id="org-1", billing_account_id="ba-1", idempotency_key=lab.key(), known_customer_id=first
    )
    assert await lab.provider.ensure_customer(request) != first


async def test_setup_then_attach_list_and_detach(card_lab: CardLab) -> None:
    lab = card_lab
    customer_id = await new_customer(lab)
    setup = await lab.provider.create_setup(customer_id=customer_id, org_id="org-1", idempotency_key=lab.key())
    assert setup.state is PaymentState.AWAITING_PAYER
    assert setup.customer_id == customer_id
    assert setup.client_secret
    assert setup.client_secret not in repr(setup)

    attached = await lab.provider.attach(customer_id=customer_id, method_id=lab.card("good"), idempotency_key=lab.key())
    assert (attached.brand, attached.last4, attached.customer_id) == ("visa", "4242", customer_id)
    assert 1 <= attached.exp_month <= 12
    again = await lab.provider.attach(customer_id=customer_id, method_id=attached.method_id, idempotency_key=lab.key())
    assert again.method_id == attached.method_id
    assert [row.method_id for row in await lab.provider.list_methods(customer_id)] == [attached.method_id]

    await lab.provider.detach(attached.method_id, idempotency_key=lab.key())
    await lab.provider.detach(attached.method_id, idempotency_key=lab.key())
    assert list(await lab.provider.list_methods(customer_id)) == []
    with pytest.raises(InvalidRequest):
        await lab.provider.attach(customer_id=customer_id, method_id=attached.method_id, idempotency_key=lab.key())


async def test_another_customers_method_cannot_be_attached_or_charged(card_lab: CardLab) -> None:
    lab = card_lab
    owner, other = await new_customer(lab), await new_customer(lab)
    method_id = await saved_card(lab, owner, "good")
    with pytest.raises(InvalidRequest):
        await lab.provider.attach(customer_id=other, method_id=method_id, idempotency_key=lab.key())
    with pytest.raises(InvalidRequest):
        await lab.provider.charge_off_session(charge(lab, other, method_id, usd(500)))


async def test_a_finished_setup_has_attached_its_card(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    customer_id = await new_customer(lab)
    setup = await lab.provider.create_setup(customer_id=customer_id, org_id="org-1", idempotency_key=lab.key())
    await lab.save(setup.setup_id, "good")
    done = await lab.provider.sync_setup(setup.setup_id)
    assert done.state is PaymentState.SUCCEEDED
    assert done.method_id
    kept = await lab.provider.attach(customer_id=customer_id, method_id=done.method_id, idempotency_key=lab.key())
    assert kept.customer_id == customer_id


async def test_setup_with_authentication_then_charges_without(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    customer_id = await new_customer(lab)
    setup = await lab.provider.create_setup(customer_id=customer_id, org_id="org-1", idempotency_key=lab.key())
    await lab.save(setup.setup_id, "authenticate_once")
    assert (await lab.provider.sync_setup(setup.setup_id)).state is PaymentState.AWAITING_AUTHENTICATION
    await lab.authenticate("setup_intents", setup.setup_id, passed=True)
    method_id = (await lab.provider.sync_setup(setup.setup_id)).method_id
    assert method_id is not None
    paid = await lab.provider.charge_off_session(charge(lab, customer_id, method_id, usd(500)))
    assert paid.state is PaymentState.SUCCEEDED


async def test_the_same_card_attached_without_setup_needs_the_payer(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    customer_id = await new_customer(lab)
    method_id = await saved_card(lab, customer_id, "authenticate_once")
    with pytest.raises(AuthenticationRequired):
        await lab.provider.charge_off_session(charge(lab, customer_id, method_id, usd(500)))


async def test_failed_setups_say_why(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    customer_id = await new_customer(lab)
    setup = await lab.provider.create_setup(customer_id=customer_id, org_id="org-1", idempotency_key=lab.key())
    await lab.save(setup.setup_id, "declined")
    refused = await lab.provider.sync_setup(setup.setup_id)
    assert refused.state is PaymentState.AWAITING_PAYER
    assert refused.last_failure is not None
    assert refused.last_failure.kind is FailureKind.DECLINED_RETRYABLE

    await lab.save(setup.setup_id, "always_authenticate")
    await lab.authenticate("setup_intents", setup.setup_id, passed=False)
    assert (await lab.provider.sync_setup(setup.setup_id)).state is PaymentState.AWAITING_PAYER
    assert list(await lab.provider.list_methods(customer_id)) == []


async def test_a_card_that_its_bank_refuses_cannot_be_attached(card_lab: CardLab) -> None:
    lab = card_lab
    customer_id = await new_customer(lab)
    with pytest.raises(Declined):
        await saved_card(lab, customer_id, "declined")


async def test_a_detached_method_cannot_pay(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    customer_id = await new_customer(lab)
    method_id = await saved_card(lab, customer_id, "good")
    await lab.provider.detach(method_id, idempotency_key=lab.key())
    with pytest.raises(InvalidRequest):
        await lab.provider.create_topup(top_up(lab, customer_id=customer_id, payment_method_id=method_id))
