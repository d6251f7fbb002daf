"""The statements that write what a decision leaves. Rows travel as one array a column."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, Final
from uuid import UUID

from ledger.commands import Command
from ledger.errors import ConcurrentChange
from ledger.state import BookRow, EntryColumns, Hold, Writes
from ledger.store import Connection, columns, expected_marks, organizations_named

_ENTRY_COLUMNS_ALWAYS: Final = 5
"""Number, ids, kind and currency; after them come description, time, references and metadata, often empty."""

_LOCKED: Final = """
WITH locked AS (
    SELECT org_id, mark FROM ledger_books WHERE org_id = ANY($31::uuid[]) ORDER BY org_id FOR NO KEY UPDATE
), gate AS (
    SELECT coalesce(array_agg(mark ORDER BY org_id) = $32::bigint[], false) AND NOT EXISTS (
        SELECT FROM unnest($33::uuid[], $34::bytea[]) u (org_id, key_hash), LATERAL (
            SELECT FROM ledger_keys k WHERE k.org_id = u.org_id AND k.key_hash = u.key_hash
                AND ($35::uuid[] IS NULL OR k.org_id = ANY($35)) OFFSET 0
        ) k
    ) AS open FROM locked
), entry AS (
    INSERT INTO ledger_entries (org_id, entry_seq, entry_id, kind, currency, description, effective_at, recorded_at,
                                reverses_entry_id, hold_id, metadata, hash)
    SELECT org_id, entry_seq, entry_id, kind, currency, coalesce(description, ''), coalesce(effective_at,
    $1::timestamptz), $1,
           reverses, hold_id, metadata::jsonb, hash
    FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
                $9::uuid[], $10::uuid[], $11::text[], $12::bytea[])
         u (org_id, entry_seq, entry_id, kind, currency, description, effective_at, reverses, hold_id, metadata, hash)
    WHERE (SELECT open FROM gate)
), posting AS (
    INSERT INTO ledger_postings (org_id, entry_seq, leg, account_id, amount_minor, balance_after_minor)
    SELECT * FROM unnest($13::uuid[], $14::bigint[], $15::smallint[], $16::uuid[], $17::bigint[], $18::bigint[])
    WHERE (SELECT open FROM gate)
), wallet AS (
    UPDATE ledger_wallets w
    SET available_minor = u.available, held_minor = u.held, last_entry_at = $1
    FROM unnest($19::uuid[], $20::uuid[], $21::bigint[], $22::bigint[]) u (org_id, account_id, available, held)
    WHERE w.org_id = u.org_id AND w.account_id = u.account_id AND (SELECT open FROM gate)
        AND ($35::uuid[] IS NULL OR w.org_id = ANY($35))
), book AS (
    UPDATE ledger_books b
    SET entry_seq = u.entry_seq, chain_hash = u.hash, mark = $26, recorded_at = $1
    FROM unnest($23::uuid[], $24::bigint[], $25::bytea[]) u (org_id, entry_seq, hash)
    WHERE b.org_id = u.org_id AND (SELECT open FROM gate) AND ($35::uuid[] IS NULL OR b.org_id = ANY($35))
)"""
"""Lock the books and, if their marks are those expected and the keys are new, write everything; otherwise nothing.

