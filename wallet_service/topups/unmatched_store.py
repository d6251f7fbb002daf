"""SQL of payments that are not the credit of their top-up."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.money import Money
from wallet_service.testclocks.steps import in_real_time
from wallet_service.topups.model import UnmatchedPayment, UnmatchedReason
from wallet_service.topups.tables import unmatched_payments


async def read_payment(
    conn: AsyncConnection, org_id: UUID, *, provider: str, external_id: str
) -> UnmatchedPayment | None:
    found = await conn.execute(select(unmatched_payments).where(*_is(org_id, provider, external_id)))
    row = found.one_or_none()
    return None if row is None else from_row(row)


async def insert_payment(conn: AsyncConnection, made: UnmatchedPayment) -> None:
    await conn.execute(
        insert(unmatched_payments).values(
            org_id=made.org_id,
            provider=made.provider,
            external_id=made.external_id,
            topup_id=made.topup_id,
            reason=made.reason.value,
            amount_minor=made.amount.amount_minor,
            currency=made.amount.currency,
            entry_id=made.entry_id,
            is_in_wallet=made.is_in_wallet,
            created_at=made.created_at,
        )
    )


async def update_payment(conn: AsyncConnection, changed: UnmatchedPayment) -> None:
    """Store what may change of a payment whose top-up this transaction has locked."""
    await conn.execute(
        update(unmatched_payments)
        .where(*_is(changed.org_id, changed.provider, changed.external_id))
        .values(
            fee_minor=changed.fee.amount_minor if changed.fee else None,
            fee_currency=changed.fee.currency if changed.fee else None,
            next_check_at=changed.next_check_at,
        )
    )


async def list_due(
    conn: AsyncConnection, org_id: UUID | None, *, now: datetime, limit: int
) -> Sequence[UnmatchedPayment]:
    """Payments whose check is due, the longest due first; None: of all organizations that live in real time."""
    columns = unmatched_payments.c
    whose = in_real_time(columns.org_id) if org_id is None else columns.org_id == org_id
    found = await conn.execute(
        select(unmatched_payments)
        .where(whose, columns.next_check_at <= now)
        .order_by(columns.next_check_at)
        .limit(limit)
    )
    return [from_row(row) for row in found]


async def postpone_check(conn: AsyncConnection, payment: UnmatchedPayment, *, next_check_at: datetime | None) -> bool:
    """Whether nobody else has taken the check that `payment` was due for; it is due again at `next_check_at`."""
    written = await conn.execute(
        update(unmatched_payments)
        .where(
            *_is(payment.org_id, payment.provider, payment.external_id),
            unmatched_payments.c.next_check_at == payment.next_check_at,
        )
        .values(next_check_at=next_check_at)
    )
    return written.rowcount == 1


def from_row(row: Row[Any]) -> UnmatchedPayment:
    return UnmatchedPayment(
        org_id=row.org_id,
        provider=row.provider,
        external_id=row.external_id,
        topup_id=row.topup_id,
        reason=UnmatchedReason(row.reason),
        amount=Money(row.amount_minor, row.currency),
        entry_id=row.entry_id,
        is_in_wallet=row.is_in_wallet,
        fee=None if row.fee_minor is None else Money(row.fee_minor, row.fee_currency),
        created_at=row.created_at,
        next_check_at=row.next_check_at,
    )


def _is(org_id: UUID, provider: str, external_id: str) -> tuple[ColumnElement[bool], ...]:
    columns = unmatched_payments.c
    return (columns.org_id == org_id, columns.provider == provider, columns.external_id == external_id)
