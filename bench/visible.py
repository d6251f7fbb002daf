"""How long a posting takes to be seen in the balance and as an alert, while 10,000 events a second are recorded.

A wallet of its own goes below its threshold by one usage event and above it by a deposit, again and again. What is measured
begins before the call that posts: until GetWalletBalance shows it, and until the event of the alert is in the log.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import grpc.aio
from wallet_api.wallet.v1.wallet_service_pb import GetWalletBalanceRequest, GetWalletBalanceResponse

from bench.dataset import METERS, prepare
from bench.figures import print_figure
from ledger.ids import new_id
from wallet_service.clock import SystemClock
from wallet_service.development import Instance
from wallet_service.events.model import EventType
from wallet_service.usage.model import NewEvent

BATCH: Final = 1000
CALLS_PER_SECOND: Final = 10
SECONDS: Final = 20.0
TARGET_MS: Final = 1000.0
_SLUG: Final = "bench-visible"
_THRESHOLD_MINOR: Final = 1000
_SWING_MINOR: Final = 3424
"""What 10,000 units cost, without the fraction."""
_POLL_SECONDS: Final = 0.005

Load = Callable[[], Awaitable[None]]
"""Records `BATCH` events."""


async def run(instance: Instance, load: Load) -> None:
    """Print the 99th percentiles, and how much of the load was taken."""
    org_id = await prepare(instance.service, _SLUG)
    async with grpc.aio.insecure_channel(instance.url.removeprefix("http://")) as channel:
        probe = _Probe(instance, channel, org_id)
        await probe.begin()
        end = time.monotonic() + SECONDS
        taken, _ = await asyncio.gather(_offer(load, end), probe.repeat(end))
    rate = taken * BATCH / SECONDS
    yardstick = f"{rate:.0f} events/s taken of {CALLS_PER_SECOND * BATCH} offered"
    print_figure("posting_to_balance_p99", _p99(probe.balance_ms), "ms", yardstick, TARGET_MS, at_most=True)
    print_figure("posting_to_alert_event_p99", _p99(probe.alert_ms), "ms", yardstick, TARGET_MS, at_most=True)


async def _offer(load: Load, end: float) -> int:
    """Calls at even times, whether or not the one before has been answered; how many were answered in time."""
    begin, taken = time.monotonic(), 0

    async def call() -> None:
        nonlocal taken
        await load()
        taken += time.monotonic() < end

    async with asyncio.TaskGroup() as calls:
        for number in range(int((end - begin) * CALLS_PER_SECOND)):
            await asyncio.sleep(begin + number / CALLS_PER_SECOND - time.monotonic())
            calls.create_task(call())
    return taken


class _Probe:
    """One wallet, and what it took to see its postings."""

    def __init__(self, instance: Instance, channel: grpc.aio.Channel, org_id: UUID) -> None:
        self.balance_ms: list[float] = []
        self.alert_ms: list[float] = []
        self._service = instance.service
        self._org_id = org_id
        self._metadata = (("authorization", f"Bearer {instance.operator_key}"),)
        self._balance_of = channel.unary_unary(
            "/wallet.v1.WalletService/GetWalletBalance",
            request_serializer=GetWalletBalanceRequest.to_binary,
            response_deserializer=GetWalletBalanceResponse.from_binary,
        )
        self._seen_seq = 0

    async def begin(self) -> None:
        await self._deposit(_THRESHOLD_MINOR + _SWING_MINOR // 2)
        await self._service.alerts.configure(
            self._org_id, balance_alert_minor=_THRESHOLD_MINOR, days_remaining_alert=None
        )

    async def repeat(self, end: float) -> None:
        while time.monotonic() < end:
            await self._watched(self._use, EventType.ALERT_BALANCE)
            await self._watched(lambda: self._deposit(_SWING_MINOR), EventType.ALERT_BALANCE_RECOVERED)

    async def _watched(self, post: Callable[[], Awaitable[object]], event_type: EventType) -> None:
        before, begin = await self._balance(), time.monotonic()
        await post()
        # A caller that looks again and again is what the target is about.
        while await self._balance() == before:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        self.balance_ms.append((time.monotonic() - begin) * 1000)
        while not await self._has_come(event_type):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        self.alert_ms.append((time.monotonic() - begin) * 1000)

    async def _balance(self) -> int:
        request = GetWalletBalanceRequest(name=f"organizations/{_SLUG}/wallets/default")
        answer: GetWalletBalanceResponse = await self._balance_of(request, metadata=self._metadata)
        return answer.balance_minor

    async def _has_come(self, event_type: EventType) -> bool:
        page = await self._service.event_log.list(
            self._org_id, after_seq=self._seen_seq, event_types=[event_type], size=1, token=""
        )
        for event in page.rows:
            self._seen_seq = event.seq
        return bool(page.rows)

    async def _use(self) -> None:
        key = new_id(SystemClock().now()).hex
        await self._service.usage.record_one(self._org_id, NewEvent(_SLUG, METERS[0], "10000", key))

    async def _deposit(self, amount_minor: int) -> None:
        key = new_id(SystemClock().now()).hex
        await self._service.journal.deposit(
            self._org_id, amount_minor=amount_minor, currency="USD", description="", key=key
        )


def _p99(samples: list[float]) -> float:
    return sorted(samples)[int(0.99 * len(samples))]
