"""SQL of meters and rates."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    cast,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.catalog.rules import Meter, NewMeter, NewRate, PublicRate, Rate
from wallet_service.catalog.tables import meters, rates
from wallet_service.rating.rules import RatePoint

AGGREGATION_SUM: Final = "sum"

_METER_COLUMNS: Final = (
    meters.c.meter,
    meters.c.display_name,
    meters.c.unit,
    meters.c.category,
    meters.c.created_at,
)


_TARIFF_ROWS: Final = """
    SELECT m.meter, m.unit, r.currency, r.effective_at, r.unit_price_minor
    FROM meters m LEFT JOIN rates r ON r.meter = m.meter
    WHERE m.meter = ANY($1::text[])
    ORDER BY m.meter, r.currency, r.effective_at
"""


async def read_tariff_rows(
    raw: "asyncpg.Connection[asyncpg.Record]", names: Collection[str]
) -> list[tuple[str, str, str, RatePoint | None]]:
    """Meter, unit, currency and rate, in order of effective time; a meter without rates has one row with None.

    Asked for every batch of usage, so it speaks to the driver.
    """
    return [
        (meter, unit, currency or "", None if price is None else RatePoint(effective_at, price))
        for meter, unit, currency, effective_at, price in await raw.fetch(_TARIFF_ROWS, list(names))
    ]


async def insert_meters(conn: AsyncConnection, new: Sequence[NewMeter], *, created_at: datetime) -> frozenset[str]:
    """Create the meters that are missing; returns the names of those created now."""
    if not new:
        return frozenset()
    written = await conn.execute(
        insert(meters)
        .values(
            [
                {
                    "meter": meter.meter,
                    "display_name": meter.display_name or meter.meter,
                    "unit": meter.unit,
                    "category": meter.category,
                    "aggregation": AGGREGATION_SUM,
                    "created_at": created_at,
                }
                for meter in sorted(new, key=lambda m: m.meter)
            ]
        )
        .on_conflict_do_nothing()
        .returning(meters.c.meter)
    )
    return frozenset(written.scalars())


async def update_meter(
    conn: AsyncConnection, meter: str, *, display_name: str | None, category: str | None
) -> Meter | None:
    """Change what is given; the meter afterwards, or None when there is none."""
    changes = {
        name: value for name, value in (("display_name", display_name), ("category", category)) if value is not None
    }
    if not changes:
        return (await read_meters(conn, [meter])).get(meter)
    row = (
        await conn.execute(update(meters).where(meters.c.meter == meter).values(changes).returning(*_METER_COLUMNS))
    ).one_or_none()
    return None if row is None else _meter_from_row(row)


async def read_meters(conn: AsyncConnection, names: Collection[str]) -> dict[str, Meter]:
    """The meters among `names` that exist."""
    found = await conn.execute(select(*_METER_COLUMNS).where(_is_any(meters.c.meter, names)))
    return {row.meter: _meter_from_row(row) for row in found}


async def lock_meter(conn: AsyncConnection, meter: str) -> bool:
    """Whether the meter exists; until the transaction ends nobody else creates a rate of it."""
    found = await conn.execute(select(meters.c.meter).where(meters.c.meter == meter).with_for_update(key_share=True))
    return found.one_or_none() is not None


async def list_meters(conn: AsyncConnection, *, prefix: str, after: str | None, limit: int) -> list[Meter]:
    """Meters by name."""
    query = select(*_METER_COLUMNS).where(meters.c.meter.startswith(prefix, autoescape=True))
    if after is not None:
        query = query.where(meters.c.meter > after)
    return [_meter_from_row(row) for row in await conn.execute(query.order_by(meters.c.meter).limit(limit))]


async def insert_rates(
    conn: AsyncConnection, new: Sequence[tuple[UUID, NewRate]], *, created_at: datetime
) -> frozenset[UUID]:
    """Create the rates whose meter, currency and time are free; returns the ids of those created now."""
    if not new:
        return frozenset()
    written = await conn.execute(
        insert(rates)
        .values(
            [
                {
                    "rate_id": rate_id,
                    "meter": rate.meter,
                    "currency": rate.currency,
                    "effective_at": rate.effective_at,
                    "unit_price_minor": rate.unit_price_minor,
                    "created_at": created_at,
                }
                for rate_id, rate in sorted(new, key=lambda n: (n[1].meter, n[1].currency, n[1].effective_at))
            ]
        )
        .on_conflict_do_nothing()
        .returning(rates.c.rate_id)
    )
    return frozenset(written.scalars())


async def read_rates(conn: AsyncConnection, names: Collection[str]) -> list[Rate]:
    """All rates of the meters in `names`, in order of meter, currency and effective time."""
    found = await conn.execute(
        select(rates)
        .where(_is_any(rates.c.meter, names))
        .order_by(rates.c.meter, rates.c.currency, rates.c.effective_at)
    )
    return [_rate_from_row(row) for row in found]


async def read_rate(conn: AsyncConnection, rate_id: UUID) -> Rate:
    """A rate that exists; rates are never removed."""
    return _rate_from_row((await conn.execute(select(rates).where(rates.c.rate_id == rate_id))).one())


async def list_rates(
    conn: AsyncConnection,
    *,
    meter: str,
    currency: str,
    in_force_at: datetime | None,
    after: tuple[str, str, datetime] | None,
    limit: int,
) -> list[Rate]:
    """Rates by meter, currency and effective time; empty filters mean all."""
    query = select(rates)
    if meter:
        query = query.where(rates.c.meter == meter)
    if currency:
        query = query.where(rates.c.currency == currency)
    if in_force_at is not None:
        query = _in_force(query, in_force_at)
    key = (rates.c.meter, rates.c.currency, rates.c.effective_at)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*(literal(part) for part in after)))
    return [_rate_from_row(row) for row in await conn.execute(query.order_by(*key).limit(limit))]


async def list_public_rates(
    conn: AsyncConnection,
    *,
    prefix: str,
    currency: str,
    at: datetime,
    after: tuple[str, str] | None,
    limit: int,
) -> list[PublicRate]:
    """The rates in force at `at`, by meter and currency."""
    query = _in_force(
        select(rates, meters.c.display_name)
        .join(meters, meters.c.meter == rates.c.meter)
        .where(rates.c.meter.startswith(prefix, autoescape=True)),
        at,
    )
    if currency:
        query = query.where(rates.c.currency == currency)
    key = (rates.c.meter, rates.c.currency)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*(literal(part) for part in after)))
    found = await conn.execute(query.order_by(*key).limit(limit))
    return [PublicRate(_rate_from_row(row), row.display_name) for row in found]


def _in_force(query: Select[Any], at: datetime) -> Select[Any]:
    """Only the latest rate of each meter and currency that took effect at or before `at`."""
    later = rates.alias("later")
    superseded = (
        select(literal(1))
        .where(
            later.c.meter == rates.c.meter,
            later.c.currency == rates.c.currency,
            later.c.effective_at > rates.c.effective_at,
            later.c.effective_at <= at,
        )
        .exists()
    )
    return query.where(rates.c.effective_at <= at, ~superseded)


def _is_any(column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
    """One array parameter, so that the statement stays the same however many values there are."""
    return column == cast(literal(list(values), ARRAY(Text)), ARRAY(Text)).any_()


def _meter_from_row(row: Any) -> Meter:
    return Meter(row.meter, row.display_name, row.unit, row.category, row.created_at)


def _rate_from_row(row: Any) -> Rate:
    return Rate(
        rate_id=row.rate_id,
        meter=row.meter,
        currency=row.currency,
        unit_price_minor=row.unit_price_minor,
        effective_at=row.effective_at,
        created_at=row.created_at,
    )
