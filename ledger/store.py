"""The statements of a batch: lock and read a `State`, write a decision's rows. Hot, hence asyncpg and arrays.

Everything takes a driver connection with an open transaction and never commits. Rows travel as one array a column and are
joined to the tables by `unnest`, so that a batch of a thousand is a handful of statements.
"""

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import asyncpg

from ledger.accounts import Account, AccountKind
from ledger.commands import Command
from ledger.model import (
    CaptureHold,
    ExpireHold,
    ExtendHold,
    HoldState,
    Leg,
    ReleaseHold,
    Reversal,
)
from ledger.state import (
    BookRow,
    Hold,
    KnownKey,
    Original,
    State,
    Wallet,
)

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

PLANNER_SETTINGS: Final = (
    "enable_seqscan",
    "enable_hashjoin",
    "enable_mergejoin",
    "enable_bitmapscan",
)
"""Switched off while these statements are planned: every one is a walk along an index, and a plan that is made while a
table is empty and kept in the connection would otherwise scan the table for as long as the connection lives."""

_READS_MORE: Final = frozenset({CaptureHold, ReleaseHold, ExpireHold, ExtendHold, Reversal})

ACCOUNTS_CACHED_MAX: Final = 200_000

_LOCK_BOOKS: Final = """
SELECT 1 FROM ledger_books WHERE org_id = ANY($1::uuid[]) ORDER BY org_id FOR NO KEY UPDATE
"""

PREPARE_LOCK: Final = """
PREPARE ledger_lock (uuid[], bigint[]) AS
WITH locked AS (
    SELECT org_id, mark FROM ledger_books WHERE org_id = ANY($1) ORDER BY org_id FOR NO KEY UPDATE
)
SELECT 1 FROM (SELECT array_agg(mark ORDER BY org_id) AS marks FROM locked) l WHERE marks = $2
"""
"""Run once on a connection whose transactions `begin` shall open: locks books, one row if their marks are as expected."""

_READ_ACCOUNTS: Final = """
SELECT a.org_id, a.account_id, a.kind, a.currency, a.wallet_id
FROM unnest($1::uuid[], $2::uuid[]) u (org_id, account_id), LATERAL (
    SELECT * FROM ledger_accounts a WHERE a.org_id = u.org_id AND a.account_id = u.account_id
        AND ($3::uuid[] IS NULL OR a.org_id = ANY($3)) OFFSET 0
) a
"""

READ: Final = """
SELECT 0, b.org_id, NULL::uuid, b.entry_seq, b.mark, NULL::numeric, NULL::boolean, b.chain_hash, NULL::bytea,
       b.recorded_at, NULL::uuid
FROM ledger_books b WHERE b.org_id = ANY($1::uuid[])
UNION ALL
SELECT 1, w.org_id, w.account_id, w.available_minor, w.held_minor, w.carry, w.closed_at IS NOT NULL, NULL, NULL, NULL,
NULL FROM unnest($2::uuid[], $3::uuid[]) u (org_id, account_id), LATERAL (
    SELECT * FROM ledger_wallets w WHERE w.org_id = u.org_id AND w.account_id = u.account_id
        AND ($6::uuid[] IS NULL OR w.org_id = ANY($6)) OFFSET 0
) w
UNION ALL
SELECT 2, k.org_id, e.entry_id, k.entry_seq, NULL, NULL, NULL, k.content_hash, k.key_hash, NULL, e.hold_id
FROM unnest($4::uuid[], $5::bytea[]) u (org_id, key_hash), LATERAL (
    SELECT * FROM ledger_keys k WHERE k.org_id = u.org_id AND k.key_hash = u.key_hash
        AND ($6::uuid[] IS NULL OR k.org_id = ANY($6)) OFFSET 0
) k
LEFT JOIN LATERAL (
    SELECT * FROM ledger_entries e WHERE e.org_id = k.org_id AND e.entry_seq >= k.entry_seq
        AND ($6::uuid[] IS NULL OR e.org_id = ANY($6))
    ORDER BY e.entry_seq LIMIT 1
) e ON e.entry_seq = k.entry_seq
"""
"""Books, wallets and used keys in one go, told apart by the first column.

OFFSET 0 keeps the planner from turning a lookup around, which it would do for a table that is empty when the plan is
made: walk the whole of it once and compare. The plan is kept, and the table grows. ORDER BY keeps it from the other
index of entries.

The last argument of these statements is NULL on one server. Where tables are distributed it has the organizations once
more, all of one shard (`organizations_named`): the coordinator has to see values beside each table to know where to ask,
and does not look for them in what the table is joined to.
"""

