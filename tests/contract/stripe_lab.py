"""Stripe, simulated or in its own test mode."""

import dataclasses
import hashlib
import hmac
import json
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx

from providers.protocol import ProviderEvent
from providers.simulators.stripe.courier import signature
from providers.simulators.stripe.server import StripeSimulator, running
from providers.simulators.stripe.world import Settings, World
from providers.stripe import StripeProvider, StripeSettings
from tests.contract.labs import SimulatorLab
from tests.contract.receiver import Receiver, receiving
from tests.contract.stripe_conformance import Conformance
from wallet_service.clock import ManualClock, SystemClock

SECRET = "whsec_contract"
START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
CARDS = {
    "good": "pm_card_visa",
    "declined": "pm_card_visa_chargeDeclined",
    "no_funds": "pm_card_visa_chargeDeclinedInsufficientFunds",
    "stolen": "pm_card_visa_chargeDeclinedStolenCard",
    "expired": "pm_card_chargeDeclinedExpiredCard",
    "declined_after_saving": "pm_card_chargeCustomerFail",
    "always_authenticate": "pm_card_authenticationRequired",
    "authenticate_once": "pm_card_authenticationRequiredOnSetup",
    "disputed": "pm_card_createDispute",
    "inquired": "pm_card_createDisputeInquiry",
    "reported": "pm_card_createIssuerFraudRecord",
    "refund_fails": "pm_card_refundFail",
    "refund_pending": "pm_card_pendingRefund",
}


class StripeTestModeLab:
    """Stripe itself, with a key for its test mode. Run only when `STRIPE_TEST_KEY` is set."""

    unknown_id = "pi_unknown"

    def __init__(self, api_key: str) -> None:
        self._settings = StripeSettings(api_key=api_key)
        self._run = f"contract-{uuid.uuid4()}"
        self._count = count()
        self.provider = StripeProvider(self._settings, self.now)
        self._http = httpx.AsyncClient(base_url=self._settings.api_base, auth=(api_key, ""))

    def card(self, behaviour: str) -> str:
        return CARDS[behaviour]

    def now(self) -> datetime:
        return SystemClock().now()

    def key(self) -> str:
        return f"{self._run}-{next(self._count)}"

    async def pay(self, external_id: str, behaviour: str) -> None:
        form = {"payment_method": self.card(behaviour), "return_url": "https://example.com/"}
        answer = await self._http.post(f"/v1/payment_intents/{external_id}/confirm", data=form)
        assert answer.status_code in (200, 402), answer.text

    async def aclose(self) -> None:
        await self.provider.aclose()
        await self._http.aclose()


