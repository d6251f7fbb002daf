"""Reading the ledger: balances now and at any time, statements, totals, entries and holds.

Every function takes a connection and only reads; give it one snapshot (REPEATABLE READ) when several answers must agree.
Times select by `recorded_at`, which never decreases along the journal: what a statement of a past period says does not
change when something is recorded later, even if it happened in that period (`effective_at` is shown, not selected by).
Periods are half-open [start, end). Pages are keyset pages over entry numbers.

Amounts have the sign that the account's owner sees: of a wallet, credits are positive; of an account whose normal side
is debit, debits are. A wallet is read together with its holds account, so opening or releasing a hold does not move its
balance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.accounts import NORMAL_SIDE, Account, AccountKind, Side, holds_account_id
from ledger.hold_queries import HoldView, due_holds, get_hold, list_holds
from ledger.ids import from_bytes, ordered_id, unix_us
from ledger.journal import JournalEntry, entries_by_seq, get_entry, list_entries, page_size
from ledger.model import EntryKind
from ledger.spending import spend
from ledger.tables import accounts, entries, postings, wallets

__all__ = [
    "BalanceAt",
    "HoldView",
    "JournalEntry",
    "KindTotal",
    "StatementLine",
    "StatementPage",
    "WalletBalance",
    "balance",
    "balance_at",
    "due_holds",
    "get_entry",
    "get_hold",
    "list_entries",
    "list_holds",
    "period_totals",
    "spend",
    "statement",
]


@dataclass(frozen=True, slots=True)
class WalletBalance:
    """A wallet now. `carry` is exact cost in [0, 1) minor units, not yet debited; `accrued_exact` all there ever was."""

    org_id: UUID
    wallet_id: UUID
    currency: str
    available_minor: int
    held_minor: int
    carry: Decimal
    accrued_exact: Decimal
    last_entry_at: datetime | None
    closed_at: datetime | None

    @property
    def balance_minor(self) -> int:
        """What the customer has: available and held."""
        return self.available_minor + self.held_minor


@dataclass(frozen=True, slots=True)
class BalanceAt:
    """A wallet as it was. For an account of the chart all is `available_minor`."""

    available_minor: int
    held_minor: int

    @property
    def balance_minor(self) -> int:
        """Available and held."""
        return self.available_minor + self.held_minor


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement. `balance_minor` is after it."""

    entry: JournalEntry
    amount_minor: int
    balance_minor: int


@dataclass(frozen=True, slots=True)
class StatementPage:
    """Part of a statement: opening_minor + the amounts of all pages of the period = closing_minor.

    `next_after_seq` continues it; None at the end. A page may have fewer lines than asked for and still have a next one.
    """

    currency: str
    opening_minor: int
    closing_minor: int
    lines: tuple[StatementLine, ...]
    next_after_seq: int | None


@dataclass(frozen=True, slots=True)
class KindTotal:
    """What one kind of entry debited and credited an account in a period; both are >= 0."""

    kind: EntryKind
    entry_count: int
    debit_minor: int
    credit_minor: int


async def balance(conn: AsyncConnection, org_id: UUID, wallet_id: UUID) -> WalletBalance | None:
    """The live row of a wallet, or None if the organization has no such wallet."""
    columns = wallets.c
    row = (
        await conn.execute(
            select(
                columns.org_id,
                columns.account_id,
                columns.currency,
                columns.available_minor,
                columns.held_minor,
                columns.carry,
                columns.accrued_exact,
                columns.last_entry_at,
                columns.closed_at,
            ).where(columns.org_id == org_id, columns.account_id == wallet_id)
        )
    ).one_or_none()
    return None if row is None else WalletBalance(*row)


async def balance_at(conn: AsyncConnection, org_id: UUID, account_id: UUID, at: datetime) -> BalanceAt | None:
    """The account after everything recorded at or before `at`; None if the organization has no such account."""
    account = await _account(conn, org_id, account_id)
    if account is None:
        return None
    last_seq = await _seq_at(conn, org_id, at, inclusive=True)
    own = await _balance_at_seq(conn, account, last_seq)
    if account.kind is not AccountKind.WALLET:
        return BalanceAt(own, 0)
    return BalanceAt(own, await _balance_at_seq(conn, _holds_beside(account), last_seq))


async def statement(
    conn: AsyncConnection,
    org_id: UUID,
    account_id: UUID,
    *,
    start: datetime,
    end: datetime,
    after_seq: int | None = None,
    limit: int = 100,
) -> StatementPage | None:
    """One page of the movements of [start, end), oldest first; None if the organization has no such account.

    `limit` is at most 1000. Opening and closing are those of the whole period on every page.
    """
    account = await _account(conn, org_id, account_id)
    if account is None:
        return None
    size = page_size(limit)
    parts = [account]
    if account.kind is AccountKind.WALLET:
        parts.append(_holds_beside(account))
    first = await _seq_at(conn, org_id, start, inclusive=False)
    last = max(first, await _seq_at(conn, org_id, end, inclusive=False))
    after = first if after_seq is None else max(first, after_seq)
    opening = sum([await _balance_at_seq(conn, part, first) for part in parts])
    closing = sum([await _balance_at_seq(conn, part, last) for part in parts])
    running = sum([await _balance_at_seq(conn, part, after) for part in parts])
    # One more than the page holds tells whether there is a next one.
    found_moves = await _moves(conn, parts, after=after, last=last, limit=size + 1)
    moves = found_moves[:size]
    found = await entries_by_seq(conn, org_id, [seq for seq, amount in moves if amount])
    lines: list[StatementLine] = []
    for seq, amount in moves:
        running += amount
        if amount:
            lines.append(StatementLine(found[seq], amount, running))
    following = moves[-1][0] if len(found_moves) > size else None
    return StatementPage(account.currency, opening, closing, tuple(lines), following)


