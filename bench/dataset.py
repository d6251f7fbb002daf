"""A large, seeded data set of usage, in the database of the settings: `python -m bench.dataset --events 10000000 --seed 1`.

One organization with a project of the same name has all of it: 20 resources with three meters each, over the 60 days before
`end`, recorded as they happened. PostgreSQL makes the rows itself, so ten million take minutes. The same seed, number and
end give the same events. They are rolled up and accrued in the ledger, so that `wallet audit` finds nothing wrong.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy.engine import make_url

from ledger.accounts import AccountKind, chart_account_id
from ledger.ids import new_id
from ledger.model import Accrue
from wallet_service.catalog.rules import CatalogDocument, NewMeter, NewRate
from wallet_service.config import Settings
from wallet_service.errors import Reason, ServiceError
from wallet_service.service import Service
from wallet_service.usage.months import Month

METERS: Final = tuple(f"bench.meter-{number}" for number in range(10))
PRICE: Final = Decimal("0.342466")
DAYS: Final = 60
_PART: Final = 1_000_000

Progress = Callable[[int], None]


async def prepare(service: Service, slug: str) -> UUID:
    """An organization with a project of the same name, and the meters."""
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
    return org_id


async def connect(settings: Settings) -> "asyncpg.Connection[asyncpg.Record]":
    """As the owner of the tables."""
    url = make_url(settings.required_database_url).set(drivername="postgresql")
    return await asyncpg.connect(url.render_as_string(hide_password=False), server_settings={"timezone": "UTC"})


async def load(
    service: Service, slug: str, *, events: int, seed: int, end: datetime, progress: Progress = lambda done: None
) -> UUID:
    """Give a new organization `events` events of the 60 days before `end`; its id. One that has events keeps those."""
    org_id = await prepare(service, slug)
    start = end - timedelta(days=DAYS)
    first = Month.of(start)
    await service.usage_months.make([first.plus(n) for n in range(4) if first.plus(n).start < end])
    connection = await connect(service.settings)
    try:
        if await connection.fetchval("SELECT EXISTS (SELECT FROM usage_events WHERE org_id = $1)", org_id):
            return org_id
        project_id: UUID = await connection.fetchval("SELECT project_id FROM projects WHERE org_id = $1", org_id)
        batch_id = new_id(end)
        step = timedelta(days=DAYS) / timedelta(microseconds=1) / events
        common = (org_id, project_id, batch_id, seed, start, step, PRICE)
        for low in range(0, events, _PART):
            high = min(low + _PART, events)
            await connection.execute(_EVENTS, *common, low, high - 1, timeout=3600)
            progress(high)
        await connection.execute(_HOURS, org_id, timeout=3600)
        await _accrue(service, connection, org_id, batch_id, events, end)
        await connection.execute("VACUUM ANALYZE usage_events, usage_keys, usage_hourly", timeout=3600)
    finally:
        await connection.close()
    return org_id


async def _accrue(service: Service, connection: Any, org_id: UUID, batch_id: UUID, events: int, end: datetime) -> None:
    """What all of it cost, as one batch."""
    cost: Decimal = await connection.fetchval("SELECT sum(cost_minor) FROM usage_hourly WHERE org_id = $1", org_id)
    account: UUID = await connection.fetchval("SELECT account_id FROM wallets WHERE org_id = $1", org_id)
    posted: Any = await service.ledger.post(
        Accrue(
            org_id=org_id,
            key=f"usage:{batch_id}",
            description=f"Usage, {events} events",
            wallet=account,
            revenue_account=chart_account_id(org_id, "USD", AccountKind.REVENUE),
            exact_minor=cost,
        )
    )
    await connection.execute(_BATCH, org_id, batch_id, events, cost, posted.entry_id, end)


_EVENTS: Final = """
    WITH made AS (
        SELECT n, $5::timestamptz + make_interval(secs => n * $6::float8 / 1e6) AS at,
            hashint8extended(n, $4::bigint) & 2147483647 AS chance
        FROM generate_series($8::bigint, $9::bigint) n
    ), events AS (
        SELECT n, at, 'bench.meter-' || n % 3 AS meter, 'vm-' || n / 3 % 20 AS resource,
            (1 + chance % 8) * 0.125::numeric AS quantity, md5(n || ':' || $4::bigint) AS hash,
            (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000'
                || lpad(to_hex(-9223372036854775808 + n), 16, '0'))::uuid AS event_id
        FROM made
    ), keyed AS (
        INSERT INTO usage_keys (org_id, key_hash, content_hash, event_id)
        SELECT $1, decode(hash, 'hex'), decode(hash, 'hex'), event_id FROM events ORDER BY hash
    )
    INSERT INTO usage_events (
        org_id, event_id, batch_id, project_id, meter, resource, datacenter, quantity, event_time, recorded_at, currency,
        unit_price_minor, cost_minor, discount_minor, idempotency_key)
    SELECT $1, event_id, $3, $2, meter, resource, 'eu-1', quantity, at, at, 'USD', $7::numeric, quantity * $7::numeric,
        0, hash
    FROM events
"""
_HOURS: Final = """
    INSERT INTO usage_hourly (
        org_id, hour, project_id, meter, resource, datacenter, currency, quantity, cost_minor, discount_minor, event_count)
    SELECT org_id, date_trunc('hour', event_time, 'UTC'), project_id, meter, resource, datacenter, currency,
        sum(quantity), sum(cost_minor), sum(discount_minor), count(*)
    FROM usage_events WHERE org_id = $1 GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
_BATCH: Final = """
    INSERT INTO usage_batches (org_id, batch_id, currency, event_count, cost_minor, journal_entry_id, recorded_at)
    VALUES ($1, $2, 'USD', $3, $4, $5, $6)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--organization", default="dataset")
    parser.add_argument("--end", type=datetime.fromisoformat, default=datetime(2026, 11, 1, tzinfo=UTC))
    asyncio.run(_main(parser.parse_args()))


async def _main(args: argparse.Namespace) -> None:
    begin = time.monotonic()

    def progress(done: int) -> None:
        print(f"{done} events, {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)

    async with Service(Settings()) as service:
        await load(
            service,
            args.organization,
            events=args.events,
            seed=args.seed,
            end=args.end.astimezone(UTC),
            progress=progress,
        )


if __name__ == "__main__":
    main()
