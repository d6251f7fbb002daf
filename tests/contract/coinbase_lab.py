"""Coinbase, simulated. Its sandbox has no call with which a test could pay, so the suite does not run there."""

import dataclasses
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from providers.coinbase import CoinbaseProvider, CoinbaseSettings
from providers.protocol import ProviderEvent
from providers.simulators.coinbase.courier import signature
from providers.simulators.coinbase.keys import KEY_ID, KEY_SECRET
from providers.simulators.coinbase.server import CoinbaseSimulator, running
from providers.simulators.coinbase.world import Settings, World
from tests.contract.labs import SimulatorLab
from tests.contract.receiver import Receiver, receiving
from wallet_service.clock import ManualClock

DOCUMENTED: dict[str, Any] = json.loads((Path(__file__).parent / "coinbase_documented.json").read_text())
"""The shapes of the examples in the vendor's documentation; the file says where they are from."""
SECRET = "hook0-contract"
START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
PAYING: dict[str, dict[str, Any]] = {
    "good": {},
    "fails": {"outcome": "fail"},
    "confirmed_later": {"after": 3600},
    "refund_fails": {"refunds": "fail"},
    "refund_pending": {},
}


class CoinbaseSimulatorLab(SimulatorLab):
    """The simulator on a real socket, driven through the real module."""

    unknown_id = "0" * 24
    start_path = "/api/v1/checkouts"

    def __init__(
        self, simulator: CoinbaseSimulator, clock: ManualClock, receiver: Receiver, settings: CoinbaseSettings
    ) -> None:
        super().__init__(simulator.url, clock, receiver)
        self.simulator = simulator
        self.settings = settings
        self.provider = CoinbaseProvider(settings, clock.now)

    @property
    def account(self) -> World:
        return self.simulator.world

    async def pay(self, external_id: str, behaviour: str) -> None:
        answer = await self.control(f"checkouts/{external_id}/pay", **PAYING[behaviour])
        assert answer.status_code == 200, answer.text

    def refund_path(self, external_id: str) -> str:
        return f"/api/v1/checkouts/{external_id}/refund"

    def events(self) -> list[ProviderEvent]:
        return [
            event
            for delivery in self.receiver.received
            for event in self.provider.verify_webhook(delivery.raw, delivery.headers)
        ]

    def event_ids(self) -> list[str]:
        return list(self.account.tables["event"])

    def payment_count(self) -> int:
        return len(self.account.tables["checkout"])

    def other_provider(self, **changes: Any) -> CoinbaseProvider:
        return CoinbaseProvider(dataclasses.replace(self.settings, **changes), self.clock.now)

    def stranger(self) -> CoinbaseProvider:
        return self.other_provider(api_key_id="organizations/other/apiKeys/other")

    def event_body(self, **changes: Any) -> bytes:
        event = {
            "id": "68f7a946db0529ea9b6d3a12",
            "status": "COMPLETED",
            "eventType": "checkout.payment.success",
            "updatedAt": "2026-11-02T09:30:00Z",
        }
        return json.dumps({**event, **changes}).encode()

    def signed(
        self,
        body: bytes,
        *,
        secret: str | None = None,
        age: timedelta = timedelta(),
        covered: tuple[str, ...] = ("content-type", "x-hook0-id"),
        **headers: str,
    ) -> dict[str, str]:
        sent = {"content-type": "application/json", "x-hook0-id": "evt_1", "x-event-id": "evt_1", **headers}
        signed_at = int((self.now() - age).timestamp())
        mac = signature(SECRET if secret is None else secret, body, signed_at, {name: sent[name] for name in covered})
        return {**sent, "X-Hook0-Signature": mac}

    def unproven(self, body: bytes) -> dict[str, dict[str, str]]:
        good = self.signed(body)
        at, v0, names, v1 = good["X-Hook0-Signature"].split(",")
        bare = hmac.new(SECRET.encode(), f"{at[2:]}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "empty": "",
            "no time": ",".join([v0, names, v1]),
            "no v1": ",".join([at, v0, names]),
            "v0 only": f"{at},v0={bare}",
            "v0 as v1": f"{at},h=,v1={bare}",
            "no names": ",".join([at, v0, v1]),
            "time is text": ",".join(["t=now", v0, names, v1]),
            "two times": ",".join([f"t={int(at[2:]) - 10_000}", at, names, v1]),
            "two lists of names": ",".join([at, "h=content-type", names, v1]),
            "not ascii": ",".join([at, names, f"v1=é{v1[3:]}"]),
            "endless": ",".join([at, names, v1, "x=" + "x" * 5000]),
        }
        return {
            "none": {},
            "other secret": self.signed(body, secret="wrong"),
            "a signed header is missing": {name: value for name, value in good.items() if name != "x-hook0-id"},
            "a signed header is changed": {**good, "x-hook0-id": "evt_2"},
            "content type not covered": self.signed(body, covered=("x-hook0-id",)),
            "event id not covered": self.signed(body, covered=("content-type",)),
            "event id is empty": self.signed(body, **{"x-hook0-id": ""}),
            "event id has a line end": self.signed(body, **{"x-hook0-id": "evt_1\n"}),
            **{what: {**good, "X-Hook0-Signature": value} for what, value in headers.items()},
        }

    def nonsense(self) -> dict[str, bytes]:
        return {
            "no text": b"\xff\xfe",
            "no json": b"not json",
            "a list": b"[]",
            "empty": b"{}",
            "a string": b'"text"',
            "id is no checkout's": self.event_body(id="../secrets"),
            "id is a number": self.event_body(id=7),
            "type is a number": self.event_body(eventType=7),
            "type is half a character": self.event_body(eventType="checkout.payment.\ud800"),
            "type holds NUL": self.event_body(eventType="checkout.payment.\0"),
            "too deep": b"[" * 100_000,
            "time is text": self.event_body(updatedAt="soon"),
            "time without zone": self.event_body(updatedAt="2026-11-02T09:30:00"),
        }

    async def aclose(self) -> None:
        await self.provider.aclose()
        await self.http.aclose()


@asynccontextmanager
async def coinbase_simulator_lab(**options: Any) -> AsyncGenerator[CoinbaseSimulatorLab, None]:
    """A fresh account; `options` are settings of the simulator."""
    clock, numbers = ManualClock(START), count(1)
    async with receiving() as receiver:
        settings = Settings(webhook_url=receiver.url, webhook_secret=SECRET, followup_delay=3600, **options)
        async with running(settings, clock=clock.now, ids=lambda prefix: f"{next(numbers):024x}") as simulator:
            lab = CoinbaseSimulatorLab(
                simulator,
                clock,
                receiver,
                CoinbaseSettings(
                    api_key_id=KEY_ID,
                    api_key_secret=KEY_SECRET,
                    webhook_secrets=(SECRET,),
                    api_base=simulator.api_base,
                    attempt_timeout=timedelta(seconds=5),
                    network_retries_max=0,
                    retry_delay=timedelta(0),
                ),
            )
            try:
                yield lab
                await lab.flush()
            finally:
                await lab.aclose()