class StripeSimulatorLab(SimulatorLab):
    """The simulator on a real socket, driven through the real module; every exchange is checked for conformance."""

    unknown_id = "pi_unknown"
    start_path = "/v1/payment_intents"

    def __init__(
        self, simulator: StripeSimulator, clock: ManualClock, receiver: Receiver, settings: StripeSettings
    ) -> None:
        super().__init__(simulator.url, clock, receiver)
        self.simulator = simulator
        self.settings = settings
        self.provider = StripeProvider(settings, clock.now)

    @property
    def account(self) -> World:
        return self.simulator.world

    def card(self, behaviour: str) -> str:
        return CARDS[behaviour]

    async def pay(self, external_id: str, behaviour: str) -> None:
        answer = await self.control(f"payment_intents/{external_id}/pay", payment_method=self.card(behaviour))
        assert answer.status_code in (200, 402), answer.text

    async def save(self, setup_id: str, behaviour: str) -> None:
        """The payer saves this card, whatever comes of it."""
        answer = await self.control(f"setup_intents/{setup_id}/pay", payment_method=self.card(behaviour))
        assert answer.status_code in (200, 402), answer.text

    async def authenticate(self, kind: str, object_id: str, *, passed: bool) -> None:
        """The payer finishes 3-D Secure; `kind` is payment_intents or setup_intents."""
        outcome = "succeed" if passed else "fail"
        answer = await self.control(f"{kind}/{object_id}/authenticate", outcome=outcome)
        assert answer.status_code in (200, 402), answer.text

    async def dispute(self, external_id: str, **options: Any) -> str:
        answer = await self.control("disputes", payment_intent=external_id, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    async def resolve(self, dispute_id: str, outcome: str) -> None:
        answer = await self.control(f"disputes/{dispute_id}/resolve", outcome=outcome)
        assert answer.status_code == 200, answer.text

    async def warn(self, external_id: str) -> None:
        await self.control("fraud_warnings", payment_intent=external_id)

    def refund_path(self, external_id: str) -> str:
        return "/v1/refunds"

    def events(self) -> list[ProviderEvent]:
        return [
            event
            for delivery in self.receiver.received
            for event in self.provider.verify_webhook(delivery.raw, delivery.headers)
        ]

    def event_ids(self) -> list[str]:
        return list(self.account.tables["event"])

    def payment_count(self) -> int:
        return len(self.account.tables["payment_intent"])

    def other_provider(self, **changes: Any) -> StripeProvider:
        return StripeProvider(dataclasses.replace(self.settings, **changes), self.clock.now)

    def stranger(self) -> StripeProvider:
        return self.other_provider(api_key="rk_test_wrong")

    def event_body(self, **changes: Any) -> bytes:
        event = {
            "id": "evt_1",
            "object": "event",
            "type": "payment_intent.succeeded",
            "created": 1793611800,
            "livemode": False,
            "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
        }
        return json.dumps({**event, **changes}).encode()

    def signed(self, body: bytes, *, secret: str | None = None, age: timedelta = timedelta()) -> dict[str, str]:
        signed_at = int((self.now() - age).timestamp())
        return {"stripe-signature": signature([SECRET if secret is None else secret], body, signed_at)}

    def unproven(self, body: bytes) -> dict[str, dict[str, str]]:
        at = int(self.now().timestamp())
        mac = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return {
            "none": {},
            "empty": {"stripe-signature": ""},
            "no time": {"stripe-signature": f"v1={mac}"},
            "no v1": {"stripe-signature": f"t={at},v0={mac}"},
            "time is text": {"stripe-signature": f"t=now,v1={mac}"},
            "other secret": self.signed(body, secret="whsec_wrong"),
            "not ascii": {"stripe-signature": f"t={at},v1=é{mac}"},
            "two times": {"stripe-signature": f"t={at - 10_000},t={at},v1={mac}"},
        }

    def nonsense(self) -> dict[str, bytes]:
        return {
            "no text": b"\xff\xfe",
            "no json": b"not json",
            "a list": b"[]",
            "empty": b"{}",
            "a string": b'"text"',
            "no object": self.event_body(data={}),
            "object is text": self.event_body(data={"object": "pi_1"}),
            "time is text": self.event_body(created="soon"),
            "time is beyond time": self.event_body(created=2**80),
            "id is half a character": self.event_body(id="\ud800"),
            "type holds NUL": self.event_body(type="payment_intent.\0"),
            "id is long": self.event_body(id="e" * 256),
            "too deep": b"[" * 100_000,
            "other mode": self.event_body(livemode=True),
        }

    async def aclose(self) -> None:
        await self.provider.aclose()
        await self.http.aclose()


@asynccontextmanager
async def stripe_simulator_lab(conformance: Conformance) -> AsyncGenerator[StripeSimulatorLab, None]:
    """A fresh account. At the end every exchange and event must have had its published shape."""
    clock, numbers = ManualClock(START), count(1)
    async with receiving() as receiver:
        settings = Settings(webhook_url=receiver.url, webhook_secret=SECRET, followup_delay=3600)
        async with running(
            settings,
            clock=clock.now,
            ids=lambda prefix: f"{prefix}_{next(numbers):016d}",
            on_exchange=conformance.on_exchange,
        ) as simulator:
            lab = StripeSimulatorLab(
                simulator,
                clock,
                receiver,
                StripeSettings(
                    api_key="sk_test_contract",
                    webhook_secrets=(SECRET,),
                    api_base=simulator.url,
                    attempt_timeout=timedelta(seconds=5),
                    network_retries_max=0,
                ),
            )
            try:
                yield lab
                await lab.flush()
            finally:
                await lab.aclose()
            for event in simulator.world.tables["event"].values():
                conformance.on_event(event)
    assert not conformance.problems, "\n".join(conformance.problems)
