"""SQL of the write path: what a batch has to know, and what it writes. Hot, so it speaks to the driver directly.

Every function joins the transaction of `raw`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import asyncpg

from ledger.store import organizations_named
from wallet_service.rating.rules import DiscountWindow
from wallet_service.usage.model import Batch, KnownEvent, NewRows, Scope

if TYPE_CHECKING:
    Driver: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Driver = asyncpg.Connection

_PLANNED_EACH_TIME: Final = "SET LOCAL plan_cache_mode = force_custom_plan"
_PLANNED_ONCE: Final = "SET LOCAL plan_cache_mode = auto"

_UNIT_SEPARATOR: Final = "\x1f"


_SCOPES: Final = """
    SELECT o.org_id, o.usage_age_max_seconds, COALESCE(w.currency, o.currency) AS currency, w.account_id,
        d.starts_at, d.ends_at, d.percents
    FROM organizations o
    LEFT JOIN wallets w ON w.org_id = o.org_id AND w.closed_at IS NULL
    CROSS JOIN LATERAL (
        SELECT array_agg(p.starts_at) AS starts_at, array_agg(p.ends_at) AS ends_at, array_agg(p.percent) AS percents
        FROM promotions p WHERE p.org_id = o.org_id AND p.applies_to_usage
    ) d
    WHERE o.org_id = ANY($1::uuid[])
"""

_PROJECTS: Final = """
    SELECT u.org_id, u.slug, p.project_id
    FROM unnest($1::uuid[], $2::text[]) AS u(org_id, slug)
    CROSS JOIN LATERAL (
        SELECT project_id FROM projects p WHERE p.org_id = u.org_id AND p.slug = u.slug
            AND ($3::uuid[] IS NULL OR p.org_id = ANY($3)) LIMIT 1
    ) p
"""
"""The last argument of this and of `_KNOWN` is that of `ledger.store.READ`: organizations, where tables are distributed."""

_ONLY_PROJECTS: Final = """
    SELECT org_id, (array_agg(project_id))[1] AS project_id
    FROM projects WHERE org_id = ANY($1::uuid[])
    GROUP BY org_id HAVING count(*) = 1
"""

_KNOWN: Final = """
    SELECT u.org_id, u.key_hash, k.event_id, k.content_hash, e.quantity, e.cost_minor
    FROM unnest($1::uuid[], $2::bytea[]) AS u(org_id, key_hash)
    CROSS JOIN LATERAL (
        SELECT event_id, content_hash FROM usage_keys k WHERE k.org_id = u.org_id AND k.key_hash = u.key_hash
            AND ($3::uuid[] IS NULL OR k.org_id = ANY($3)) LIMIT 1
    ) k
    CROSS JOIN LATERAL (
        SELECT quantity, cost_minor FROM usage_events e WHERE e.org_id = u.org_id AND e.event_id = k.event_id
            AND ($3::uuid[] IS NULL OR e.org_id = ANY($3)) LIMIT 1
    ) e
