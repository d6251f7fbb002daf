"""Coinbase's deliveries: the documented events, and what their signature must cover."""

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from providers.protocol import EventKind, RefundRequest, WebhookRejected
from tests.contract.coinbase_lab import DOCUMENTED, SECRET, CoinbaseSimulatorLab, coinbase_simulator_lab
from tests.contract.labs import paid_top_up

EVENTS: dict[str, Any] = DOCUMENTED["events"]


def documented_headers(body: bytes, signed_at: int, names: str, values: str) -> str:
    """The signature as the documentation describes it, written out once more."""
    signed = f"{signed_at}.{names}.{values}.".encode() + body
    return f"t={signed_at},h={names},v1={hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()}"


@pytest.mark.parametrize("event_type", EVENTS)
async def test_the_documented_events_are_understood(coinbase_lab: CoinbaseSimulatorLab, event_type: str) -> None:
    body = json.dumps(EVENTS[event_type]).encode()
    headers = {
        "Content-Type": "application/json",
        "X-Hook0-Id": "evt_7",
        "X-Hook0-Signature": documented_headers(
            body, int(coinbase_lab.now().timestamp()), "content-type x-hook0-id", "application/json.evt_7"
        ),
    }
    (event,) = coinbase_lab.provider.verify_webhook(body, headers)
    assert event.event_type == event_type
    assert event.kind is (EventKind.REFUND if ".refund." in event_type else EventKind.PAYMENT)
    assert (event.event_id, event.payment_external_id) == ("evt_7", EVENTS[event_type]["id"])
    assert event.created_at.isoformat() == "2026-03-20T10:31:55.097000+00:00"


async def test_other_signed_headers_that_cover_enough_are_taken() -> None:
    names = ("content-type", "x-event-id", "x-event-type")
    async with coinbase_simulator_lab(signed_headers=names) as lab:
        external_id = await paid_top_up(lab)
        await lab.flush()
        assert [(event.event_id, event.payment_external_id) for event in lab.events()] == [
            (lab.event_ids()[0], external_id)
        ]


async def test_an_event_of_an_unknown_type_is_other(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    body = lab.event_body(eventType="checkout.created")
    assert lab.provider.verify_webhook(body, lab.signed(body))[0].kind is EventKind.OTHER


async def test_a_minimum_can_be_demanded(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab, body = coinbase_lab, coinbase_lab.event_body()
    strict = lab.other_provider(webhook_signed_headers=("content-type", "x-event-type"))
    with pytest.raises(WebhookRejected, match="too few"):
        strict.verify_webhook(body, lab.signed(body))
    covered = ("content-type", "x-hook0-id", "x-event-type")
    headers = lab.signed(body, covered=covered, **{"x-event-type": "checkout.payment.success"})
    assert strict.verify_webhook(body, headers)[0].event_id == "evt_1"
    await strict.aclose()


async def test_a_signed_header_cannot_be_moved_or_renamed(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab, body = coinbase_lab, coinbase_lab.event_body()
    headers = lab.signed(body)
    swapped = headers["X-Hook0-Signature"].replace("content-type x-hook0-id", "x-hook0-id content-type")
    renamed = headers["X-Hook0-Signature"].replace("x-hook0-id", "x-event-id")
    for signature in (swapped, renamed):
        with pytest.raises(WebhookRejected, match="does not match"):
            lab.provider.verify_webhook(body, {**headers, "X-Hook0-Signature": signature})


async def test_the_events_of_a_life(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    refunded, failed = await paid_top_up(lab), await paid_top_up(lab, "fails")
    returned = await paid_top_up(lab, "refund_fails")
    for external_id in (refunded, returned):
        await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    await lab.flush()
    assert [(event.event_type, event.payment_external_id) for event in lab.events()] == [
        ("checkout.payment.success", refunded),
        ("checkout.payment.failed", failed),
        ("checkout.payment.success", returned),
        ("checkout.refund.success", refunded),
        ("checkout.refund.failed", returned),
    ]


async def test_a_redelivery_is_signed_anew(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    lab.receiver.answers = [500]
    await paid_top_up(lab)
    await lab.receiver.wait_for(1)
    lab.clock.advance(timedelta(hours=1))
    await lab.flush()
    first, second = lab.receiver.received
    with pytest.raises(WebhookRejected, match="too old"):
        lab.provider.verify_webhook(first.raw, first.headers)
    (event,) = lab.provider.verify_webhook(second.raw, second.headers)
    assert event.event_id == lab.event_ids()[0]
