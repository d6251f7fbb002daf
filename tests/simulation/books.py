"""The ledger as it is after each step, read entry by entry and believed in nothing.

`Books.read` takes what was written since it read last, holds it against every law of the journal, and adds it up. So the
laws are checked after each step at the cost of that step. The ledger's own audit, which reads everything, runs beside it
now and then, and shares no code with this but the hash of an entry.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import asyncpg

from ledger.accounts import CHART_KINDS, AccountKind, chart_account_id, holds_account_id
from ledger.chain import encode_text, entry_hash, genesis
from ledger.ids import unix_us
from wallet_service.accounts.model import Wallet


class Broken(AssertionError):
    """A law that does not hold, or an answer that must not be."""


@dataclass(slots=True)
class Book:
    """What the journal of one organization adds up to. Amounts in minor units; of the wallet, credit positive.

    tally: the change of available and held together, by purpose. arrived: by (provider, payment). taken: by the claim's
    reference, what is away now. spends: (recorded_at, amount) of all that went to revenue. debt: of the receivable account.
    shape: a hash of all entries without their ids, in the order of the steps, which tells whether two runs were the same.
    Of entries of one step neither the order counts, nor into how many its usage was put: both are the machine's.
    """

    wallet: Wallet
    seq: int = 0
    head: bytes = b""
    recorded_at: datetime | None = None
    available: int = 0
    held: int = 0
    tally: Counter[str] = field(default_factory=Counter[str])
    arrived: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    taken: Counter[str] = field(default_factory=Counter[str])
    spends: list[tuple[datetime, int]] = field(default_factory=list[tuple[datetime, int]])
    shape: bytes = b""
    moved: Counter[tuple[Any, ...]] = field(default_factory=Counter[tuple[Any, ...]])
    debt: int = 0
    fees: int = 0
    event_seq: int = 0
    event_ids: set[UUID] = field(default_factory=set[UUID])
    kinds: Mapping[UUID, AccountKind] = field(default_factory=dict[UUID, AccountKind])

    def __post_init__(self) -> None:
        wallet = self.wallet
        self.head = genesis(wallet.org_id)
        chart = {chart_account_id(wallet.org_id, wallet.currency, kind): kind for kind in CHART_KINDS}
        self.kinds = {
            **chart,
            wallet.account_id: AccountKind.WALLET,
            holds_account_id(wallet.account_id): AccountKind.HOLDS,
        }

    def end_step(self) -> None:
        if self.moved:
            self.shape = sha256(self.shape + repr(sorted(map(repr, self.moved.items()))).encode()).digest()
            self.moved.clear()

    def spent_since(self, start: datetime) -> int:
        """What went to revenue from `start` on."""
        total = 0
        for recorded_at, amount in reversed(self.spends):
            if recorded_at < start:
                break
            total += amount
        return total


@dataclass(frozen=True, slots=True)
class Live:
    """The row that the service keeps of a wallet."""

    available: int
    held: int
    carry: Decimal
    accrued_exact: Decimal


_SETTINGS: Final = (
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;"
    "SET plan_cache_mode = force_generic_plan"
)
_ENTRIES: Final = """
    SELECT e.org_id, e.entry_seq, e.entry_id, e.kind, e.currency, e.description, e.effective_at, e.recorded_at,
           e.reverses_entry_id, e.hold_id, e.metadata::text AS metadata, e.hash,
           array(SELECT p.account_id FROM ledger_postings p
                 WHERE p.org_id = e.org_id AND p.entry_seq = e.entry_seq ORDER BY p.leg) AS accounts,
           array(SELECT p.amount_minor FROM ledger_postings p
                 WHERE p.org_id = e.org_id AND p.entry_seq = e.entry_seq ORDER BY p.leg) AS amounts,
           array(SELECT p.balance_after_minor FROM ledger_postings p
                 WHERE p.org_id = e.org_id AND p.entry_seq = e.entry_seq ORDER BY p.leg) AS balances
    FROM unnest($1::uuid[], $2::bigint[]) AS known(org_id, seq)
    JOIN ledger_entries e ON e.org_id = known.org_id AND e.entry_seq > known.seq
    ORDER BY e.org_id, e.entry_seq
