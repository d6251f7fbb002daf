"""Delivers events, with retries, in the order or disorder that was asked for."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from providers.simulators.account import Account, Json

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


@dataclass(frozen=True, slots=True)
class Letter:
    """One signed delivery."""

    url: str
    body: bytes
    headers: Mapping[str, str]


class Sender(Protocol):
    """What a vendor's account tells its courier."""

    def run_due(self, *, everything: bool) -> int:
        """Run the followups that are due by the clock, or all; how many ran."""
        ...

    def next_due(self) -> int | None:
        """When the next of them is due, in Unix seconds."""
        ...

    def letter(self, event_id: str, endpoint_id: str) -> Letter | None:
        """The delivery as it is signed now; None when the event or the endpoint is gone."""
        ...


class Courier:
    """Delivers in the background (`run`) and on demand (`flush`), never both at once."""

    def __init__(self, account: Account[Any], sender: Sender, rng: random.Random) -> None:
        self._account = account
        self._sender = sender
        self._rng = rng
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._client = httpx.AsyncClient(timeout=DELIVERY_TIMEOUT_SECONDS, trust_env=False)
        account.wake = self._wake.set

    async def run(self) -> None:
        """Work whenever something is due, until cancelled."""
        try:
            while True:
                self._wake.clear()
                async with self._turn:
                    ran = self._sender.run_due(everything=False)
                    sent = await self._send_all(self._due(), Report())
                if ran or sent:
                    self._account.save()
                await self._sleep()
        finally:
            await self._client.aclose()

    async def flush(self) -> Report:
        """Do now everything that is due now or later; each delivery gets one attempt."""
        report, tried = Report(), set[str]()
        async with self._turn:
            for _ in range(FLUSH_ROUNDS_MAX):
                report.followups += self._sender.run_due(everything=True)
                batch = [row for row in self._account.queued() if row["id"] not in tried]
                if not batch:
                    break
                tried.update(row["id"] for row in batch)
                await self._send_all(batch, report)
        report.pending = len(self._account.queued())
        self._account.save()
        return report

    def _due(self) -> list[Json]:
        return [row for row in self._account.queued() if row["due"] <= self._account.now()]

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
        letter = self._sender.letter(row["event"], row["endpoint"])
        if letter is None:
            row["state"] = "dropped"
            return False
        row["status_code"] = await self._post(letter)
        row["attempts"] += 1
        if row["status_code"] is not None and 200 <= row["status_code"] < 300:
            row["state"] = "delivered"
            return True
        if row["attempts"] >= self._account.settings.delivery_attempts_max:
            row["state"] = "failed"
        row["due"] = self._account.now() + self._account.settings.retry_delay * 2 ** (row["attempts"] - 1)
        return False

    async def _post(self, letter: Letter) -> int | None:
        """The receiver's status, None when there was no answer."""
        try:
            response = await self._client.post(letter.url, content=letter.body, headers=letter.headers)
        except httpx.HTTPError:
            return None
        return response.status_code

    async def _sleep(self) -> None:
        """Until woken, or until the next thing is due."""
        dues = [row["due"] for row in self._account.queued()]
        followup = self._sender.next_due()
        if followup is not None:
            dues.append(followup)
        wait = min((due - self._account.now() for due in dues), default=SLEEP_MAX_SECONDS)
        try:
            async with asyncio.timeout(min(max(wait, 1), SLEEP_MAX_SECONDS)):
                await self._wake.wait()
        except TimeoutError:
            return