async def period_totals(
    conn: AsyncConnection, org_id: UUID, account_id: UUID, *, start: datetime, end: datetime
) -> list[KindTotal] | None:
    """Debits and credits of the account itself in [start, end), by kind of entry; None if there is no such account."""
    if await _account(conn, org_id, account_id) is None:
        return None
    first = await _seq_at(conn, org_id, start, inclusive=False)
    last = await _seq_at(conn, org_id, end, inclusive=False)
    amount = postings.c.amount_minor
    rows = await conn.execute(
        select(
            entries.c.kind,
            func.count(entries.c.entry_seq.distinct()),
            func.coalesce(func.sum(amount).filter(amount > 0), 0),
            func.coalesce(-func.sum(amount).filter(amount < 0), 0),
        )
        .join_from(
            postings,
            entries,
            (entries.c.org_id == postings.c.org_id) & (entries.c.entry_seq == postings.c.entry_seq),
        )
        .where(
            postings.c.org_id == org_id,
            postings.c.account_id == account_id,
            postings.c.entry_seq > first,
            postings.c.entry_seq <= last,
        )
        .group_by(entries.c.kind)
        .order_by(entries.c.kind)
    )
    return [KindTotal(EntryKind(row[0]), row[1], int(row[2]), int(row[3])) for row in rows]


def _holds_beside(wallet: Account) -> Account:
    return Account(
        wallet.org_id,
        holds_account_id(wallet.account_id),
        AccountKind.HOLDS,
        wallet.currency,
        wallet.account_id,
    )


async def _account(conn: AsyncConnection, org_id: UUID, account_id: UUID) -> Account | None:
    columns = accounts.c
    row = (
        await conn.execute(
            select(columns.kind, columns.currency, columns.wallet_id).where(
                columns.org_id == org_id, columns.account_id == account_id
            )
        )
    ).one_or_none()
    if row is None:
        return None
    return Account(org_id, account_id, AccountKind(row.kind), row.currency, row.wallet_id)


async def _seq_at(conn: AsyncConnection, org_id: UUID, at: datetime, *, inclusive: bool) -> int:
    """The number of the last entry recorded before `at`, or at it if inclusive; 0 if there is none.

    Entry ids grow with the millisecond of recording and then with the number, so their index finds it at once.
    """
    above = from_bytes(ordered_id(unix_us(at) // 1000 + 1, 0, bytes(4)))
    column = entries.c.recorded_at
    row = await conn.execute(
        select(entries.c.entry_seq)
        .where(
            entries.c.org_id == org_id,
            entries.c.entry_id < above,
            column <= at if inclusive else column < at,
        )
        .order_by(entries.c.entry_id.desc())
        .limit(1)
    )
    return row.scalar_one_or_none() or 0


async def _balance_at_seq(conn: AsyncConnection, account: Account, seq: int) -> int:
    """The account after entry `seq`, in its own sign: read where a running balance is kept, else added up."""
    columns = postings.c
    mine = (columns.org_id == account.org_id) & (columns.account_id == account.account_id) & (columns.entry_seq <= seq)
    if account.wallet_id is not None:
        query = (
            select(columns.balance_after_minor)
            .where(mine)
            .order_by(columns.entry_seq.desc(), columns.leg.desc())
            .limit(1)
        )
        return (await conn.execute(query)).scalar_one_or_none() or 0
    total = (await conn.execute(select(func.sum(columns.amount_minor)).where(mine))).scalar_one()
    return _own_sign(account) * int(total or 0)


def _own_sign(account: Account) -> int:
    return 1 if NORMAL_SIDE[account.kind] is Side.DEBIT else -1


async def _moves(
    conn: AsyncConnection, parts: Sequence[Account], *, after: int, last: int, limit: int
) -> list[tuple[int, int]]:
    """The first `limit` entries of (after, last] that touch the accounts, with their net amount in the accounts' sign."""
    columns = postings.c
    per_account = [
        select(columns.entry_seq, func.sum(columns.amount_minor).label("amount"))
        .where(
            columns.org_id == part.org_id,
            columns.account_id == part.account_id,
            columns.entry_seq > after,
            columns.entry_seq <= last,
        )
        .group_by(columns.entry_seq)
        .order_by(columns.entry_seq)
        .limit(limit)
        .subquery()
        for part in parts
    ]
    together = union_all(*(select(part) for part in per_account)).subquery()
    rows = await conn.execute(
        select(together.c.entry_seq, func.sum(together.c.amount))
        .group_by(together.c.entry_seq)
        .order_by(together.c.entry_seq)
        .limit(limit)
    )
    sign = _own_sign(parts[0])
    return [(row[0], sign * int(row[1])) for row in rows]
