"""Stripe's events: which come, in which order, and what they lead to."""

from providers.protocol import EventKind, RefundRequest
from providers.simulators.stripe.courier import signature
from tests.contract.labs import new_customer, paid_top_up, top_up
from tests.contract.stripe_lab import SECRET, StripeSimulatorLab


async def test_a_top_up_announces_itself(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    external_id = await paid_top_up(lab)
    await lab.flush()
    events = lab.events()
    assert [event.event_type for event in events] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
    ]
    assert {event.payment_external_id for event in events} == {external_id}
    assert {event.kind for event in events} == {EventKind.PAYMENT}
    assert {event.provider for event in events} == {"stripe"}
    assert len({event.event_id for event in events}) == 4
    assert events[0].created_at == lab.now()


async def test_the_order_of_a_declined_and_an_authenticated_payment(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    made = await lab.provider.create_topup(top_up(lab))
    await lab.pay(made.external_id, "no_funds")
    await lab.pay(made.external_id, "always_authenticate")
    await lab.authenticate("payment_intents", made.external_id, passed=True)
    await lab.flush()
    assert [event.event_type for event in lab.events()] == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
        "payment_intent.requires_action",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
    ]


async def test_refunds_disputes_and_warnings_name_their_payment(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    external_id = await paid_top_up(lab)
    await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    disputed_id = await paid_top_up(lab)
    dispute_id = await lab.dispute(disputed_id)
    await lab.resolve(dispute_id, "won")
    await lab.warn(external_id)
    await lab.flush()
    told = [(event.event_type, event.kind, event.payment_external_id) for event in lab.events()]
    for expected in (
        ("refund.created", EventKind.REFUND, external_id),
        ("charge.refunded", EventKind.REFUND, external_id),
        ("charge.dispute.created", EventKind.DISPUTE, disputed_id),
        ("charge.dispute.funds_withdrawn", EventKind.DISPUTE, disputed_id),
        ("charge.dispute.updated", EventKind.DISPUTE, disputed_id),
        ("charge.dispute.closed", EventKind.DISPUTE, disputed_id),
        ("charge.dispute.funds_reinstated", EventKind.DISPUTE, disputed_id),
        ("radar.early_fraud_warning.created", EventKind.FRAUD_WARNING, external_id),
    ):
        assert told.count(expected) == 1, expected


async def test_saving_and_giving_up_a_card(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    customer_id = await new_customer(lab)
    setup = await lab.provider.create_setup(customer_id=customer_id, org_id="org-1", idempotency_key=lab.key())
    await lab.save(setup.setup_id, "good")
    (method,) = await lab.provider.list_methods(customer_id)
    await lab.provider.detach(method.method_id, idempotency_key=lab.key())
    await lab.flush()
    assert [(event.event_type, event.kind, event.object_id) for event in lab.events()] == [
        ("customer.created", EventKind.OTHER, customer_id),
        ("setup_intent.created", EventKind.SETUP, setup.setup_id),
        ("payment_method.attached", EventKind.PAYMENT_METHOD, method.method_id),
        ("setup_intent.succeeded", EventKind.SETUP, setup.setup_id),
        ("payment_method.detached", EventKind.PAYMENT_METHOD, method.method_id),
    ]
    assert {event.payment_external_id for event in lab.events()} == {None}


async def test_a_signature_may_hold_several_macs(stripe_lab: StripeSimulatorLab) -> None:
    lab, body = stripe_lab, stripe_lab.event_body()
    both = {"Stripe-Signature": signature(["whsec_other", SECRET], body, int(lab.now().timestamp()))}
    assert lab.provider.verify_webhook(body, both)[0].payment_external_id == "pi_1"
