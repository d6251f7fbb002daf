"""Reads of the ledger's tables that group by purpose, and counts for audits."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, String, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.tables import accounts, books, entries, postings
from wallet_service.journal.model import PurposeTotal
from wallet_service.journal.rules import PURPOSE, PURPOSE_OF_KIND, Purpose


def _purpose() -> ColumnElement[str]:
    """As `rules.purpose_of`, in SQL."""
    stated = cast(entries.c.metadata[PURPOSE].astext, String)
    of_kind = case({kind.value: purpose.value for kind, purpose in PURPOSE_OF_KIND.items()}, value=entries.c.kind)
    return case((stated.in_([purpose.value for purpose in Purpose]), stated), else_=of_kind)


_IS_PURPOSE: Final = _purpose()


async def list_sequences(
    conn: AsyncConnection,
    org_id: UUID,
    *,
    purposes: Collection[Purpose],
    start: datetime | None,
    end: datetime | None,
    before: int | None,
    limit: int,
) -> list[int]:
    """Numbers of entries recorded in [start, end), newest first. No purposes: all."""
    query = select(entries.c.entry_seq).where(entries.c.org_id == org_id)
    if purposes:
        query = query.where(_IS_PURPOSE.in_([purpose.value for purpose in purposes]))
    if start is not None:
        query = query.where(entries.c.recorded_at >= start)
    if end is not None:
        query = query.where(entries.c.recorded_at < end)
    if before is not None:
        query = query.where(entries.c.entry_seq < before)
    rows = await conn.execute(query.order_by(entries.c.entry_seq.desc()).limit(limit))
    return list(rows.scalars())


async def totals(
    conn: AsyncConnection, org_id: UUID, account_ids: Collection[UUID], *, start: datetime, end: datetime
) -> tuple[PurposeTotal, ...]:
    """Movements of liability accounts, taken together, recorded in [start, end), by purpose. What nets to 0 is none."""
    joined = (entries.c.org_id == postings.c.org_id) & (entries.c.entry_seq == postings.c.entry_seq)
    amount = -func.sum(postings.c.amount_minor)
    per_entry = (
        select(_IS_PURPOSE.label("purpose"), amount.label("amount"))
        .join_from(postings, entries, joined)
        .where(
            postings.c.org_id == org_id,
            postings.c.account_id.in_(account_ids),
            entries.c.recorded_at >= start,
            entries.c.recorded_at < end,
        )
        .group_by(entries.c.entry_seq, _IS_PURPOSE)
        .having(amount != 0)
        .subquery()
    )
    rows = await conn.execute(
        select(per_entry.c.purpose, func.sum(per_entry.c.amount), func.count())
        .group_by(per_entry.c.purpose)
        .order_by(per_entry.c.purpose)
    )
    return tuple(PurposeTotal(Purpose(row[0]), int(row[1]), row[2]) for row in rows)


async def account_kinds(conn: AsyncConnection, org_id: UUID, account_ids: Collection[UUID]) -> dict[UUID, str]:
    """The kind of each account."""
    rows = await conn.execute(
        select(accounts.c.account_id, accounts.c.kind).where(
            accounts.c.org_id == org_id, accounts.c.account_id.in_(account_ids)
        )
    )
    return {row.account_id: row.kind for row in rows}


async def counts(conn: AsyncConnection, org_id: UUID | None) -> tuple[int, int]:
    """Organizations with a book, and their entries."""
    query = select(func.count(), func.coalesce(func.sum(books.c.entry_seq), 0)).select_from(books)
    if org_id is not None:
        query = query.where(books.c.org_id == org_id)
    organization_count, entry_count = (await conn.execute(query)).one()
    return int(organization_count), int(entry_count)
