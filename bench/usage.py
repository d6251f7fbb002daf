"""Figures of usage: recording through the API beside bare SQL, questions about ten million events, what a balance and an
alert wait for, and the memory of the server.

The yardstick of recording is the statement that takes keys, inserts events and rolls them up, alone, by callers on
connections of their own, on the same tables: what is above it is rating, ledger, and transport. For calls of one event it
runs on 16 connections, which is where PostgreSQL is fastest.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import asyncpg
import grpc
import grpc.aio
from wallet_api.billing.v1.usage_service_pb import RecordUsageEventsRequest, UsageEventInput
from wallet_api.wallet.v1.wallet_service_pb import QueryUsageRequest

from bench import server_memory, visible
from bench.dataset import METERS, PRICE, connect, load, prepare
from bench.figures import print_figure
from ledger.ids import new_id
from wallet_service.clock import SystemClock
from wallet_service.development import Instance
from wallet_service.usage import store
from wallet_service.usage.model import NewRows, PricedPattern

QUANTITY: Final = Decimal("0.25")
CALLERS: Final = {1: 256, 100: 16, 1000: 4}
CONNECTIONS_MAX: Final = 16
TARGETS: Final = {1: 1.5, 100: None, 1000: 0.6}
PASS_SECONDS: Final = 3.0
PASSES: Final = 5
QUERY_EVENTS: Final = (100_000, int(os.environ.get("WALLET_BENCH_EVENTS", "10000000")))
QUERIES: Final = 40
QUERY_TARGET: Final = 1.5
BUSY_SECONDS: Final = 0.1
"""A server that has too much to do refuses calls, which are then made again, as clients do."""

RECORD: Final = "/billing.v1.UsageService/RecordUsageEvents"

Work = Callable[[], Awaitable[None]]


async def run(instance: Instance) -> None:
    """Measure against a running service and print a JSON line for each figure."""
    org_id, slug = await prepare(instance.service, "bench-usage"), "bench-usage"
    idle_mb = server_memory.resident_mb()
    async with channel_to(instance) as channel:
        for batch in CALLERS:
            await _recording(instance, channel, org_id, slug, batch)
        await visible.run(instance, _paced(instance, channel, slug))
        await server_memory.run(_loaded(instance, channel, slug), idle_mb=idle_mb)
        await _query_figures(instance, channel)


async def _recording(instance: Instance, channel: grpc.aio.Channel, org_id: UUID, slug: str, batch: int) -> None:
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(PASSES):
        bare.append(await _bare_pass(instance, org_id, batch))
        ours.append(await _api_pass(instance, channel, slug, batch))
    fraction = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
    connections = min(CALLERS[batch], CONNECTIONS_MAX)
    yardstick = f"bare insert and roll-up, {connections} connections: {statistics.median(bare):.0f} events/s"
    print_figure(f"usage_events_batch_{batch}", statistics.median(ours), "events/s", yardstick, None)
    print_figure(f"usage_events_batch_{batch}_fraction", fraction, "of yardstick", yardstick, TARGETS[batch])


def _now() -> datetime:
    return SystemClock().now()


async def rate_of(callers: list[Work], batch: int) -> float:
    """Events per second of callers that each work one batch after the other."""
    done = 0

    async def loop(work: Work) -> None:
        nonlocal done
        while time.monotonic() < end:
            await work()
            done += batch

    await asyncio.gather(*(work() for work in callers))
    begin = time.monotonic()
    end = begin + PASS_SECONDS
    await asyncio.gather(*(loop(work) for work in callers))
    return done / (time.monotonic() - begin)


async def _bare_pass(instance: Instance, org_id: UUID, batch: int) -> float:
    connections = [await connect(instance.settings) for _ in range(min(CALLERS[batch], CONNECTIONS_MAX))]
    try:
        return await rate_of([_bare(connection, org_id, batch) for connection in connections], batch)
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))


def _bare(connection: "asyncpg.Connection[asyncpg.Record]", org_id: UUID, batch: int) -> Work:
    """Only what differs between two batches is made anew, so that the statement is what is measured."""
    now = _now()
    numbers = range(batch)
    pattern = PricedPattern(org_id, org_id, "", "eu-1", "USD", QUANTITY, PRICE, QUANTITY * PRICE, Decimal(0), now)
    rows = NewRows(
        patterns=[pattern._replace(meter=meter) for meter in METERS[:batch]],
        pattern_of=[n % len(METERS) for n in numbers],
        resources=[f"vm-{n % 50}" for n in numbers],
        content_hashes=[bytes(16)] * batch,
    )
    arguments = store.arguments_of(rows, batch_ids={org_id: org_id}, recorded_at=now)

    async def work() -> None:
        first, mark = str(new_id(now))[:-4], new_id(now).hex
        arguments[12] = os.urandom(16 * batch)
        arguments[15] = "\x1f".join([f"{mark}-{n}" for n in numbers])
        arguments[16] = ",".join([f"{first}{n:04x}" for n in numbers])
        written = await connection.fetchval(store.WRITE_EVENTS, *arguments)
        assert written == batch, "every key is new"

    return work


def channel_to(instance: Instance) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(instance.url.removeprefix("http://"))


async def _api_pass(instance: Instance, channel: grpc.aio.Channel, slug: str, batch: int) -> float:
    callers = [recording(instance, channel, bodies(slug, batch)) for _ in range(CALLERS[batch])]
    return await rate_of(callers, batch)


def bodies(slug: str, batch: int) -> Iterator[bytes]:
    """Requests with fresh keys: the message is encoded once, and the run of its keys replaced."""
    marker = "k" * 32
    message = RecordUsageEventsRequest(
        organization_name=f"organizations/{slug}",
        events=[
            UsageEventInput(
                project_name=f"projects/{slug}",
                meter=METERS[number % len(METERS)],
                quantity=str(QUANTITY),
                resource_name=f"vm-{number % 50}",
                datacenter_name="datacenters/eu-1",
                idempotency_key=f"{marker}-{number}",
            )
            for number in range(batch)
        ],
    ).to_binary()
    while True:
        yield message.replace(marker.encode(), new_id(_now()).hex.encode())


def recording(instance: Instance, channel: grpc.aio.Channel, requests: Iterator[bytes]) -> Work:
    call = _method(channel, RECORD)
    metadata = (("authorization", f"Bearer {instance.operator_key}"),)

    async def work() -> None:
        request = next(requests)
        while True:
            try:
                await call(request, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                await asyncio.sleep(BUSY_SECONDS)
            else:
                return

    return work


def _method(channel: Any, name: str) -> Any:
    """A call that takes and gives messages as bytes: encoding is no part of what is measured."""
    return channel.unary_unary(name, request_serializer=None, response_deserializer=None)


def _paced(instance: Instance, channel: grpc.aio.Channel, slug: str) -> visible.Load:
    return recording(instance, channel, bodies(slug, visible.BATCH))


def _loaded(instance: Instance, channel: grpc.aio.Channel, slug: str) -> list[Work]:
    return [recording(instance, channel, bodies(slug, 1000)) for _ in range(CALLERS[1000])]


async def _query_figures(instance: Instance, channel: grpc.aio.Channel) -> None:
    """A 30-day query by day and category in the middle of 60 days, over wallets that differ only in how many events they
    have, turn by turn."""
    end = _now().replace(minute=0, second=0, microsecond=0)
    times: dict[int, list[float]] = {events: [] for events in QUERY_EVENTS}
    queries: dict[int, Work] = {}
    for seed, events in enumerate(QUERY_EVENTS, start=1):
        slug = f"bench-query-{events}"
        await load(instance.service, slug, events=events, seed=seed, end=end)
        queries[events] = _query(instance, channel, slug, end - timedelta(days=15))
    for _ in range(QUERIES):
        for events, query in queries.items():
            times[events].append(await _timed(query()))
    few, many = (statistics.median(times[events][QUERIES // 4 :]) for events in QUERY_EVENTS)
    yardstick = f"the same over {QUERY_EVENTS[0]} events: {few:.2f} ms"
    print_figure(f"query_usage_30_days_of_{QUERY_EVENTS[1]}_events_p50", many, "ms", yardstick, None)
    name = f"query_usage_30_days_of_{QUERY_EVENTS[1]}_events"
    print_figure(name, many / few, "times the yardstick", yardstick, QUERY_TARGET, at_most=True)


def _query(instance: Instance, channel: grpc.aio.Channel, slug: str, end: datetime) -> Work:
    call = _method(channel, "/wallet.v1.WalletService/QueryUsage")
    metadata = (("authorization", f"Bearer {instance.operator_key}"),)
    request = QueryUsageRequest(
        organization_name=f"organizations/{slug}",
        start_time_unix=int((end - timedelta(days=30)).timestamp()),
        end_time_unix=int(end.timestamp()),
        dimensions=["category"],
        page_size=1000,
    ).to_binary()

    async def work() -> None:
        await call(request, metadata=metadata)

    return work


async def _timed(work: Awaitable[object]) -> float:
    """Milliseconds."""
    begin = time.perf_counter()
    await work
    return (time.perf_counter() - begin) * 1000