The marks are read from the locked rows, so they are the last committed ones, also when the statement waited for the
lock. The keys are looked for as they were when the statement began: what was committed after that changed the marks.
$35 is the last argument of `ledger.store.READ`.
"""

_KEYS: Final = """
INSERT INTO ledger_keys (org_id, key_hash, content_hash, entry_seq, recorded_at)
SELECT *, $1::timestamptz FROM unnest($27::uuid[], $28::bytea[], $29::bytea[], $30::bigint[])
WHERE (SELECT open FROM gate)
"""

_ACCRUED: Final = """, accrued AS (
    UPDATE ledger_wallets w
    SET available_minor = u.available, held_minor = u.held, carry = u.carry, accrued_exact = w.accrued_exact + u.more,
        last_entry_at = CASE WHEN u.moved THEN $1::timestamptz ELSE w.last_entry_at END
    FROM unnest({}::uuid[], {}::uuid[], {}::bigint[], {}::bigint[], {}::numeric[], {}::numeric[], {}::boolean[])
         u (org_id, account_id, available, held, carry, more, moved)
    WHERE w.org_id = u.org_id AND w.account_id = u.account_id AND (SELECT open FROM gate)
        AND ($35::uuid[] IS NULL OR w.org_id = ANY($35))
)"""

_HOLDS: Final = """, hold AS (
    INSERT INTO ledger_holds (org_id, hold_id, account_id, amount_minor, captured_minor, remaining_minor, state,
                              description, expires_at, created_at, updated_at)
    SELECT * FROM unnest({}::uuid[], {}::uuid[], {}::uuid[], {}::bigint[], {}::bigint[], {}::bigint[], {}::text[],
                         {}::text[], {}::timestamptz[], {}::timestamptz[], {}::timestamptz[])
    WHERE (SELECT open FROM gate)
    ON CONFLICT (org_id, hold_id) DO UPDATE
    SET captured_minor = excluded.captured_minor, remaining_minor = excluded.remaining_minor, state = excluded.state,
        expires_at = excluded.expires_at, updated_at = excluded.updated_at
)"""

_REVERSALS: Final = """, reversal AS (
    INSERT INTO ledger_reversals (org_id, entry_id, reversed_minor)
    SELECT * FROM unnest({}::uuid[], {}::uuid[], {}::bigint[]) WHERE (SELECT open FROM gate)
    ON CONFLICT (org_id, entry_id) DO UPDATE SET reversed_minor = excluded.reversed_minor
)"""

_ARGUMENTS: Final = 35
"""Of what every batch writes; those of what few batches have come after them."""


async def write(
    conn: Connection,
    writes: Writes,
    books: Mapping[UUID, BookRow],
    *,
    unread: Sequence[Command] = (),
    on_shards: bool = False,
) -> bool:
    """Lock `books`, the heads that the decision was made on, and write its rows, in one statement; False and nothing if a
    book has changed since, or a key of the commands `unread`, which nobody has looked for, was used before.

    A transaction of its own, if none is open. `on_shards` is whether the tables are distributed: the books are then of one
    shard.
    """
    if not writes.keys:
        return True
    expected = expected_marks(books)
    moved = [(w.org_id, w.account_id, w.available_minor, w.held_minor) for w in writes.wallets]
    heads = [(b.org_id, b.entry_seq, b.chain_hash) for b in writes.books]
    parts, more = _more(writes)
    status = await conn.execute(
        _statement(parts),
        writes.recorded_at,
        *_entry_columns(writes.entries),
        *columns(writes.postings, 6),
        *columns(moved, 4),
        *columns(heads, 3),
        writes.mark,
        *columns(writes.keys, 4),
        list(expected),
        list(expected.values()),
        [command.org_id for command in unread],
        [command.key_hash for command in unread],
        organizations_named(expected, on_shards=on_shards),
        *more,
    )
    return status != "INSERT 0 0"


async def write_locked(
    conn: Connection, writes: Writes, books: Mapping[UUID, BookRow], *, on_shards: bool = False
) -> None:
    """`write` under a lock that is held already. Raises ConcurrentChange if somebody changed a book without taking it."""
    if not await write(conn, writes, books, on_shards=on_shards):
        raise ConcurrentChange("a book changed while it was locked")


@lru_cache
def _statement(parts: tuple[str, ...]) -> str:
    """The statement that writes a batch, with what few batches have: each combination of them is prepared once."""
    numbers = count(_ARGUMENTS + 1)
    more = [part.format(*(f"${next(numbers)}" for _ in range(part.count("{}")))) for part in parts]
    return "".join((_LOCKED, *more, _KEYS))


def _more(writes: Writes) -> tuple[tuple[str, ...], list[Sequence[Any]]]:
    """Accruals, holds and reversals: the parts of the statement that write them, and their columns."""
    parts: list[str] = []
    arguments: list[Sequence[Any]] = []
    if writes.accrued_wallets:
        parts.append(_ACCRUED)
        rows = [
            (w.org_id, w.account_id, w.available_minor, w.held_minor, w.carry, w.accrued_more, w.moved)
            for w in writes.accrued_wallets
        ]
        arguments += columns(rows, 7)
    if writes.holds:
        parts.append(_HOLDS)
        arguments += columns([_hold_columns(hold) for hold in writes.holds.values()], 11)
    if writes.reversed_minor:
        parts.append(_REVERSALS)
        arguments += columns([(*key, amount) for key, amount in writes.reversed_minor.items()], 3)
    return tuple(parts), arguments


def _entry_columns(rows: Sequence[EntryColumns]) -> list[Sequence[Any]]:
    """The columns of entries. One that no entry of the batch uses is sent empty, and read as NULL in every row."""
    return [
        column if number < _ENTRY_COLUMNS_ALWAYS or any(column) else ()
        for number, column in enumerate(columns(rows, 11))
    ]


def _hold_columns(hold: Hold) -> tuple[Any, ...]:
    return (
        hold.org_id,
        hold.hold_id,
        hold.wallet_id,
        hold.amount_minor,
        hold.captured_minor,
        hold.remaining_minor,
        hold.state,
        hold.description,
        hold.expires_at,
        hold.created_at,
        hold.updated_at,
    )
