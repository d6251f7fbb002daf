"""SQL of the read side: sums over the roll-up, lists of events. Scope is an argument of every function."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.usage.model import Settlement, UsageEvent
from wallet_service.usage.query_rules import Dimension, Position, Span, UsageQuery, UsageRow, cut

_INNER: Final = {
    Dimension.PROJECT: "project_id",
    Dimension.RESOURCE: "resource",
    Dimension.DATACENTER: "datacenter",
}
_OUTER: Final = {
    Dimension.CATEGORY: "m.category",
    Dimension.PROJECT: "p.slug",
    Dimension.METER: "s.meter",
    Dimension.RESOURCE: "s.resource",
    Dimension.DATACENTER: "s.datacenter",
}
_SOURCES: Final = {True: ("usage_hourly", "hour"), False: ("usage_events", "event_time")}

_EVENTS: Final = """
    SELECT e.event_id, p.slug AS project, e.meter, m.unit, e.resource, e.datacenter, e.quantity, e.event_time,
        e.recorded_at, e.currency, e.unit_price_minor, e.cost_minor, e.metadata, e.idempotency_key
    FROM usage_events e
    JOIN projects p ON p.org_id = e.org_id AND p.project_id = e.project_id
    JOIN meters m ON m.meter = e.meter
"""


async def sum_usage(conn: AsyncConnection, query: UsageQuery, *, after: Position | None, limit: int) -> list[UsageRow]:
    """Rows in order of bucket, dimensions and currency, from behind `after`."""
    parameters: dict[str, Any] = {"limit": limit}
    condition = ""
    if after is not None:
        if query.start is None or after.bucket_start > query.start:
            query = replace(query, start=after.bucket_start)
        names = [":after_bucket", *(f":after_{number}" for number in range(len(after.texts)))]
        condition = f"HAVING ({', '.join(_keys(query))}) > ({', '.join(names)})"
        parameters["after_bucket"] = after.bucket_start
        parameters.update({f"after_{number}": text for number, text in enumerate(after.texts)})
    return await _sums(conn, query, condition, parameters)


async def find_row(conn: AsyncConnection, query: UsageQuery, *, digest: str) -> UsageRow | None:
    """The row whose texts (dimensions, then currency) have this `row_digest`; `query` spans the bucket that it is in."""
    texts = f"concat_ws(E'\\x1f', {', '.join(_keys(query)[1:])})"
    condition = f"HAVING encode(sha256(convert_to({texts}, 'UTF8')), 'hex') = :digest"
    rows = await _sums(conn, query, condition, {"limit": 1, "digest": digest})
    return rows[0] if rows else None


async def _sums(conn: AsyncConnection, query: UsageQuery, condition: str, parameters: dict[str, Any]) -> list[UsageRow]:
    sources = _sources(query, parameters)
    if not sources:
        return []
    parameters["org_id"] = query.org_id
    # The best plan depends on how wide the range is; and one made while the tables were empty would be kept.
    await conn.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    found = await conn.execute(text(_grouped(query, sources, condition)), parameters)
    return [_row_from_row(row) for row in found.mappings()]


def _sources(query: UsageQuery, parameters: dict[str, Any]) -> list[str]:
    """A SELECT for each part of the range; sums by bucket, meter, currency and those dimensions that are not the meter's."""
    parts = cut(query.start, query.end)
    spans = [(True, parts.hours)] if parts.hours else []
    return [
        _source(query, hourly, span, parameters, number)
        for number, (hourly, span) in enumerate([*spans, *((False, span) for span in parts.rest)])
    ]


def _source(query: UsageQuery, hourly: bool, span: Span, parameters: dict[str, Any], number: int) -> str:
    table, time = _SOURCES[hourly]
    columns = ["meter", "currency", *(_INNER[d] for d in query.dimensions if d in _INNER)]
    conditions = ["org_id = :org_id", f"{time} < :end_{number}"]
    parameters[f"end_{number}"] = span.end
    if span.start is not None:
        conditions.append(f"{time} >= :start_{number}")
        parameters[f"start_{number}"] = span.start
    if query.project_id is not None:
        conditions.append("project_id = :project_id")
        parameters["project_id"] = query.project_id
    if query.meter_prefix:
        parameters["prefix"] = query.meter_prefix
        conditions.append("starts_with(meter, :prefix)")
    if query.currency:
        parameters["currency"] = query.currency
        conditions.append("currency = :currency")
    names = ", ".join(columns)
    return (
        f"SELECT date_trunc('{query.bucket.value}', {time}, 'UTC') AS bucket, {names},"
        f" sum(quantity) AS quantity, sum(cost_minor) AS cost_minor, sum(discount_minor) AS discount_minor"
        f" FROM {table} WHERE {' AND '.join(conditions)} GROUP BY bucket, {names}"
    )


