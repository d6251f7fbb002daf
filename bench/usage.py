"""Figures of usage: recording through the API beside bare SQL, and a 30-day query over a million events.

The yardstick of recording is the statement that inserts events and rolls them up, alone, with the same batch and the same
number of callers on connections of their own, on the same tables: what is above it is rating, keys, ledger, and transport.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg
from pyqwest import Client
from sqlalchemy.engine import make_url
from wallet_api.billing.v1.usage_service_pb import RecordUsageEventsRequest, UsageEventInput
from wallet_api.wallet.v1.wallet_service_pb import QueryUsageRequest

from ledger.ids import new_id
from wallet_service.catalog.rules import CatalogDocument, NewMeter, NewRate
from wallet_service.clock import SystemClock
from wallet_service.development import Instance
from wallet_service.errors import Reason, ServiceError
from wallet_service.usage import store
from wallet_service.usage.model import NewRows, PricedPattern

METERS: Final = tuple(f"bench.meter-{number}" for number in range(10))
PRICE: Final = Decimal("0.342466")
QUANTITY: Final = Decimal("0.25")
CALLERS: Final = {1: 64, 100: 16, 1000: 4}
TARGETS: Final = {1: None, 100: None, 1000: 0.4}
PASS_SECONDS: Final = 3.0
PASSES: Final = 3
QUERY_EVENTS: Final = 1_000_000
QUERY_DAYS: Final = 60
QUERIES: Final = 30

Work = Callable[[], Awaitable[None]]


async def run(instance: Instance) -> None:
    """Measure against a running service and print a JSON line for each figure."""
    org_id, slug = await _prepare(instance, "bench-usage")
    for batch, callers in CALLERS.items():
        ours: list[float] = []
        bare: list[float] = []
        for _ in range(PASSES):
            bare.append(await _bare_pass(instance, org_id, batch, callers))
            ours.append(await _api_pass(instance, slug, batch, callers))
        fraction = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
        yardstick = f"bare insert and roll-up, {callers} callers: {statistics.median(bare):.0f} events/s"
        _print(f"usage_events_batch_{batch}", statistics.median(ours), "events/s", yardstick, None)
        _print(f"usage_events_batch_{batch}_fraction", fraction, "of yardstick", yardstick, TARGETS[batch])
    await _query_figures(instance)


def _now() -> datetime:
    return SystemClock().now()


def _print(name: str, value: float, unit: str, yardstick: str, target: float | None) -> None:
    met = None if target is None else value >= target
    figure = {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "yardstick": yardstick,
        "target": target,
        "met": met,
    }
    print(json.dumps(figure), flush=True)


async def _prepare(instance: Instance, slug: str) -> tuple[UUID, str]:
    """An organization with a project of the same name, and the meters."""
    service = instance.service
    start = datetime(2020, 1, 1, tzinfo=UTC)
    await service.catalog.apply(
        CatalogDocument(
            tuple(NewMeter(meter, "hour", f"Bench {number % 3}") for number, meter in enumerate(METERS)),
            tuple(NewRate(meter, "USD", PRICE, start) for meter in METERS),
        )
    )
    try:
        made = await service.organizations.create(slug=slug)
        await service.projects.create(made.org_id, slug=slug, display_name="", request_id="")
    except ServiceError as error:
        if error.reason is not Reason.RESOURCE_EXISTS:
            raise
    org_id = await service.directory.resolve_organization(slug)
    assert org_id is not None, "it was made above, now or before"
    return org_id, slug


async def _connect(instance: Instance) -> "asyncpg.Connection[asyncpg.Record]":
    url = make_url(instance.settings.required_database_url).set(drivername="postgresql")
    return await asyncpg.connect(url.render_as_string(hide_password=False), server_settings={"timezone": "UTC"})


async def _rate_of(callers: list[Work], batch: int) -> float:
    """Events per second of callers that each work one batch after the other."""
    done = 0

    async def loop(work: Work) -> None:
        nonlocal done
        while time.monotonic() < end:
            await work()
            done += batch

    for work in callers:
        await work()
    begin = time.monotonic()
    end = begin + PASS_SECONDS
    await asyncio.gather(*(loop(work) for work in callers))
    return done / (time.monotonic() - begin)


async def _bare_pass(instance: Instance, org_id: UUID, batch: int, callers: int) -> float:
    connections = [await _connect(instance) for _ in range(min(callers, 16))]
    try:
        return await _rate_of([_bare(connection, org_id, batch) for connection in connections], batch)
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))


def _bare(connection: "asyncpg.Connection[asyncpg.Record]", org_id: UUID, batch: int) -> Work:
    """Only what differs between two batches is made anew, so that the statement is what is measured."""
    now = _now()
    numbers = range(batch)
    cost = PricedPattern(org_id, org_id, "", "eu-1", "USD", QUANTITY, PRICE, QUANTITY * PRICE, Decimal(0), now)
    rows = NewRows(
        patterns=[cost._replace(meter=meter) for meter in METERS[:batch]],
        pattern_of=[n % len(METERS) for n in numbers],
        resources=[f"vm-{n % 50}" for n in numbers],
        event_ids=[""],
        key_hashes=[bytes(16)] * batch,
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


async def _api_pass(instance: Instance, slug: str, batch: int, callers: int) -> float:
    client = Client()
    return await _rate_of([_call(client, instance, _bodies(slug, batch)) for _ in range(callers)], batch)


def _bodies(slug: str, batch: int) -> Iterator[bytes]:
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


def _call(client: Client, instance: Instance, bodies: Iterator[bytes]) -> Work:
    async def work() -> None:
        await _post(client, instance, "billing.v1.UsageService/RecordUsageEvents", next(bodies))

    return work


async def _post(client: Client, instance: Instance, method: str, body: bytes) -> bytes:
    headers = {"authorization": f"Bearer {instance.operator_key}", "content-type": "application/proto"}
    response = await client.post(f"{instance.url}/{method}", headers=headers, content=body)
    if response.status != 200:
        raise RuntimeError(f"HTTP {response.status}: {bytes(response.content)[:200]!r}")
    return bytes(response.content)


async def _query_figures(instance: Instance) -> None:
    """A 30-day query by day and category in the middle of 60 days and a million events, beside the same sum over events."""
    org_id, slug = await _prepare(instance, "bench-query")
    connection = await _connect(instance)
    end = _now().replace(minute=0, second=0, microsecond=0) - timedelta(days=15)
    start = end - timedelta(days=30)
    try:
        await _load(connection, org_id, end + timedelta(days=15))
        raw = [await _timed(connection.fetch(_RAW_SUM, org_id, start, end)) for _ in range(3)]
    finally:
        await connection.close()
    body = QueryUsageRequest(
        organization_name=f"organizations/{slug}",
        start_time_unix=int(start.timestamp()),
        end_time_unix=int(end.timestamp()),
        dimensions=["category"],
        page_size=1000,
    ).to_binary()
    client = Client()
    times = sorted(
        [await _timed(_post(client, instance, "wallet.v1.WalletService/QueryUsage", body)) for _ in range(QUERIES)]
    )
    yardstick = f"the same sum over the events: {statistics.median(raw):.0f} ms"
    _print("query_usage_30_days_of_1m_events_p50", statistics.median(times), "ms", yardstick, None)
    _print("query_usage_30_days_of_1m_events_max", times[-1], "ms", yardstick, None)


async def _load(connection: "asyncpg.Connection[asyncpg.Record]", org_id: UUID, end: datetime) -> None:
    """A million events of 20 resources and three meters each, and their roll-up, without the service."""
    if await connection.fetchval("SELECT count(*) FROM usage_events WHERE org_id = $1", org_id):
        return
    await connection.execute(_LOAD_EVENTS, org_id, end, QUERY_EVENTS, PRICE, QUERY_DAYS * 86_400, timeout=600)
    await connection.execute(_LOAD_HOURS, org_id, timeout=600)
    await connection.execute("VACUUM ANALYZE usage_events, usage_hourly", timeout=600)


async def _timed(work: Awaitable[object]) -> float:
    """Milliseconds."""
    begin = time.perf_counter()
    await work
    return (time.perf_counter() - begin) * 1000


_LOAD_EVENTS: Final = """
    INSERT INTO usage_events (
        org_id, event_id, batch_id, project_id, meter, resource, datacenter, quantity, event_time, recorded_at, currency,
        unit_price_minor, cost_minor, discount_minor, idempotency_key)
    SELECT $1, gen_random_uuid(), $1, $1, 'bench.meter-' || n % 3, 'vm-' || n / 3 % 20, 'eu-1', 0.25, at, at, 'USD',
        $4::numeric, 0.25 * $4::numeric, 0, n::text
    FROM generate_series(1, $3::int) n,
        LATERAL (SELECT $2::timestamptz - make_interval(secs => n * $5::float8 / $3::int)) t(at)
"""
_LOAD_HOURS: Final = """
    INSERT INTO usage_hourly (
        org_id, hour, project_id, meter, resource, datacenter, currency, quantity, cost_minor, discount_minor, event_count)
    SELECT org_id, date_trunc('hour', event_time, 'UTC'), project_id, meter, resource, datacenter, currency,
        sum(quantity), sum(cost_minor), sum(discount_minor), count(*)
    FROM usage_events WHERE org_id = $1 GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
_RAW_SUM: Final = """
    SELECT date_trunc('day', e.event_time, 'UTC'), m.category, sum(e.quantity), sum(e.cost_minor)
    FROM usage_events e JOIN meters m ON m.meter = e.meter
    WHERE e.org_id = $1 AND e.event_time >= $2 AND e.event_time < $3 GROUP BY 1, 2 ORDER BY 1, 2
"""