"""
_HEADS: Final = """
    SELECT b.org_id, b.entry_seq, b.chain_hash, w.available_minor, w.held_minor, w.carry, w.accrued_exact,
           coalesce(h.seq, 0) AS event_seq
    FROM unnest($1::uuid[], $2::uuid[]) AS known(org_id, account_id)
    JOIN ledger_books b ON b.org_id = known.org_id
    JOIN ledger_wallets w ON w.org_id = known.org_id AND w.account_id = known.account_id
    LEFT JOIN event_heads h ON h.org_id = known.org_id
"""
_EVENTS: Final = """
    SELECT e.org_id, e.seq, e.event_id, e.type
    FROM unnest($1::uuid[], $2::bigint[]) AS known(org_id, seq)
    JOIN events e ON e.org_id = known.org_id AND e.seq > known.seq
    ORDER BY e.org_id, e.seq
"""


class Books:
    """The books of all organizations of a run, over a connection of its own."""

    def __init__(self, conn: "asyncpg.Connection[asyncpg.Record]", wallets: Iterable[Wallet]) -> None:
        self._conn = conn
        self.by_org = {wallet.org_id: Book(wallet) for wallet in wallets}
        self.entry_count = 0
        self.event_types: Counter[str] = Counter()

    @staticmethod
    async def prepare(conn: "asyncpg.Connection[asyncpg.Record]") -> None:
        await conn.execute(_SETTINGS)

    async def read(self) -> dict[UUID, Live]:
        """Read on, and check; what the service has of each wallet. Raises Broken."""
        books = list(self.by_org.values())
        ids = [book.wallet.org_id for book in books]
        heads = await self._conn.fetch(_HEADS, ids, [book.wallet.account_id for book in books])
        if any(head["entry_seq"] != self.by_org[head["org_id"]].seq for head in heads):
            for row in await self._conn.fetch(_ENTRIES, ids, [book.seq for book in books]):
                self._enter(self.by_org[row["org_id"]], row)
            for book in books:
                book.end_step()
        if any(head["event_seq"] != self.by_org[head["org_id"]].event_seq for head in heads):
            for row in await self._conn.fetch(_EVENTS, ids, [book.event_seq for book in books]):
                self._note(self.by_org[row["org_id"]], row)
        for head in heads:
            book = self.by_org[head["org_id"]]
            _same("head of the book", (head["entry_seq"], head["chain_hash"]), (book.seq, book.head), book)
            _same("head of the events", head["event_seq"], book.event_seq, book)
            live = (head["available_minor"], head["held_minor"])
            _same("live balance and sum of postings", live, (book.available, book.held), book)
        return {
            head["org_id"]: Live(head["available_minor"], head["held_minor"], head["carry"], head["accrued_exact"])
            for head in heads
        }

    def _note(self, book: Book, row: asyncpg.Record) -> None:
        _same("numbers of events", row["seq"], book.event_seq + 1, book)
        if row["event_id"] in book.event_ids:
            raise Broken(f"{book.wallet.org_slug}: event {row['seq']} has the id of another")
        book.event_seq += 1
        book.event_ids.add(row["event_id"])
        self.event_types[row["type"]] += 1

    def _enter(self, book: Book, row: asyncpg.Record) -> None:
        self.entry_count += 1
        metadata = _metadata(row)
        legs = list(zip(row["accounts"], row["amounts"], row["balances"], strict=True))
        _same("numbers of entries", row["entry_seq"], book.seq + 1, book)
        _same("sum of an entry", sum(amount for _, amount, _ in legs), 0, book)
        if len(legs) < 2 or any(account not in book.kinds for account, _, _ in legs):
            raise Broken(f"{book.wallet.org_slug}: entry {row['entry_seq']} has legs of {legs}")
        if book.recorded_at is not None and row["recorded_at"] < book.recorded_at:
            raise Broken(f"{book.wallet.org_slug}: entry {row['entry_seq']} was recorded before the one before it")
        book.seq, book.recorded_at = row["entry_seq"], row["recorded_at"]
        book.head = _hash(book.head, row, [(account, amount) for account, amount, _ in legs], metadata)
        _same(f"hash of entry {book.seq}", row["hash"], book.head, book)
        if row["kind"] == "accrual":
            book.moved.update(
                {("accrual", row["recorded_at"], book.kinds[account]): amount for account, amount, _ in legs}
            )
        else:
            moves = tuple((book.kinds[account], amount) for account, amount, _ in legs)
            book.moved[row["kind"], row["recorded_at"], moves] += 1
        _post(book, row["kind"], legs)
        _add_up(book, row, legs, metadata)


def _post(book: Book, kind: str, legs: list[tuple[UUID, int, int | None]]) -> None:
    """Running balances, and the floor: nothing but usage takes a wallet below zero."""
    before = book.available
    for account, amount, balance in legs:
        of = book.kinds[account]
        if of is AccountKind.WALLET:
            book.available -= amount
            _same("running balance", balance, book.available, book)
        elif of is AccountKind.HOLDS:
            book.held -= amount
            _same("running balance of holds", balance, book.held, book)
        elif of is AccountKind.RECEIVABLE:
            book.debt += amount
        elif of is AccountKind.FEES:
            book.fees += amount
    if kind != "accrual" and book.available < min(before, 0):
        raise Broken(f"{book.wallet.org_slug}: a {kind} took the wallet from {before} to {book.available}")
    if book.held < 0:
        raise Broken(f"{book.wallet.org_slug}: {book.held} held")


def _add_up(book: Book, row: asyncpg.Record, legs: list[tuple[UUID, int, Any]], metadata: Mapping[str, str]) -> None:
    wallet = (AccountKind.WALLET, AccountKind.HOLDS)
    change = -sum(amount for account, amount, _ in legs if book.kinds[account] in wallet)
    revenue = -sum(amount for account, amount, _ in legs if book.kinds[account] is AccountKind.REVENUE)
    purpose = metadata.get("purpose", row["kind"])
    book.tally[purpose] += change
    if revenue:
        book.spends.append((row["recorded_at"], revenue))
    clearing = sum(amount for account, amount, _ in legs if book.kinds[account] is AccountKind.PROVIDER_CLEARING)
    if purpose == "top_up":
        book.arrived[metadata["provider"], metadata["external_id"]] += clearing
    elif purpose in ("refund", "dispute"):
        book.taken[metadata[purpose]] -= clearing


def _hash(previous: bytes, row: asyncpg.Record, legs: list[tuple[UUID, int]], metadata: Mapping[str, str]) -> bytes:
    reverses, hold_id = row["reverses_entry_id"], row["hold_id"]
    return entry_hash(
        previous,
        entry_seq=row["entry_seq"],
        entry_id=row["entry_id"].bytes,
        effective_us=unix_us(row["effective_at"]),
        recorded_us=unix_us(row["recorded_at"]),
        reverses=None if reverses is None else reverses.bytes,
        hold_id=None if hold_id is None else hold_id.bytes,
        kind=row["kind"],
        currency=row["currency"],
        legs=[(account.bytes, amount) for account, amount in legs],
        text=encode_text(row["description"], metadata),
    )


def _metadata(row: asyncpg.Record) -> dict[str, str]:
    return {} if row["metadata"] is None else json.loads(row["metadata"])


def _same(what: str, found: object, expected: object, book: Book) -> None:
    if found != expected:
        raise Broken(f"{book.wallet.org_slug}, entry {book.seq}: {what}: {found!r}, expected {expected!r}")