"""

WRITE_EVENTS: Final = """
    WITH patterns AS (
        SELECT * FROM unnest(
            $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
            string_to_array($8, ',')::numeric[], string_to_array($9, ',')::numeric[],
            string_to_array($10, ',')::numeric[], string_to_array($11, ',')::numeric[]
        ) WITH ORDINALITY AS p(
            org_id, batch_id, project_id, meter, datacenter, currency, event_time, quantity, unit_price_minor, cost_minor,
            discount_minor, number)
    ), written AS MATERIALIZED (
        SELECT p.*, coalesce(e.resource, '') AS resource, e.idempotency_key, e.event_id, e.metadata::jsonb AS metadata,
            substring($13::bytea FROM 16 * e.number::int - 15 FOR 16) AS key_hash,
            substring($14::bytea FROM 16 * e.number::int - 15 FOR 16) AS content_hash
        FROM unnest(
            $12::int[], string_to_array($15, $19), string_to_array($16, $19), string_to_array($17, ',')::uuid[],
            $18::text[]
        ) WITH ORDINALITY AS e(pattern, resource, idempotency_key, event_id, metadata, number)
        JOIN patterns p ON p.number = e.pattern
    ), keyed AS (
        INSERT INTO usage_keys (org_id, key_hash, content_hash, event_id)
        SELECT org_id, key_hash, content_hash, event_id FROM written ORDER BY org_id, key_hash
        ON CONFLICT (org_id, key_hash) DO NOTHING
        RETURNING org_id
    ), inserted AS (
        INSERT INTO usage_events (
            org_id, event_id, batch_id, project_id, meter, resource, datacenter, quantity, event_time, recorded_at,
            currency, unit_price_minor, cost_minor, discount_minor, idempotency_key, metadata)
        SELECT org_id, event_id, batch_id, project_id, meter, resource, datacenter, quantity, event_time, $20, currency,
            unit_price_minor, cost_minor, discount_minor, idempotency_key, metadata
        FROM written
    ), rolled AS (
        INSERT INTO usage_hourly AS h (
            org_id, hour, project_id, meter, resource, datacenter, currency, quantity, cost_minor, discount_minor,
            event_count)
        SELECT
            org_id, date_trunc('hour', event_time, 'UTC') AS hour, project_id, meter, resource, datacenter, currency,
            sum(quantity), sum(cost_minor), sum(discount_minor), count(*)
        FROM written
        GROUP BY org_id, hour, project_id, meter, resource, datacenter, currency
        ORDER BY org_id, hour, project_id, meter, resource, datacenter, currency
        ON CONFLICT (org_id, hour, project_id, meter, resource, datacenter, currency) DO UPDATE SET
            quantity = h.quantity + EXCLUDED.quantity,
            cost_minor = h.cost_minor + EXCLUDED.cost_minor,
            discount_minor = h.discount_minor + EXCLUDED.discount_minor,
            event_count = h.event_count + EXCLUDED.event_count
    )
    SELECT count(*) FROM keyed
"""
"""Events with their keys, and what they add to the roll-up; how many keys were free. Unless all of them were, the
transaction must not be committed. What events have in common travels once, numbers as one text for each column, hashes as
one run of bytes: the driver takes arrays of objects ten times slower."""

_BATCHES: Final = """
    INSERT INTO usage_batches (org_id, batch_id, currency, event_count, cost_minor, journal_entry_id, recorded_at)
    SELECT u.org_id, u.batch_id, u.currency, u.event_count, u.cost_minor, u.journal_entry_id, $7
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::numeric[], $6::uuid[])
        AS u(org_id, batch_id, currency, event_count, cost_minor, journal_entry_id)
