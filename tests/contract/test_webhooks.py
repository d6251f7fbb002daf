"""Every provider: what is delivered is verified, told apart, and leads to the payment to look at again."""

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from providers.protocol import EventKind, RefundRequest, WebhookRejected
from providers.simulators.stripe.courier import signature
from tests.contract.labs import SECRET, StripeSimulatorLab, new_customer
from tests.contract.test_payments import top_up
from tests.contract.test_refunds_disputes import paid_top_up


def signed(
    lab: StripeSimulatorLab, body: bytes, *, secret: str = SECRET, age: timedelta = timedelta()
) -> dict[str, str]:
    signed_at = int((lab.now() - age).timestamp())
    return {"stripe-signature": signature([secret], body, signed_at)}


def event_body(**changes: Any) -> bytes:
    payment = {"id": "pi_1", "object": "payment_intent"}
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": 1793611800,
        "livemode": False,
        "data": {"object": payment},
    }
    return json.dumps({**event, **changes}).encode()


async def test_a_top_up_announces_itself(simulated: StripeSimulatorLab) -> None:
    lab = simulated
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


async def test_the_order_of_a_declined_and_an_authenticated_payment(simulated: StripeSimulatorLab) -> None:
    lab = simulated
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


async def test_refunds_disputes_and_warnings_name_their_payment(simulated: StripeSimulatorLab) -> None:
    lab = simulated
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


async def test_saving_and_giving_up_a_card(simulated: StripeSimulatorLab) -> None:
    lab = simulated
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


async def test_duplicates_carry_the_same_key(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    await lab.deliver("duplicate")
    await paid_top_up(lab)
    await lab.flush()
    ids = [event.event_id for event in lab.events()]
    assert len(ids) == 8
    assert len(set(ids)) == 4


async def test_shuffled_deliveries_are_all_there_in_another_order(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    await lab.deliver("shuffle")
    for _ in range(3):
        await paid_top_up(lab)
    await lab.flush()
    created = [event["id"] for event in lab.simulator.world.tables["event"].values()]
    received = [event.event_id for event in lab.events()]
    assert sorted(received) == sorted(created)
    assert received != created


async def test_delayed_deliveries_wait_for_their_time(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    await lab.deliver("delay", delay=600)
    await paid_top_up(lab)
    lab.clock.advance(timedelta(seconds=599))
    assert lab.events() == []
    lab.clock.advance(timedelta(seconds=1))
    await lab.flush()
    assert len(lab.events()) == 4


async def test_dropped_deliveries_never_come_but_can_be_sent_again(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    await lab.deliver("drop")
    external_id = await paid_top_up(lab)
    await lab.flush()
    assert lab.events() == []
    await lab.deliver("normal")
    last = list(lab.simulator.world.tables["event"])[-1]
    await lab.resend(last)
    await lab.flush()
    assert [event.payment_external_id for event in lab.events()] == [external_id]


async def test_refused_deliveries_are_repeated_until_taken(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    lab.receiver.answers = [500, 503]
    await lab.provider.create_topup(top_up(lab))
    while len(lab.receiver.received) < 3:
        lab.clock.advance(timedelta(seconds=30))
        await lab.flush()
    assert len({event.event_id for event in lab.events()}) == 1
    assert await lab.flush() == {"followups": 0, "delivered": 0, "failed": 0, "pending": 0}


async def test_one_bit_changed_is_refused(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    await paid_top_up(lab)
    await lab.flush()
    delivery = lab.receiver.received[0]
    lab.provider.verify_webhook(delivery.raw, delivery.headers)
    for position in range(0, len(delivery.raw), 97):
        changed = bytearray(delivery.raw)
        changed[position] ^= 1
        with pytest.raises(WebhookRejected):
            lab.provider.verify_webhook(bytes(changed), delivery.headers)


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (timedelta(seconds=301), "too old"),
        (timedelta(seconds=-301), "in the future"),
    ],
)
async def test_age_is_bounded_on_both_sides(simulated: StripeSimulatorLab, age: timedelta, reason: str) -> None:
    lab, body = simulated, event_body()
    with pytest.raises(WebhookRejected, match=reason):
        lab.provider.verify_webhook(body, signed(lab, body, age=age))
    within = age - timedelta(seconds=1) if age > timedelta() else age + timedelta(seconds=1)
    (event,) = lab.provider.verify_webhook(body, signed(lab, body, age=within))
    assert event.event_id == "evt_1"


async def test_rotation_accepts_either_secret_on_either_side(simulated: StripeSimulatorLab) -> None:
    lab, body = simulated, event_body()
    signed_at = int(lab.now().timestamp())
    both = {"Stripe-Signature": signature(["whsec_other", SECRET], body, signed_at)}
    assert lab.provider.verify_webhook(body, both)[0].payment_external_id == "pi_1"

    rotating = lab.other_provider(webhook_secrets=("whsec_new", SECRET))
    for secret in ("whsec_new", SECRET):
        assert rotating.verify_webhook(body, signed(lab, body, secret=secret))[0].event_id == "evt_1"
    await rotating.aclose()


async def test_without_a_secret_nothing_is_trusted(simulated: StripeSimulatorLab) -> None:
    lab, body = simulated, event_body()
    closed = lab.other_provider(webhook_secrets=())
    with pytest.raises(WebhookRejected):
        closed.verify_webhook(body, signed(lab, body, secret=""))
    await closed.aclose()


def headers_that_prove_nothing(lab: StripeSimulatorLab, body: bytes) -> dict[str, dict[str, str]]:
    at = int(lab.now().timestamp())
    mac = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {
        "none": {},
        "empty": {"stripe-signature": ""},
        "no time": {"stripe-signature": f"v1={mac}"},
        "no v1": {"stripe-signature": f"t={at},v0={mac}"},
        "time is text": {"stripe-signature": f"t=now,v1={mac}"},
        "other secret": signed(lab, body, secret="whsec_wrong"),
        "not ascii": {"stripe-signature": f"t={at},v1=é{mac}"},
        "two times": {"stripe-signature": f"t={at - 10_000},t={at},v1={mac}"},
    }


async def test_headers_that_prove_nothing(simulated: StripeSimulatorLab) -> None:
    lab, body = simulated, event_body()
    for name, headers in headers_that_prove_nothing(lab, body).items():
        with pytest.raises(WebhookRejected):
            pytest.fail(f"{name}: {lab.provider.verify_webhook(body, headers)}")


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe",
        b"not json",
        b"[]",
        b"{}",
        b'"text"',
        event_body(data={}),
        event_body(data={"object": "pi_1"}),
        event_body(created="soon"),
        event_body(livemode=True),
    ],
)
async def test_signed_nonsense_is_refused(simulated: StripeSimulatorLab, body: bytes) -> None:
    with pytest.raises(WebhookRejected):
        simulated.provider.verify_webhook(body, signed(simulated, body))


async def test_a_body_over_the_limit_is_refused_unread(simulated: StripeSimulatorLab) -> None:
    small = simulated.other_provider(webhook_bytes_max=10)
    body = event_body()
    with pytest.raises(WebhookRejected, match="too large"):
        small.verify_webhook(body, signed(simulated, body))
    await small.aclose()
