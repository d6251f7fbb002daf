"""Reading entries of the journal with their legs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.commands import hash_of_key
from ledger.model import EntryKind, Leg
from ledger.tables import entries, keys, postings, reversals

PAGE_MAX: Final = 1000
_LAST_SEQ: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """An entry with its legs in order."""

    org_id: UUID
    entry_seq: int
    entry_id: UUID
    kind: EntryKind
    currency: str
    description: str
    effective_at: datetime
    recorded_at: datetime
    reverses_entry_id: UUID | None
    hold_id: UUID | None
    metadata: Mapping[str, str]
    hash: bytes
    legs: tuple[Leg, ...]


async def is_key_used(conn: AsyncConnection, org_id: UUID, key: str) -> bool:
    """Whether the organization has done a request with this key."""
    found = await conn.execute(
        select(keys.c.key_hash).where(keys.c.org_id == org_id, keys.c.key_hash == hash_of_key(key))
    )
    return found.first() is not None


async def reversed_minor(conn: AsyncConnection, org_id: UUID, entry_id: UUID) -> int:
    """How much of an entry was taken back so far."""
    found = await conn.execute(
        select(reversals.c.reversed_minor).where(reversals.c.org_id == org_id, reversals.c.entry_id == entry_id)
    )
    return found.scalar_one_or_none() or 0


async def get_entry(conn: AsyncConnection, org_id: UUID, entry_id: UUID) -> JournalEntry | None:
    """One entry of the organization, or None."""
    row = (
        await conn.execute(select(entries).where(entries.c.org_id == org_id, entries.c.entry_id == entry_id))
    ).one_or_none()
    return None if row is None else (await _with_legs(conn, org_id, [row]))[0]


async def list_entries(
    conn: AsyncConnection,
    org_id: UUID,
    *,
    account_id: UUID | None = None,
    kind: EntryKind | None = None,
    hold_id: UUID | None = None,
    reverses_entry_id: UUID | None = None,
    before_seq: int | None = None,
    limit: int = 100,
) -> list[JournalEntry]:
    """Entries of the organization, newest first, that touch the account and match the rest; at most 1000.

    The next page is `before_seq` = the last `entry_seq` of this one.
    """
    query: Select[Any] = select(entries).where(
        entries.c.org_id == org_id, entries.c.entry_seq < (before_seq or _LAST_SEQ)
    )
    if account_id is not None:
        touched = select(postings.c.entry_seq).where(
            postings.c.org_id == org_id,
            postings.c.account_id == account_id,
            postings.c.entry_seq == entries.c.entry_seq,
        )
        query = query.where(touched.exists())
    if kind is not None:
        query = query.where(entries.c.kind == kind.value)
    if hold_id is not None:
        query = query.where(entries.c.hold_id == hold_id)
    if reverses_entry_id is not None:
        query = query.where(entries.c.reverses_entry_id == reverses_entry_id)
    rows = await conn.execute(query.order_by(entries.c.entry_seq.desc()).limit(page_size(limit)))
    return await _with_legs(conn, org_id, rows.all())


async def entries_after(conn: AsyncConnection, org_id: UUID, after_seq: int, limit: int) -> list[JournalEntry]:
    """Entries in order, from the one after `after_seq`: to read a whole journal."""
    rows = await conn.execute(
        select(entries)
        .where(entries.c.org_id == org_id, entries.c.entry_seq > after_seq)
        .order_by(entries.c.entry_seq)
        .limit(page_size(limit))
    )
    return await _with_legs(conn, org_id, rows.all())


async def entries_by_seq(conn: AsyncConnection, org_id: UUID, numbers: Sequence[int]) -> dict[int, JournalEntry]:
    """The entries of these numbers, at most a page of them."""
    rows = await conn.execute(select(entries).where(entries.c.org_id == org_id, entries.c.entry_seq.in_(numbers)))
    return {entry.entry_seq: entry for entry in await _with_legs(conn, org_id, rows.all())}


def page_size(limit: int) -> int:
    """`limit`, if a page may have so many rows."""
    if not 1 <= limit <= PAGE_MAX:
        raise ValueError(f"limit must be 1 to {PAGE_MAX}")
    return limit


async def _with_legs(conn: AsyncConnection, org_id: UUID, rows: Sequence[Row[Any]]) -> list[JournalEntry]:
    """Entry rows with their postings, in the order given."""
    columns = postings.c
    found = await conn.execute(
        select(columns.entry_seq, columns.account_id, columns.amount_minor)
        .where(columns.org_id == org_id, columns.entry_seq.in_([row.entry_seq for row in rows]))
        .order_by(columns.entry_seq, columns.leg)
    )
    legs: dict[int, list[Leg]] = {}
    for seq, account_id, amount in found:
        legs.setdefault(seq, []).append(Leg(account_id, amount))
    return [
        JournalEntry(
            org_id,
            row.entry_seq,
            row.entry_id,
            EntryKind(row.kind),
            row.currency,
            row.description,
            row.effective_at,
            row.recorded_at,
            row.reverses_entry_id,
            row.hold_id,
            row.metadata or {},
            row.hash,
            tuple(legs.get(row.entry_seq, ())),
        )
        for row in rows
    ]
