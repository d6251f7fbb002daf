"""Where the contract suite runs: a provider module together with what can be done on the payer's and the bank's side.

`Lab` is what any vendor's account in test mode can do. `SimulatedLab` adds what only a simulator can: finishing
challenges, disputes, deliveries and faults. A second vendor joins by another implementation of these two.
"""

import dataclasses
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol

import httpx

from ledger.money import Money
from providers.protocol import CustomerRequest, PaymentListing, PaymentProvider, ProviderEvent, SavedMethods
from providers.simulators.stripe.server import StripeSimulator, running
from providers.simulators.stripe.world import Settings
from providers.stripe import StripeProvider, StripeSettings
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


class Cards(PaymentProvider, SavedMethods, PaymentListing, Protocol):
    """A provider with both optional capabilities that the suite needs."""


class Lab(Protocol):
    """An account in test mode."""

    provider: Cards

    def card(self, behaviour: str) -> str:
        """The vendor's test card of that behaviour."""
        ...

    def now(self) -> datetime: ...

    def key(self) -> str:
        """A fresh idempotency key."""
        ...

    async def pay(self, external_id: str, behaviour: str) -> None:
        """The payer pays with this card, whatever comes of it."""
        ...


async def new_customer(lab: Lab) -> str:
    return await lab.provider.ensure_customer(
        CustomerRequest(org_id="org-1", billing_account_id="ba-1", idempotency_key=lab.key(), name="Contract test")
    )


async def saved_card(lab: Lab, customer_id: str, behaviour: str) -> str:
    """A method of this behaviour, attached to the customer."""
    attached = await lab.provider.attach(
        customer_id=customer_id, method_id=lab.card(behaviour), idempotency_key=lab.key()
    )
    return attached.method_id


def usd(amount_minor: int) -> Money:
    return Money(amount_minor, "USD")


class StripeTestModeLab:
    """Stripe itself, with a key for its test mode. Run only when `STRIPE_TEST_KEY` is set."""

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


class StripeSimulatorLab:
    """The simulator on a real socket, driven through the real module; every exchange is checked for conformance."""

    def __init__(
        self, simulator: StripeSimulator, clock: ManualClock, receiver: Receiver, settings: StripeSettings
    ) -> None:
        self.simulator = simulator
        self.clock = clock
        self.receiver = receiver
        self.settings = settings
        self.provider = StripeProvider(settings, clock.now)
        self.http = httpx.AsyncClient(base_url=simulator.url, trust_env=False)
        self._keys = count()

    def card(self, behaviour: str) -> str:
        return CARDS[behaviour]

    def now(self) -> datetime:
        return self.clock.now()

    def key(self) -> str:
        return f"key-{next(self._keys)}"

    async def pay(self, external_id: str, behaviour: str) -> None:
        answer = await self._control("POST", f"payment_intents/{external_id}/pay", payment_method=self.card(behaviour))
        assert answer.status_code in (200, 402), answer.text

    async def save(self, setup_id: str, behaviour: str) -> None:
        """The payer saves this card, whatever comes of it."""
        answer = await self._control("POST", f"setup_intents/{setup_id}/pay", payment_method=self.card(behaviour))
        assert answer.status_code in (200, 402), answer.text

    async def authenticate(self, kind: str, object_id: str, *, passed: bool) -> None:
        """The payer finishes 3-D Secure; `kind` is payment_intents or setup_intents."""
        outcome = "succeed" if passed else "fail"
        answer = await self._control("POST", f"{kind}/{object_id}/authenticate", outcome=outcome)
        assert answer.status_code in (200, 402), answer.text

    async def dispute(self, external_id: str, **options: Any) -> str:
        answer = await self._control("POST", "disputes", payment_intent=external_id, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    async def resolve(self, dispute_id: str, outcome: str) -> None:
        answer = await self._control("POST", f"disputes/{dispute_id}/resolve", outcome=outcome)
        assert answer.status_code == 200, answer.text

    async def warn(self, external_id: str) -> None:
        await self._control("POST", "fraud_warnings", payment_intent=external_id)

    async def deliver(self, mode: str, delay: int = 0) -> None:
        assert (await self._control("POST", "delivery", mode=mode, delay=delay)).status_code == 200

    async def fault(self, kind: str, path: str = "/v1/payment_intents", **options: Any) -> None:
        assert (await self._control("POST", "faults", kind=kind, path=path, **options)).status_code == 200

    async def flush(self) -> dict[str, int]:
        """Everything due now or later happens now."""
        return (await self._control("POST", "flush")).json()

    async def resend(self, event_id: str) -> None:
        assert (await self._control("POST", "deliveries/resend", event=event_id)).status_code == 200

    def events(self) -> list[ProviderEvent]:
        """The deliveries so far, verified by the module."""
        return [
            event
            for delivery in self.receiver.received
            for event in self.provider.verify_webhook(delivery.raw, delivery.headers)
        ]

    def other_provider(self, **changes: Any) -> StripeProvider:
        """A second module on the same account, with other settings. The caller closes it."""
        return StripeProvider(dataclasses.replace(self.settings, **changes), self.clock.now)

    async def aclose(self) -> None:
        await self.provider.aclose()
        await self.http.aclose()

    async def _control(self, method: str, target: str, /, **body: Any) -> httpx.Response:
        return await self.http.request(method, f"/_sim/{target}", json=body)


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