_READ_HOLDS: Final = """
SELECT h.org_id, h.hold_id, h.account_id, h.amount_minor, h.captured_minor, h.remaining_minor, h.state, h.expires_at,
       h.description, h.created_at, h.updated_at
FROM unnest($1::uuid[], $2::uuid[]) u (org_id, hold_id), LATERAL (
    SELECT * FROM ledger_holds h WHERE h.org_id = u.org_id AND h.hold_id = u.hold_id
        AND ($3::uuid[] IS NULL OR h.org_id = ANY($3)) OFFSET 0
) h
"""

READ_ORIGINALS: Final = """
SELECT e.org_id, e.entry_id, e.currency, p.account_id, p.amount_minor, coalesce(r.reversed_minor, 0)
FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::uuid[])) u (org_id, entry_id), LATERAL (
    SELECT * FROM ledger_entries e WHERE e.org_id = u.org_id AND e.entry_id >= u.entry_id
        AND ($3::uuid[] IS NULL OR e.org_id = ANY($3)) ORDER BY e.entry_id LIMIT 1
) e, LATERAL (
    SELECT * FROM ledger_postings p WHERE p.org_id = e.org_id AND p.entry_seq = e.entry_seq
        AND ($3::uuid[] IS NULL OR p.org_id = ANY($3)) ORDER BY p.leg OFFSET 0
) p
LEFT JOIN LATERAL (
    SELECT * FROM ledger_reversals r WHERE r.org_id = e.org_id AND r.entry_id = e.entry_id
        AND ($3::uuid[] IS NULL OR r.org_id = ANY($3)) OFFSET 0
) r ON true
WHERE e.entry_id = u.entry_id
ORDER BY e.org_id, e.entry_seq, p.leg
"""


class Directory:
    """Accounts seen so far. They never change, so they are read once; committed ones only may be added."""

    def __init__(self) -> None:
        self.accounts: dict[UUID, Account] = {}

    def add(self, accounts: dict[UUID, Account]) -> None:
        """Remember accounts; when too many are remembered, all are forgotten and read again."""
        if len(self.accounts) + len(accounts) > ACCOUNTS_CACHED_MAX:
            # Not cleared: batches at work look into the one that they have begun with.
            self.accounts = {}
        self.accounts.update(accounts)


async def begin(conn: Connection, commands: Sequence[Command], books: Mapping[UUID, BookRow] | None) -> bool:
    """Open a transaction and lock the books in one round trip, on a connection that has run `PREPARE_LOCK`.

    Whether `books`, the heads that something was decided on, are still the same; False if nothing was decided yet.
    """
    org_ids = (command.org_id for command in commands)
    expected = dict.fromkeys(org_ids, 0) if books is None else expected_marks(books)
    names, marks = (",".join(map(str, values)) for values in (expected, expected.values()))
    status = await conn.execute(f"BEGIN; EXECUTE ledger_lock ('{{{names}}}', '{{{marks}}}')")
    return books is not None and status == "SELECT 1"


def expected_marks(books: Mapping[UUID, BookRow]) -> dict[UUID, int]:
    """The marks of the books, in the order in which the database compares their ids."""
    return {org_id: books[org_id].mark for org_id in sorted(books, key=_bytes_of)}


def _bytes_of(org_id: UUID) -> bytes:
    return org_id.bytes


def organizations_named(org_ids: Iterable[UUID], *, on_shards: bool) -> list[UUID] | None:
    """What statements are given as their last argument: see `READ`."""
    return list(set(org_ids)) if on_shards else None


async def lock(conn: Connection, commands: Sequence[Command]) -> None:
    """Lock the books of the commands' organizations, in the order of their ids, until the transaction ends."""
    await conn.fetch(_LOCK_BOOKS, list({command.org_id for command in commands}))


def reads_at_once(commands: Sequence[Command]) -> bool:
    """Whether one statement reads all that can change, so that it is of one moment with the marks of the books."""
    return _READS_MORE.isdisjoint([type(command.request) for command in commands])


