"""`POST /webhooks/stripe` over HTTP, and the inbox behind it."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.operations.payments_lab import SECRET, PaymentsLab, payments_lab
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.http.webhooks import BODY_BYTES_MAX


@pytest.fixture
async def lab(db: Database, clock: ManualClock) -> AsyncIterator[PaymentsLab]:
    async with payments_lab(db, clock) as made:
        yield made


def event(lab: PaymentsLab, **changes: Any) -> bytes:
    content = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": int(lab.clock.now().timestamp()),
        "livemode": False,
        "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
    }
    return json.dumps({**content, **changes}).encode()


def signed(lab: PaymentsLab, raw: bytes, *, age: timedelta = timedelta(0), secret: str = SECRET) -> dict[str, str]:
    at = int((lab.clock.now() - age).timestamp())
    mac = hmac.new(secret.encode(), f"{at}.".encode() + raw, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={at},v1={mac}", "content-type": "application/json; charset=utf-8"}


async def post(lab: PaymentsLab, raw: bytes, headers: dict[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(lab.webhook_url, content=raw, headers=headers)


async def stored(lab: PaymentsLab) -> int:
    [(count,)] = await lab.rows("SELECT count(*) FROM provider_events")
    return count


async def test_a_signed_event_is_noted_once_with_one_job(lab):
    raw = event(lab)
    first = await post(lab, raw, signed(lab, raw))
    again = await post(lab, raw, signed(lab, raw))
    assert (first.status_code, again.status_code) == (200, 200)
    assert (first.json()["duplicate"], again.json()["duplicate"]) == (False, True)
    assert await stored(lab) == 1
    assert await lab.queued("provider-event") == [{"provider": "stripe", "event_id": "evt_1"}]


@pytest.mark.parametrize("age", [timedelta(seconds=301), timedelta(seconds=-301)])
async def test_a_signature_is_valid_for_five_minutes_on_both_sides(lab, age):
    raw = event(lab)
    assert (await post(lab, raw, signed(lab, raw, age=age))).status_code == 400
    assert await stored(lab) == 0


async def test_what_is_not_signed_by_the_provider_is_refused(lab):
    raw = event(lab)
    changed = raw.replace(b"pi_1", b"pi_2")
    cases = [
        (raw, signed(lab, raw, secret="whsec_other")),
        (changed, signed(lab, raw)),
        (raw, {"content-type": "application/json"}),
        (raw, {**signed(lab, raw), "stripe-signature": "nonsense"}),
        (b"\xff\xfe", signed(lab, b"\xff\xfe")),
        (b"[]", signed(lab, b"[]")),
    ]
    for body, headers in cases:
        answer = await post(lab, body, headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert await stored(lab) == 0


async def test_an_event_of_live_mode_is_refused(lab):
    raw = event(lab, livemode=True)
    assert (await post(lab, raw, signed(lab, raw))).status_code == 400


async def test_other_content_types_methods_and_sizes(lab):
    raw = event(lab)
    assert (await post(lab, raw, {**signed(lab, raw), "content-type": "text/plain"})).status_code == 415
    large = b" " * (BODY_BYTES_MAX + 1)
    assert (await post(lab, large, signed(lab, large))).status_code == 413
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(lab.webhook_url)).status_code == 405
    assert await stored(lab) == 0


async def test_events_about_other_things_are_processed_without_effect(lab):
    raw = event(lab, type="customer.updated", data={"object": {"id": "cus_1", "object": "customer"}})
    assert (await post(lab, raw, signed(lab, raw))).status_code == 200
    assert await lab.work_events() == 1
    assert await lab.work_events() == 0


async def test_processed_events_are_forgotten_after_a_month_and_others_are_not(lab):
    for name in ("evt_1", "evt_2"):
        raw = event(lab, id=name)
        await post(lab, raw, signed(lab, raw))
    await lab.inbox.work("stripe", "evt_1")
    lab.clock.advance(timedelta(days=29))
    assert await lab.inbox.clean() == 0
    lab.clock.advance(timedelta(days=2))
    assert await lab.inbox.clean() == 1
    assert await lab.rows("SELECT event_id FROM provider_events") == [("evt_2",)]


async def test_work_of_an_unknown_or_processed_event_is_nothing(lab):
    await lab.inbox.work("stripe", "evt_missing")
    topup = await lab.paid(5000)
    await lab.settle_everything()
    [(event_id,), *_] = await lab.rows("SELECT event_id FROM provider_events")
    await lab.inbox.work("stripe", event_id)
    assert (await lab.balances())["wallet"] == topup.amount_minor