def _keys(query: UsageQuery) -> list[str]:
    """What rows are grouped and ordered by."""
    return ["s.bucket", *(_OUTER[dimension] for dimension in query.dimensions), "s.currency"]


def _grouped(query: UsageQuery, sources: list[str], condition: str) -> str:
    keys = ", ".join(_keys(query))
    names = "".join(f"{_OUTER[dimension]} AS {dimension.value}, " for dimension in query.dimensions)
    projects = (
        "JOIN projects p ON p.org_id = :org_id AND p.project_id = s.project_id"
        if Dimension.PROJECT in query.dimensions
        else ""
    )
    return (
        f"SELECT s.bucket, {names}s.currency,"
        " CASE WHEN min(m.unit) = max(m.unit) THEN min(m.unit) ELSE '' END AS unit,"
        " CASE WHEN min(m.unit) = max(m.unit) THEN sum(s.quantity) END AS quantity,"
        " sum(s.cost_minor) AS cost_minor, sum(s.discount_minor) AS discount_minor"
        f" FROM ({' UNION ALL '.join(sources)}) s JOIN meters m ON m.meter = s.meter {projects}"
        f" GROUP BY {keys} {condition} ORDER BY {keys} LIMIT :limit"
    )


def _row_from_row(row: Any) -> UsageRow:
    return UsageRow(
        bucket_start=row["bucket"],
        category=row.get("category", ""),
        project=row.get("project", ""),
        meter=row.get("meter", ""),
        resource=row.get("resource", ""),
        datacenter=row.get("datacenter", ""),
        currency=row["currency"],
        quantity=row["quantity"],
        unit=row["unit"],
        cost_minor_exact=row["cost_minor"],
        discount_minor_exact=row["discount_minor"],
    )


async def list_events(
    conn: AsyncConnection,
    org_id: UUID,
    *,
    project_id: UUID | None,
    meter_prefix: str,
    span: tuple[datetime | None, datetime | None],
    before: UUID | None,
    limit: int,
) -> list[UsageEvent]:
    """Events, newest recorded first, from behind `before`; `span` is of event times, half-open, None for no bound."""
    conditions = ["e.org_id = :org_id"]
    parameters: dict[str, Any] = {"org_id": org_id, "limit": limit}
    for value, name, condition in (
        (project_id, "project_id", "e.project_id = :project_id"),
        (meter_prefix or None, "prefix", "starts_with(e.meter, :prefix)"),
        (span[0], "start", "e.event_time >= :start"),
        (span[1], "end", "e.event_time < :end"),
        (before, "before", "e.event_id < :before"),
    ):
        if value is not None:
            conditions.append(condition)
            parameters[name] = value
    found = await conn.execute(
        text(f"{_EVENTS} WHERE {' AND '.join(conditions)} ORDER BY e.event_id DESC LIMIT :limit"), parameters
    )
    return [_event_from_row(row) for row in found.mappings()]


async def read_settlement(conn: AsyncConnection, org_id: UUID, event_id: UUID) -> Settlement | None:
    """How an event of the organization was settled; None when it has no such event."""
    row = (
        await conn.execute(
            text(
                "SELECT b.journal_entry_id, e.cost_minor, e.currency FROM usage_events e"
                " JOIN usage_batches b ON b.org_id = e.org_id AND b.batch_id = e.batch_id"
                " WHERE e.org_id = :org_id AND e.event_id = :event_id"
            ),
            {"org_id": org_id, "event_id": event_id},
        )
    ).one_or_none()
    return None if row is None else Settlement(row.journal_entry_id, row.cost_minor, row.currency)


def _event_from_row(row: Any) -> UsageEvent:
    return UsageEvent(
        event_id=row["event_id"],
        project=row["project"],
        meter=row["meter"],
        unit=row["unit"],
        resource=row["resource"],
        datacenter=row["datacenter"],
        quantity=row["quantity"],
        event_time=row["event_time"],
        recorded_at=row["recorded_at"],
        currency=row["currency"],
        unit_price_minor=row["unit_price_minor"],
        cost_minor=row["cost_minor"],
        metadata=row["metadata"] or {},
        idempotency_key=row["idempotency_key"],
    )