"""


async def read_scopes(
    raw: Driver, asked: Mapping[UUID, Collection[str]], *, usage_age_max: timedelta, on_shards: bool
) -> dict[UUID, Scope]:
    """The organizations of `asked` that exist, with those of the projects asked for that are theirs.

    An empty slug asks for the only project. usage_age_max: of organizations that have none of their own. on_shards: whether
    the tables are distributed; the organizations are then of one shard.
    """
    projects: dict[UUID, dict[str, UUID]] = {org_id: {} for org_id in asked}
    pairs = [(org_id, slug) for org_id, slugs in asked.items() for slug in slugs if slug]
    if pairs:
        orgs = organizations_named(asked, on_shards=on_shards)
        for row in await raw.fetch(_PROJECTS, [p[0] for p in pairs], [p[1] for p in pairs], orgs):
            projects[row["org_id"]][row["slug"]] = row["project_id"]
    only: dict[UUID, UUID] = {}
    if unnamed := [org_id for org_id, slugs in asked.items() if "" in slugs]:
        only = {row["org_id"]: row["project_id"] for row in await raw.fetch(_ONLY_PROJECTS, unnamed)}
    return {
        row["org_id"]: Scope(
            currency=row["currency"],
            wallet_account=row["account_id"],
            usage_age_max=_age(row["usage_age_max_seconds"], usage_age_max),
            projects=projects[row["org_id"]],
            only_project=only.get(row["org_id"]),
            discounts=_discounts(row["starts_at"], row["ends_at"], row["percents"]),
        )
        for row in await raw.fetch(_SCOPES, list(asked))
    }


async def read_known(
    raw: Driver, keys: Collection[tuple[UUID, bytes]], *, on_shards: bool
) -> dict[tuple[UUID, bytes], KnownEvent]:
    """The events recorded before under any of `keys` (organization, key hash); on_shards as in `read_scopes`."""
    # A plan that was made while the tables were empty would be kept for as long as the connection lives, and takes an index
    # that has to walk over all events of the organization. Other statements have no such choice, and keep their plans.
    await raw.execute(_PLANNED_EACH_TIME)
    org_ids = [key[0] for key in keys]
    named = organizations_named(org_ids, on_shards=on_shards)
    rows = await raw.fetch(_KNOWN, org_ids, [key[1] for key in keys], named)
    await raw.execute(_PLANNED_ONCE)
    return {
        (row["org_id"], row["key_hash"]): KnownEvent(
            row["event_id"], row["content_hash"], row["quantity"], row["cost_minor"]
        )
        for row in rows
    }


async def write_events(raw: Driver, rows: NewRows, *, batch_ids: Mapping[UUID, UUID], recorded_at: datetime) -> int:
    """Insert events and add them to the roll-up, in one statement; returns how many of their keys were free.

    Fewer than there are events means that another transaction has used a key: the caller rolls back. Keys are taken in
    their order, so that two transactions with the same keys wait for each other instead of deadlocking.
    """
    count = await raw.fetchval(WRITE_EVENTS, *arguments_of(rows, batch_ids=batch_ids, recorded_at=recorded_at))
    assert isinstance(count, int)
    return count


def arguments_of(rows: NewRows, *, batch_ids: Mapping[UUID, UUID], recorded_at: datetime) -> list[Any]:
    """Of WRITE_EVENTS."""
    orgs, projects, meters, datacenters, currencies, quantities, prices, costs, discounts, times = zip(
        *rows.patterns, strict=True
    )
    separator = _separator(rows)
    return [
        orgs,
        [batch_ids[org_id] for org_id in orgs],
        projects,
        meters,
        datacenters,
        currencies,
        times,
        *(",".join(map(str, numbers)) for numbers in (quantities, prices, costs, discounts)),
        [number + 1 for number in rows.pattern_of],
        b"".join(rows.key_hashes),
        b"".join(rows.content_hashes),
        separator.join(rows.resources),
        separator.join(rows.keys),
        ",".join(rows.event_ids),
        rows.metadata or None,
        separator,
        recorded_at,
    ]


def _separator(rows: NewRows) -> str:
    """A character that none of the texts that are sent together has in it."""
    texts = "".join([*rows.resources, *rows.keys])
    if _UNIT_SEPARATOR not in texts:
        return _UNIT_SEPARATOR
    used = set(texts)
    # All characters that PostgreSQL keeps, which are more than a batch has.
    return next(char for char in map(chr, chain(range(1, 0xD800), range(0xE000, 0x110000))) if char not in used)


async def write_batches(raw: Driver, batches: Sequence[Batch], *, recorded_at: datetime) -> None:
    """Note what each organization's part of the transaction cost."""
    await raw.execute(
        _BATCHES,
        [batch.org_id for batch in batches],
        [batch.batch_id for batch in batches],
        [batch.currency for batch in batches],
        [batch.event_count for batch in batches],
        [batch.cost_minor for batch in batches],
        [batch.journal_entry_id for batch in batches],
        recorded_at,
    )


def _discounts(
    starts_at: Sequence[datetime] | None, ends_at: Sequence[datetime] | None, percents: Sequence[int] | None
) -> tuple[DiscountWindow, ...]:
    """Of three columns; none where the organization never had a discount."""
    if starts_at is None or ends_at is None or percents is None:
        return ()
    return tuple(map(DiscountWindow, starts_at, ends_at, percents))


def _age(seconds: int | None, default: timedelta) -> timedelta:
    return default if seconds is None else timedelta(seconds=seconds)
