"""SQL of forecasts: hourly sums of what was spent, and what runs now. Reads only."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import from_bytes, ordered_id, unix_us

CAPTURED: Final = "Captured holds"
"""Stands for a category where money was captured."""

_HOURLY: Final = text("""
    SELECT s.hour, COALESCE(m.category, :captured) AS category, sum(s.cost_minor) AS cost_minor
    FROM (
        SELECT hour, meter, sum(cost_minor) AS cost_minor
        FROM usage_hourly
        WHERE org_id = :org_id AND currency = :currency AND hour >= :since AND hour < :until
        GROUP BY hour, meter
        UNION ALL
        SELECT date_trunc('hour', updated_at, 'UTC'), NULL, sum(captured_minor)
        FROM ledger_holds
        WHERE org_id = :org_id AND account_id = :account_id AND hold_id >= :first_hold
            AND captured_minor > 0 AND updated_at >= :since AND updated_at < :until
        GROUP BY 1
    ) s
    LEFT JOIN meters m ON m.meter = s.meter
    GROUP BY s.hour, category
    ORDER BY s.hour, category
""")

_RUNNING: Final = text("""
    SELECT COALESCE(sum(cost_minor), 0)
    FROM (
        SELECT sum(cost_minor) AS cost_minor
        FROM usage_hourly
        WHERE org_id = :org_id AND currency = :currency AND hour >= :since AND hour < :until AND resource <> ''
        GROUP BY project_id, meter, resource
        HAVING count(DISTINCT hour) = :hour_count AND sum(cost_minor) > 0
    ) running
""")


class HourlySpend(NamedTuple):
    """Exact cost of an hour in a category of meters, or of captured holds, which have no meter."""

    hour: datetime
    category: str
    cost_minor: Decimal


async def hourly_spend(
    conn: AsyncConnection, org_id: UUID, account_id: UUID, currency: str, *, since: datetime, until: datetime
) -> list[HourlySpend]:
    """Hours of [since, until) in which the wallet spent, by hour and category; both bounds are whole hours.

    A hold counts in the hour of its last change, and only if it was opened after `since`, which its index knows.
    """
    await _plan_anew(conn)
    found = await conn.execute(
        _HOURLY,
        {
            "org_id": org_id,
            "account_id": account_id,
            "currency": currency,
            "since": since,
            "until": until,
            "captured": CAPTURED,
            "first_hold": from_bytes(ordered_id(unix_us(since) // 1000, 0, bytes(4))),
        },
    )
    return [HourlySpend(*row) for row in found]


async def running_cost(
    conn: AsyncConnection, org_id: UUID, currency: str, *, until: datetime, hour_count: int
) -> Decimal:
    """Exact cost in the `hour_count` hours before `until` of the resources that were used in each of them."""
    await _plan_anew(conn)
    found = await conn.execute(
        _RUNNING,
        {
            "org_id": org_id,
            "currency": currency,
            "since": until - timedelta(hours=hour_count),
            "until": until,
            "hour_count": hour_count,
        },
    )
    return Decimal(found.scalar_one())


async def _plan_anew(conn: AsyncConnection) -> None:
    """A plan that was made while the tables were empty would be kept."""
    await conn.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