async def read_state(
    conn: Connection, commands: Sequence[Command], directory: Directory, *, on_shards: bool = False
) -> tuple[State, dict[UUID, Account]]:
    """Read all that deciding needs: under the lock of the books, taken by an earlier statement, or before it.

    Before it, what was read still holds under the lock if the books' marks do, except for holds and originals, which are
    read by statements of their own: see `reads_at_once`. `on_shards` is whether the tables are distributed: then the
    commands are of one shard, and wallets of organizations that no command is of are not read, which none may post to
    anyway. Also returns the accounts that the directory did not know: the caller adds them once they are known to be
    committed.
    """
    named: set[UUID] = set()
    org_ids: list[UUID] = []
    key_hashes: list[bytes] = []
    for command in commands:
        org_id = command.org_id
        org_ids.append(org_id)
        key_hashes.append(command.key_hash)
        named.update(command.account_ids)
    orgs = organizations_named(org_ids, on_shards=on_shards)
    holds: dict[UUID, Hold] = {}
    originals: dict[UUID, Original] = {}
    if not reads_at_once(commands):
        holds = await _read_holds(conn, commands, orgs)
        originals = await _read_originals(conn, commands, orgs)
        named.update(hold.wallet_id for hold in holds.values())
        named.update(leg.account_id for original in originals.values() for leg in original.legs)
    known = directory.accounts
    unseen = named.difference(known)
    fresh = await _read_accounts(conn, _owned(unseen, commands, holds, originals), orgs) if unseen else {}
    accounts = ChainMap(fresh, known) if fresh else known
    wallet_orgs = {
        account.wallet_id: account.org_id
        for account_id in named
        if (account := accounts.get(account_id)) is not None and account.wallet_id is not None
    }
    rows = await conn.fetch(
        READ,
        list(set(org_ids)),
        list(wallet_orgs.values()),
        list(wallet_orgs),
        org_ids,
        key_hashes,
        orgs,
    )
    books: dict[UUID, BookRow] = {}
    wallets: dict[UUID, Wallet] = {}
    keys: dict[bytes, KnownKey] = {}
    for row in rows:
        what = row[0]
        if what == 0:
            books[row[1]] = BookRow(row[3], row[7], row[4], row[9])
        elif what == 1:
            wallets[row[2]] = Wallet(row[1], row[2], row[3], row[4], row[5], row[6])
        else:
            keys[row[1].bytes + row[8]] = KnownKey(row[7], row[2], row[3], row[10])
    return State(books, accounts, wallets, keys, holds, originals), fresh


def columns(rows: Sequence[tuple[Any, ...]], count: int) -> Iterable[Sequence[Any]]:
    """Rows turned into `count` columns, also when there is no row."""
    return zip(*rows, strict=True) if rows else ((),) * count


async def _read_holds(conn: Connection, commands: Sequence[Command], orgs: Sequence[UUID] | None) -> dict[UUID, Hold]:
    wanted = [
        (command.org_id, command.request.hold_id)
        for command in commands
        if isinstance(command.request, CaptureHold | ReleaseHold | ExpireHold | ExtendHold)
    ]
    if not wanted:
        return {}
    rows = await conn.fetch(_READ_HOLDS, *columns(wanted, 2), orgs)
    return {row[1]: _hold(row) for row in rows}


async def _read_originals(
    conn: Connection, commands: Sequence[Command], orgs: Sequence[UUID] | None
) -> dict[UUID, Original]:
    wanted = [
        (command.org_id, command.request.original_entry_id)
        for command in commands
        if isinstance(command.request, Reversal)
    ]
    if not wanted:
        return {}
    found: dict[UUID, Original] = {}
    for row in await conn.fetch(READ_ORIGINALS, *columns(wanted, 2), orgs):
        earlier = found.get(row[1])
        legs = () if earlier is None else earlier.legs
        found[row[1]] = Original(row[0], row[1], row[2], (*legs, Leg(row[3], row[4])), row[5])
    return found


def _owned(
    account_ids: Set[UUID],
    commands: Sequence[Command],
    holds: Mapping[UUID, Hold],
    originals: Mapping[UUID, Original],
) -> list[tuple[UUID, UUID]]:
    """The accounts, each with every organization for which it is asked: several may name one, and it is one's."""
    owned = {(account_id, command.org_id) for command in commands for account_id in command.account_ids}
    owned.update((hold.wallet_id, hold.org_id) for hold in holds.values())
    owned.update((leg.account_id, original.org_id) for original in originals.values() for leg in original.legs)
    return [pair for pair in owned if pair[0] in account_ids]


async def _read_accounts(
    conn: Connection, wanted: Sequence[tuple[UUID, UUID]], orgs: Sequence[UUID] | None
) -> dict[UUID, Account]:
    rows = await conn.fetch(_READ_ACCOUNTS, [org for _, org in wanted], [account for account, _ in wanted], orgs)
    return {row[1]: Account(row[0], row[1], AccountKind(row[2]), row[3], row[4]) for row in rows}


def _hold(row: asyncpg.Record) -> Hold:
    return Hold(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        row[5],
        HoldState(row[6]),
        row[7],
        row[8],
        row[9],
        row[10],
    )
