"""Signs events and delivers them, with retries, in the order or disorder that was asked for."""

import asyncio
import hashlib
import hmac
import random
from dataclasses import dataclass

import httpx

from providers.simulators.stripe import events
from providers.simulators.stripe.errors import Json
from providers.simulators.stripe.followups import run_due
from providers.simulators.stripe.world import World

DELIVERY_TIMEOUT_SECONDS = 10
SLEEP_MAX_SECONDS = 60
FLUSH_ROUNDS_MAX = 100


@dataclass(slots=True)
class Report:
    """What one flush did. `pending` deliveries were refused by the receiver and will be tried again."""

    followups: int = 0
    delivered: int = 0
    failed: int = 0
    pending: int = 0


def signature(secrets: list[str], body: bytes, signed_at: int) -> str:
    """The `Stripe-Signature` header: one v1 for each secret in force."""
    signed = str(signed_at).encode() + b"." + body
    macs = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={signed_at}", *(f"v1={mac}" for mac in macs)])


class Courier:
    """Delivers in the background (`run`) and on demand (`flush`), never both at once."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._client = httpx.AsyncClient(timeout=DELIVERY_TIMEOUT_SECONDS, trust_env=False)
        world.wake = self._wake.set

    async def run(self) -> None:
        """Work whenever something is due, until cancelled."""
        try:
            while True:
                self._wake.clear()
                async with self._turn:
                    ran = run_due(self._world)
                    sent = await self._send_all(self._due(), Report())
                if ran or sent:
                    self._world.save()
                await self._sleep()
        finally:
            await self._client.aclose()

    async def flush(self) -> Report:
        """Do now everything that is due now or later; each delivery gets one attempt."""
        report, tried = Report(), set[str]()
        async with self._turn:
            for _ in range(FLUSH_ROUNDS_MAX):
                report.followups += run_due(self._world, everything=True)
                batch = [row for row in self._queued() if row["id"] not in tried]
                if not batch:
                    break
                tried.update(row["id"] for row in batch)
                await self._send_all(batch, report)
        report.pending = len(self._queued())
        self._world.save()
        return report

    def _queued(self) -> list[Json]:
        return [row for row in self._world.deliveries if row["state"] == "queued"]

    def _due(self) -> list[Json]:
        return [row for row in self._queued() if row["due"] <= self._world.now()]

    async def _send_all(self, batch: list[Json], report: Report) -> bool:
        """Deliver a batch; those queued in shuffle mode trade places among themselves."""
        places = [index for index, row in enumerate(batch) if row["mode"] == "shuffle"]
        shuffled = [batch[index] for index in places]
        self._rng.shuffle(shuffled)
        for index, row in zip(places, shuffled, strict=True):
            batch[index] = row
        for row in batch:
            delivered = await self._send(row)
            report.delivered += delivered
            report.failed += not delivered
        return bool(batch)

    async def _send(self, row: Json) -> bool:
        """One attempt. A refused delivery waits twice as long each time, then is given up."""
        event = self._world.tables["event"].get(row["event"])
        endpoint = self._world.tables["webhook_endpoint"].get(row["endpoint"])
        if event is None or endpoint is None:
            row["state"] = "dropped"
            return False
        row["status_code"] = await self._post(endpoint, events.payload(self._world, event))
        row["attempts"] += 1
        if row["status_code"] is not None and 200 <= row["status_code"] < 300:
            row["state"] = "delivered"
            return True
        if row["attempts"] >= self._world.settings.delivery_attempts_max:
            row["state"] = "failed"
        row["due"] = self._world.now() + self._world.settings.retry_delay * 2 ** (row["attempts"] - 1)
        return False

    async def _post(self, endpoint: Json, body: bytes) -> int | None:
        """The receiver's status, None when there was no answer."""
        kept = self._world.facts[endpoint["id"]]
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (simulated)",
            "Stripe-Signature": signature([kept["secret"], *kept["old_secrets"]], body, self._world.now()),
        }
        try:
            response = await self._client.post(endpoint["url"], content=body, headers=headers)
        except httpx.HTTPError:
            return None
        return response.status_code

    async def _sleep(self) -> None:
        """Until woken, or until the next thing is due."""
        dues = [row["due"] for row in (*self._queued(), *self._world.followups)]
        wait = min((due - self._world.now() for due in dues), default=SLEEP_MAX_SECONDS)
        try:
            async with asyncio.timeout(min(max(wait, 1), SLEEP_MAX_SECONDS)):
                await self._wake.wait()
        except TimeoutError:
            return
