"""SQL of alerts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts.tables import wallets
from wallet_service.alerts.model import BalanceAlert, DaysAlert, WalletAlerts
from wallet_service.alerts.tables import wallet_alerts
from wallet_service.due import first_times
from wallet_service.testclocks.steps import in_real_time

WITH_ALERTS: Final = "SELECT org_id FROM wallet_alerts WHERE org_id = ANY ($1)"
"""Those of the organizations where anything was ever configured."""


_NEXT_CHECKS: Final = """
    SELECT a.org_id, min(a.days_check_at)
    FROM wallet_alerts a JOIN wallets w ON w.org_id = a.org_id AND w.wallet_id = a.wallet_id
    WHERE a.org_id = ANY ($1) AND w.closed_at IS NULL
    GROUP BY a.org_id
"""


async def read(conn: AsyncConnection, org_id: UUID, wallet_id: UUID, *, lock: bool = False) -> WalletAlerts | None:
    """None when nothing was ever configured."""
    query = select(wallet_alerts).where(wallet_alerts.c.org_id == org_id, wallet_alerts.c.wallet_id == wallet_id)
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else _from_row(row)


async def configure(conn: AsyncConnection, alerts: WalletAlerts, now: datetime) -> None:
    """Store a configuration with its state, whether or not there was one."""
    statement = insert(wallet_alerts).values(
        org_id=alerts.org_id, wallet_id=alerts.wallet_id, updated_at=now, **_to_columns(alerts)
    )
    await conn.execute(
        statement.on_conflict_do_update(
            index_elements=[wallet_alerts.c.org_id, wallet_alerts.c.wallet_id],
            set_={"updated_at": now, **_to_columns(alerts)},
        )
    )


async def save(conn: AsyncConnection, alerts: WalletAlerts) -> None:
    """Store what became of alerts that were read with their lock."""
    await conn.execute(
        update(wallet_alerts)
        .where(wallet_alerts.c.org_id == alerts.org_id, wallet_alerts.c.wallet_id == alerts.wallet_id)
        .values(**_to_columns(alerts))
    )


async def organizations_due(conn: AsyncConnection, *, by: datetime, limit: int) -> list[UUID]:
    """Organizations in real time whose days are to be looked at by then, the longest due first."""
    columns = wallet_alerts.c
    found = await conn.execute(
        select(columns.org_id)
        .join(wallets, (wallets.c.org_id == columns.org_id) & (wallets.c.wallet_id == columns.wallet_id))
        .where(columns.days_check_at <= by, wallets.c.closed_at.is_(None), in_real_time(columns.org_id))
        .order_by(columns.days_check_at)
        .limit(limit)
    )
    return list(found.scalars())


async def next_checks(conn: AsyncConnection, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
    """When the days of each organization's open wallet are looked at next; none while nobody asked for it."""
    return await first_times(conn, _NEXT_CHECKS, org_ids)


def _to_columns(alerts: WalletAlerts) -> dict[str, Any]:
    balance, days = alerts.balance, alerts.days
    return {
        "balance_alert_minor": balance.threshold_minor,
        "balance_from_seq": balance.from_seq,
        "balance_fired": balance.has_fired,
        "last_balance_fired_at": balance.last_fired_at,
        "days_remaining_alert": days.threshold_days,
        "days_fired": days.has_fired,
        "last_days_fired_at": days.last_fired_at,
        "days_check_at": days.check_at,
    }


def _from_row(row: Row[Any]) -> WalletAlerts:
    return WalletAlerts(
        org_id=row.org_id,
        wallet_id=row.wallet_id,
        balance=BalanceAlert(
            threshold_minor=row.balance_alert_minor,
            from_seq=row.balance_from_seq,
            has_fired=row.balance_fired,
            last_fired_at=row.last_balance_fired_at,
        ),
        days=DaysAlert(
            threshold_days=row.days_remaining_alert,
            has_fired=row.days_fired,
            last_fired_at=row.last_days_fired_at,
            check_at=row.days_check_at,
        ),
    )
