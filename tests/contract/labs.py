"""Where the contract suite runs: a provider module together with what can be done on the payer's and the vendor's side.

`Lab` is what any vendor's account in test mode can do, `CardLab` one that takes cards. `SimulatedLab` adds what only a
simulator can: deliveries, faults, and knowing what happened. The vendors' own labs are in `stripe_lab` and `coinbase_lab`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Protocol

import httpx

from ledger.money import Money
from providers.protocol import (
    CustomerRequest,
    PaymentListing,
    PaymentProvider,
    ProviderEvent,
    SavedMethods,
    TopUpRequest,
)
from providers.simulators.account import Account
from tests.contract.receiver import Receiver
from wallet_service.clock import ManualClock


class Listed(PaymentProvider, PaymentListing, Protocol):
    """A provider whose payments can be walked."""


class Cards(Listed, SavedMethods, Protocol):
    """A provider that also keeps cards."""


class Lab(Protocol):
    """An account in test mode."""

    unknown_id: str
    """An id in the vendor's form that no payment has."""

    @property
    def provider(self) -> Listed: ...

    def now(self) -> datetime: ...

    def key(self) -> str:
        """A fresh idempotency key."""
        ...

    async def pay(self, external_id: str, behaviour: str) -> None:
        """The payer pays: `good`, or with something whose `refund_fails` or is `refund_pending` for a while."""
        ...


class CardLab(Lab, Protocol):
    """An account that takes cards; `pay` knows the behaviours of its test cards."""

    @property
    def provider(self) -> Cards: ...

    def card(self, behaviour: str) -> str:
        """The vendor's test card of that behaviour."""
        ...


class SimulatedLab(Lab, Protocol):
    """An account of a simulator on a real socket."""

    clock: ManualClock
    receiver: Receiver

    @property
    def account(self) -> Account[Any]: ...

    def refund_path(self, external_id: str) -> str:
        """The address at which this payment is refunded, for `fault`."""
        ...

    async def fault(self, kind: str, path: str | None = None, **options: Any) -> None:
        """The next matching requests go wrong; without a path those that start a payment."""
        ...

    async def deliver(self, mode: str, delay: int = 0) -> None: ...

    async def flush(self) -> dict[str, int]:
        """Everything due now or later happens now."""
        ...

    async def resend(self, event_id: str) -> None: ...

    async def control(self, target: str, /, **body: Any) -> httpx.Response:
        """An out-of-band call to the simulator."""
        ...

    def events(self) -> list[ProviderEvent]:
        """The deliveries so far, verified by the module."""
        ...

    def event_ids(self) -> list[str]:
        """What has happened so far, in order, delivered or not."""
        ...

    def payment_count(self) -> int: ...

    def other_provider(self, **changes: Any) -> Listed:
        """A second module on the same account, with other settings. The caller closes it."""
        ...

    def stranger(self) -> Listed:
        """A module whose credential the account does not know. The caller closes it."""
        ...

    def event_body(self) -> bytes:
        """The body of some delivery, with the event id `evt_1` where the vendor puts it into the body."""
        ...

    def signed(self, body: bytes, *, secret: str | None = None, age: timedelta = timedelta()) -> dict[str, str]:
        """The headers of a delivery of the event `evt_1`."""
        ...

    def unproven(self, body: bytes) -> Mapping[str, dict[str, str]]:
        """Headers that do not prove where this body comes from, by what is wrong with them."""
        ...

    def nonsense(self) -> Mapping[str, bytes]:
        """Bodies that are no events, by what is wrong with them."""
        ...


class SimulatorLab:
    """What the labs of all simulators do in the same way."""

    start_path = ""

    def __init__(self, url: str, clock: ManualClock, receiver: Receiver) -> None:
        self.clock = clock
        self.receiver = receiver
        self.http = httpx.AsyncClient(base_url=url, trust_env=False)
        self._keys = count()

    def now(self) -> datetime:
        return self.clock.now()

    def key(self) -> str:
        return f"key-{next(self._keys)}"

    async def deliver(self, mode: str, delay: int = 0) -> None:
        assert (await self.control("delivery", mode=mode, delay=delay)).status_code == 200

    async def fault(self, kind: str, path: str | None = None, **options: Any) -> None:
        answer = await self.control("faults", kind=kind, path=path or self.start_path, **options)
        assert answer.status_code == 200, answer.text

    async def flush(self) -> dict[str, int]:
        return (await self.control("flush")).json()

    async def resend(self, event_id: str) -> None:
        assert (await self.control("deliveries/resend", event=event_id)).status_code == 200

    async def control(self, target: str, /, **body: Any) -> httpx.Response:
        """An out-of-band call."""
        return await self.http.post(f"/_sim/{target}", json=body)


def usd(amount_minor: int) -> Money:
    return Money(amount_minor, "USD")


def top_up(lab: Lab, **changes: Any) -> TopUpRequest:
    fields = {"org_id": "org-1", "top_up_id": "top-1", "amount": usd(5000), "idempotency_key": lab.key()}
    return TopUpRequest(**{**fields, **changes})


async def paid_top_up(lab: Lab, behaviour: str = "good") -> str:
    """The id of a payment of 50 dollars that the payer has made."""
    made = await lab.provider.create_topup(top_up(lab))
    await lab.pay(made.external_id, behaviour)
    return made.external_id


async def new_customer(lab: CardLab) -> str:
    return await lab.provider.ensure_customer(
        CustomerRequest(org_id="org-1", billing_account_id="ba-1", idempotency_key=lab.key(), name="Contract test")
    )


async def saved_card(lab: CardLab, customer_id: str, behaviour: str) -> str:
    """A method of this behaviour, attached to the customer."""
    attached = await lab.provider.attach(
        customer_id=customer_id, method_id=lab.card(behaviour), idempotency_key=lab.key()
    )
    return attached.method_id
