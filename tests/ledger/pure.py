"""A ledger in memory around the real `decide`: it keeps the rows that a decision writes and reads the state from them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from ledger.accounts import CHART_KINDS, Account, AccountKind, chart_account_id, holds_account_id
from ledger.chain import genesis
from ledger.commands import prepare
from ledger.ids import new_id
from ledger.model import Leg, Outcome, Request
from ledger.posting import decide
from ledger.state import BookRow, EntryColumns, Hold, KnownKey, Original, PostingColumns, State, Wallet, Writes

START = datetime(2026, 1, 1, tzinfo=UTC)


class PureLedger:
    """Rows of any number of organizations; `now` stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = START
        self.accounts: dict[UUID, Account] = {}
        self.books: dict[UUID, BookRow] = {}
        self.wallets: dict[UUID, Wallet] = {}
        self.accrued: dict[UUID, Decimal] = {}
        self.keys: dict[bytes, KnownKey] = {}
        self.holds: dict[UUID, Hold] = {}
        self.entries: list[EntryColumns] = []
        self.postings: list[PostingColumns] = []
        self.reversed: dict[UUID, int] = {}

    def open_chart(self, org_id: UUID, currency: str) -> None:
        self.books.setdefault(org_id, BookRow(0, genesis(org_id), 0, self.now))
        for kind in CHART_KINDS:
            account_id = chart_account_id(org_id, currency, kind)
            self.accounts[account_id] = Account(org_id, account_id, kind, currency, None)

    def open_wallet(self, org_id: UUID, currency: str = "USD") -> UUID:
        self.open_chart(org_id, currency)
        wallet_id = new_id(self.now)
        holds_id = holds_account_id(wallet_id)
        self.accounts[wallet_id] = Account(org_id, wallet_id, AccountKind.WALLET, currency, wallet_id)
        self.accounts[holds_id] = Account(org_id, holds_id, AccountKind.HOLDS, currency, wallet_id)
        self.wallets[wallet_id] = Wallet(org_id, wallet_id, 0, 0, Decimal(0), False)
        self.accrued[wallet_id] = Decimal(0)
        return wallet_id

    def close_wallet(self, wallet_id: UUID) -> None:
        self.wallets[wallet_id].closed = True

    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def state(self) -> State:
        return State(self.books, self.accounts, self.wallets, self.keys, self.holds, self._originals())

    def post(self, *requests: Request) -> list[Outcome]:
        """Decide the requests as one batch and keep what it writes."""
        decision = decide([prepare(request) for request in requests], self.state(), self.now, mark=len(self.entries))
        self._apply(decision.writes)
        return decision.outcomes

    def balance(self, account_id: UUID) -> int:
        """Credit minus debit of an account, added up from its postings."""
        return -sum(row[4] for row in self.postings if row[3] == account_id)

    def legs(self, entry_seq: int) -> list[tuple[UUID, int]]:
        return [(row[3], row[4]) for row in self.postings if row[1] == entry_seq]

    def _originals(self) -> Mapping[UUID, Original]:
        return {
            row[2]: Original(
                row[0],
                row[2],
                row[4],
                tuple(Leg(*leg) for leg in self._legs_of(row[0], row[1])),
                self.reversed.get(row[2], 0),
            )
            for row in self.entries
        }

    def _legs_of(self, org_id: UUID, entry_seq: int) -> Sequence[tuple[UUID, int]]:
        return [(row[3], row[4]) for row in self.postings if row[0] == org_id and row[1] == entry_seq]

    def _apply(self, writes: Writes) -> None:
        self.entries += writes.entries
        self.postings += writes.postings
        for book in writes.books:
            self.books[book.org_id] = BookRow(book.entry_seq, book.chain_hash, writes.mark, writes.recorded_at)
        for wallet in writes.wallets + writes.accrued_wallets:
            self.accrued[wallet.account_id] += wallet.accrued_more or 0
            self.wallets[wallet.account_id] = Wallet(
                wallet.org_id,
                wallet.account_id,
                wallet.available_minor,
                wallet.held_minor,
                wallet.carry,
                wallet.closed,
            )
        entry_ids = {(row[0], row[1]): row for row in self.entries}
        for org_id, key_hash, content_hash, entry_seq in writes.keys:
            entry = None if entry_seq is None else entry_ids[org_id, entry_seq]
            self.keys[org_id.bytes + key_hash] = KnownKey(
                content_hash,
                None if entry is None else entry[2],
                entry_seq,
                None if entry is None else entry[8],
            )
        self.holds |= {hold_id: replace(hold) for hold_id, hold in writes.holds.items()}
        self.reversed |= {entry_id: amount for (_, entry_id), amount in writes.reversed_minor.items()}
