"""Every provider: what is delivered is verified, told apart, and leads to the payment to look at again."""

from datetime import timedelta

import pytest

from providers.protocol import EventKind, RefundRequest, WebhookRejected
from tests.contract.labs import SimulatedLab, paid_top_up


async def test_a_payment_announces_itself(simulated: SimulatedLab) -> None:
    lab = simulated
    external_id = await paid_top_up(lab)
    await lab.flush()
    events = lab.events()
    assert [event.event_id for event in events] == lab.event_ids()
    assert len(set(lab.event_ids())) == len(events) > 0
    assert {event.payment_external_id for event in events} == {external_id}
    assert {event.kind for event in events} == {EventKind.PAYMENT}
    assert {event.provider for event in events} == {lab.provider.name}
    assert events[0].created_at == lab.now()


async def test_a_refund_announces_itself(simulated: SimulatedLab) -> None:
    lab = simulated
    external_id = await paid_top_up(lab)
    await lab.flush()
    await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    before = len(lab.events())
    await lab.flush()
    told = lab.events()[before:]
    assert {event.kind for event in told} == {EventKind.REFUND}
    assert {event.payment_external_id for event in told} == {external_id}


async def test_deliveries_go_on_after_a_reset(simulated: SimulatedLab) -> None:
    lab = simulated
    await paid_top_up(lab)
    assert (await lab.control("reset")).status_code == 200
    external_id = await paid_top_up(lab)
    await lab.flush()
    assert {event.payment_external_id for event in lab.events()} >= {external_id}


async def test_duplicates_carry_the_same_key(simulated: SimulatedLab) -> None:
    lab = simulated
    await lab.deliver("duplicate")
    await paid_top_up(lab)
    await lab.flush()
    ids = [event.event_id for event in lab.events()]
    assert sorted(ids) == sorted(2 * lab.event_ids())


async def test_shuffled_deliveries_are_all_there_in_another_order(simulated: SimulatedLab) -> None:
    lab = simulated
    await lab.deliver("shuffle")
    for _ in range(8):
        await paid_top_up(lab)
    await lab.flush()
    created = lab.event_ids()
    received = [event.event_id for event in lab.events()]
    assert sorted(received) == sorted(created)
    assert received != created


async def test_delayed_deliveries_wait_for_their_time(simulated: SimulatedLab) -> None:
    lab = simulated
    await lab.deliver("delay", delay=600)
    await paid_top_up(lab)
    lab.clock.advance(timedelta(seconds=599))
    assert lab.events() == []
    lab.clock.advance(timedelta(seconds=1))
    await lab.flush()
    assert [event.event_id for event in lab.events()] == lab.event_ids()


async def test_dropped_deliveries_never_come_but_can_be_sent_again(simulated: SimulatedLab) -> None:
    lab = simulated
    await lab.deliver("drop")
    external_id = await paid_top_up(lab)
    await lab.flush()
    assert lab.events() == []
    await lab.deliver("normal")
    await lab.resend(lab.event_ids()[-1])
    await lab.flush()
    assert [event.payment_external_id for event in lab.events()] == [external_id]


async def test_refused_deliveries_are_repeated_until_taken(simulated: SimulatedLab) -> None:
    lab = simulated
    lab.receiver.answers = [500, 503]
    await paid_top_up(lab)
    await lab.flush()
    while len(lab.receiver.received) < len(lab.event_ids()) + 2:
        lab.clock.advance(timedelta(seconds=30))
        await lab.flush()
    assert {event.event_id for event in lab.events()} == set(lab.event_ids())
    assert await lab.flush() == {"followups": 0, "delivered": 0, "failed": 0, "pending": 0}


async def test_one_bit_changed_is_refused(simulated: SimulatedLab) -> None:
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
async def test_age_is_bounded_on_both_sides(simulated: SimulatedLab, age: timedelta, reason: str) -> None:
    lab, body = simulated, simulated.event_body()
    with pytest.raises(WebhookRejected, match=reason):
        lab.provider.verify_webhook(body, lab.signed(body, age=age))
    within = age - timedelta(seconds=1) if age > timedelta() else age + timedelta(seconds=1)
    (event,) = lab.provider.verify_webhook(body, lab.signed(body, age=within))
    assert event.event_id == "evt_1"


async def test_rotation_accepts_either_secret(simulated: SimulatedLab) -> None:
    lab, body = simulated, simulated.event_body()
    rotating = lab.other_provider(webhook_secrets=("old-secret", "new-secret"))
    for secret in ("old-secret", "new-secret"):
        assert rotating.verify_webhook(body, lab.signed(body, secret=secret))[0].event_id == "evt_1"
    with pytest.raises(WebhookRejected):
        rotating.verify_webhook(body, lab.signed(body, secret="older-secret"))
    await rotating.aclose()


async def test_without_a_secret_nothing_is_trusted(simulated: SimulatedLab) -> None:
    lab, body = simulated, simulated.event_body()
    closed = lab.other_provider(webhook_secrets=())
    with pytest.raises(WebhookRejected):
        closed.verify_webhook(body, lab.signed(body, secret=""))
    await closed.aclose()


async def test_headers_that_prove_nothing(simulated: SimulatedLab) -> None:
    lab, body = simulated, simulated.event_body()
    for name, headers in lab.unproven(body).items():
        with pytest.raises(WebhookRejected):
            pytest.fail(f"{name}: {lab.provider.verify_webhook(body, headers)}")


async def test_signed_nonsense_is_refused(simulated: SimulatedLab) -> None:
    lab = simulated
    for name, body in lab.nonsense().items():
        with pytest.raises(WebhookRejected):
            pytest.fail(f"{name}: {lab.provider.verify_webhook(body, lab.signed(body))}")


async def test_a_body_over_the_limit_is_refused_unread(simulated: SimulatedLab) -> None:
    small = simulated.other_provider(webhook_bytes_max=10)
    body = simulated.event_body()
    with pytest.raises(WebhookRejected, match="too large"):
        small.verify_webhook(body, simulated.signed(body))
    await small.aclose()
