"""SQL of standings."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Uuid, any_, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.account_states.model import AccountStanding, PolicyChoice
from wallet_service.account_states.tables import account_standings
from wallet_service.due import first_times
from wallet_service.testclocks.steps import in_real_time

_ORG_IDS: Final = bindparam("org_ids", type_=ARRAY(Uuid))


async def read(conn: AsyncConnection, org_id: UUID) -> AccountStanding | None:
    found = await conn.execute(select(account_standings).where(account_standings.c.org_id == org_id))
    row = found.one_or_none()
    return None if row is None else from_row(row)


async def read_many(conn: AsyncConnection, org_ids: Sequence[UUID]) -> dict[UUID, AccountStanding]:
    """Of those organizations that have one."""
    rows = await conn.execute(
        select(account_standings).where(account_standings.c.org_id == any_(_ORG_IDS)), {"org_ids": list(org_ids)}
    )
    return {row.org_id: from_row(row) for row in rows}


async def lock(conn: AsyncConnection, org_id: UUID, now: datetime) -> AccountStanding:
    """The standing, made where missing; nobody else changes it until the transaction ends."""
    await conn.execute(
        insert(account_standings).values(_values(AccountStanding(org_id=org_id), now)).on_conflict_do_nothing()
    )
    found = await conn.execute(
        select(account_standings).where(account_standings.c.org_id == org_id).with_for_update(key_share=True)
    )
    return from_row(found.one())


async def save(conn: AsyncConnection, standing: AccountStanding, now: datetime) -> None:
    """Store a standing that this transaction has locked."""
    # The organization is never assigned: where rows are placed by it, that would be a move.
    values = {name: value for name, value in _values(standing, now).items() if name != "org_id"}
    await conn.execute(update(account_standings).where(account_standings.c.org_id == standing.org_id).values(values))


async def next_due(conn: AsyncConnection, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
    return await first_times(
        conn, "SELECT org_id, least(suspend_at, next_check_at) FROM account_standings WHERE org_id = ANY ($1)", org_ids
    )


async def due(conn: AsyncConnection, org_id: UUID | None, *, now: datetime, limit: int) -> Sequence[UUID]:
    """Organizations whose grace has ended or whose forecast is to be asked; None: of all that live in real time."""
    columns = account_standings.c
    whose: ColumnElement[bool] = in_real_time(columns.org_id) if org_id is None else columns.org_id == org_id
    found = await conn.execute(
        select(columns.org_id)
        .where(whose, or_(columns.suspend_at <= now, columns.next_check_at <= now))
        .order_by(func.least(columns.suspend_at, columns.next_check_at))
        .limit(limit)
    )
    return found.scalars().all()


def from_row(row: Row[Any]) -> AccountStanding:
    return AccountStanding(
        org_id=row.org_id,
        choice=PolicyChoice(warn_hours=tuple(row.warn_hours or ()), grace_hours=row.grace_hours, suspends=row.suspends),
        is_manual=row.is_manual,
        is_disputed=row.is_disputed,
        is_out_of_money=row.is_out_of_money,
        warned_hours=row.warned_hours,
        grace_started_at=row.grace_started_at,
        suspend_at=row.suspend_at,
        next_check_at=row.next_check_at,
        checked_minor=row.checked_minor,
        resumed_at=row.resumed_at,
    )


def _values(standing: AccountStanding, now: datetime) -> dict[str, Any]:
    return {
        "org_id": standing.org_id,
        "warn_hours": list(standing.choice.warn_hours) or None,
        "grace_hours": standing.choice.grace_hours,
        "suspends": standing.choice.suspends,
        "is_manual": standing.is_manual,
        "is_disputed": standing.is_disputed,
        "is_out_of_money": standing.is_out_of_money,
        "warned_hours": standing.warned_hours,
        "grace_started_at": standing.grace_started_at,
        "suspend_at": standing.suspend_at,
        "next_check_at": standing.next_check_at,
        "checked_minor": standing.checked_minor,
        "resumed_at": standing.resumed_at,
        "updated_at": now,
    }
