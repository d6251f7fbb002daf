"""What a batch is decided on, and what deciding it leaves to be written.

`State` is what was read under the lock. `Batch` is a scratch copy that one decision moves along; nothing outside sees it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from ledger.accounts import Account, AccountKind, holds_account_id
from ledger.chain import entry_hash
from ledger.commands import Command
from ledger.ids import ordered_id, unix_us
from ledger.model import (
    ClosedAccount,
    CurrencyMismatch,
    EntryKind,
    HoldState,
    Leg,
    Posted,
    UnknownAccount,
    UnpostableAccount,
    WalletChange,
)


@dataclass(frozen=True, slots=True)
class BookRow:
    """The head of an organization's journal."""

    entry_seq: int
    chain_hash: bytes
    recorded_at: datetime


@dataclass(slots=True)
class Wallet:
    """A live balance. In `State` as read; the batch moves its own copy."""

    org_id: UUID
    account_id: UUID
    available_minor: int
    held_minor: int
    carry: Decimal
    accrued_exact: Decimal
    closed: bool
    moved: bool = False
    accrued: bool = False


@dataclass(slots=True)
class Hold:
    """A hold. In `State` as read; the batch moves its own copy."""

    org_id: UUID
    hold_id: UUID
    wallet_id: UUID
    amount_minor: int
    captured_minor: int
    remaining_minor: int
    state: HoldState
    expires_at: datetime | None
    description: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Original:
    """An entry that a reversal names, and how much of it was reversed before."""

    org_id: UUID
    entry_id: UUID
    currency: str
    legs: tuple[Leg, ...]
    reversed_minor: int


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that was used, for what, and what came of it."""

    content_hash: bytes
    entry_id: UUID | None
    entry_seq: int | None
    hold_id: UUID | None


@dataclass(frozen=True, slots=True)
class State:
    """Everything a batch needs to know, read under the lock of the books."""

    books: Mapping[UUID, BookRow]
    accounts: Mapping[UUID, Account]
    wallets: Mapping[UUID, Wallet]
    keys: Mapping[tuple[UUID, bytes], KnownKey]
    holds: Mapping[UUID, Hold] = field(default_factory=dict[UUID, Hold])
    originals: Mapping[UUID, Original] = field(default_factory=dict[UUID, Original])


@dataclass(slots=True)
class Book:
    """The head of a journal while the batch writes to it."""

    org_id: UUID
    entry_seq: int
    chain_hash: bytes
    recorded_at: datetime
    recorded_us: int
    moved: bool = False


EntryColumns = tuple[
    UUID,
    int,
    UUID,
    str,
    str,
    str,
    datetime | None,
    datetime,
    UUID | None,
    UUID | None,
    str | None,
    bytes,
]
PostingColumns = tuple[UUID, int, int, UUID, int, int | None]
KeyColumns = tuple[UUID, bytes, bytes, int | None, datetime]


@dataclass(slots=True)
class Writes:
    """Rows to write, as tuples in the order of the columns of their tables."""

    entries: list[EntryColumns] = field(default_factory=list[EntryColumns])
    postings: list[PostingColumns] = field(default_factory=list[PostingColumns])
    keys: list[KeyColumns] = field(default_factory=list[KeyColumns])
    books: list[Book] = field(default_factory=list[Book])
    wallets: list[Wallet] = field(default_factory=list[Wallet])
    accrued_wallets: list[Wallet] = field(default_factory=list[Wallet])
    holds: dict[UUID, Hold] = field(default_factory=dict[UUID, Hold])
    reversed_minor: dict[tuple[UUID, UUID], int] = field(
        default_factory=dict[tuple[UUID, UUID], int]
    )


Unusable = UnknownAccount | UnpostableAccount | CurrencyMismatch | ClosedAccount
BookedLeg = tuple[Account, int]

_HOLDS: Final = AccountKind.HOLDS


class Batch:
    """The scratch copy of a `State` that a decision moves along, and the rows it will write."""

    def __init__(self, state: State, now: datetime) -> None:
        self._state = state
        self._now = now
        self._books: dict[UUID, Book] = {}
        self._wallets: dict[UUID, Wallet] = {}
        self._holds: dict[UUID, Hold] = {}
        self._reversed: dict[UUID, int] = {}
        self.keys = dict(state.keys)
        self.writes = Writes()

    def book(self, org_id: UUID) -> Book:
        """The journal of an organization that has one. Its clock never runs backwards, whatever ours does."""
        book = self._books.get(org_id)
        if book is None:
            row = self._state.books[org_id]
            at = max(self._now, row.recorded_at)
            book = Book(org_id, row.entry_seq, row.chain_hash, at, unix_us(at))
            self._books[org_id] = book
        return book

    def wallet(self, account_id: UUID) -> Wallet | None:
        """The batch's copy of a wallet, or None if there is no such wallet."""
        wallet = self._wallets.get(account_id)
        if wallet is None:
            row = self._state.wallets.get(account_id)
            if row is None:
                return None
            wallet = Wallet(
                row.org_id,
                account_id,
                row.available_minor,
                row.held_minor,
                row.carry,
                row.accrued_exact,
                row.closed,
            )
            self._wallets[account_id] = wallet
        return wallet

    def wallet_of(self, account: Account) -> Wallet:
        """The wallet that a usable account of kind wallet or holds moves."""
        wallet_id = account.wallet_id
        assert wallet_id is not None
        wallet = self.wallet(wallet_id)
        assert wallet is not None
        return wallet

    @staticmethod
    def holds_account(wallet: Account) -> Account:
        """The holds account beside a wallet, whose id follows from the wallet's."""
        return Account(
            wallet.org_id,
            holds_account_id(wallet.account_id),
            _HOLDS,
            wallet.currency,
            wallet.account_id,
        )

    def hold(self, org_id: UUID, hold_id: UUID) -> Hold | None:
        """The batch's copy of a hold of the organization, or None."""
        hold = self._holds.get(hold_id)
        if hold is None:
            row = self._state.holds.get(hold_id)
            if row is None or row.org_id != org_id:
                return None
            hold = Hold(
                row.org_id,
                row.hold_id,
                row.wallet_id,
                row.amount_minor,
                row.captured_minor,
                row.remaining_minor,
                row.state,
                row.expires_at,
                row.description,
                row.created_at,
                row.updated_at,
            )
            self._holds[hold_id] = hold
        return hold

    def save_hold(self, hold: Hold) -> None:
        """Note that a hold was opened or changed."""
        self._holds[hold.hold_id] = hold
        self.writes.holds[hold.hold_id] = hold

    def original(self, org_id: UUID, entry_id: UUID) -> Original | None:
        """The entry that a reversal names, if it is the organization's."""
        original = self._state.originals.get(entry_id)
        return None if original is None or original.org_id != org_id else original

    def reversed_minor(self, original: Original) -> int:
        """How much of the entry has been reversed, this batch included."""
        return self._reversed.get(original.entry_id, original.reversed_minor)

    def add_reversed(self, original: Original, amount_minor: int) -> None:
        """Note that an amount of the entry was reversed."""
        total = self.reversed_minor(original) + amount_minor
        self._reversed[original.entry_id] = total
        self.writes.reversed_minor[original.org_id, original.entry_id] = total

    def account(self, org_id: UUID, account_id: UUID) -> Account | None:
        """The organization's account, or None; a wallet counts only with its live row."""
        account = self._state.accounts.get(account_id)
        if account is None or account.org_id != org_id:
            return None
        if account.wallet_id is not None and self.wallet(account.wallet_id) is None:
            return None
        return account

    def usable(
        self, org_id: UUID, account_ids: Sequence[UUID], *, currency: str | None = None
    ) -> list[Account] | Unusable:
        """The accounts, if all may be posted to together in `currency` (None: that of the first).

        Which refusal wins: unknown before holds account before other currency before closed; among equals the first
        named.
        """
        found: list[Account] = []
        for account_id in account_ids:
            account = self.account(org_id, account_id)
            if account is None:
                return UnknownAccount(account_id)
            found.append(account)
        for account in found:
            if account.kind is _HOLDS:
                return UnpostableAccount(account.account_id)
        expected = currency or found[0].currency
        for account in found:
            if account.currency != expected:
                return CurrencyMismatch(account.account_id)
        for account in found:
            if account.wallet_id is not None and self.wallet_of(account).closed:
                return ClosedAccount(account.account_id)
        return found

    def post(
        self,
        command: Command,
        kind: EntryKind,
        legs: Sequence[BookedLeg],
        *,
        amount_minor: int,
        reverses: UUID | None = None,
        hold_id: UUID | None = None,
        opens_hold: bool = False,
        taken_minor: tuple[int, ...] = (),
    ) -> Posted:
        """Write one entry: number, id, hash, postings and live balances. The caller has checked everything."""
        book = self.book(command.org_id)
        book.moved = True
        entry_seq = book.entry_seq = book.entry_seq + 1
        entry_id = ordered_id(book.recorded_us, entry_seq, book.chain_hash)
        if opens_hold:
            hold_id = entry_id
        request = command.request
        currency = legs[0][0].currency
        effective_at = request.effective_at
        book.chain_hash = entry_hash(
            book.chain_hash,
            entry_seq=entry_seq,
            entry_id=entry_id.bytes,
            effective_us=book.recorded_us
            if effective_at is None
            else unix_us(effective_at),
            recorded_us=book.recorded_us,
            reverses=None if reverses is None else reverses.bytes,
            hold_id=None if hold_id is None else hold_id.bytes,
            kind=kind,
            currency=currency,
            legs=[(account.account_id.bytes, amount) for account, amount in legs],
            text=command.text,
        )
        self.writes.entries.append(
            (
                command.org_id,
                entry_seq,
                entry_id,
                kind,
                currency,
                request.description,
                effective_at,
                book.recorded_at,
                reverses,
                hold_id,
                command.metadata_json,
                book.chain_hash,
            )
        )
        changes = self._post_legs(command.org_id, entry_seq, legs)
        return Posted(
            entry_id,
            entry_seq,
            book.recorded_at,
            amount_minor,
            changes,
            hold_id,
            taken_minor,
        )

    def _post_legs(
        self, org_id: UUID, entry_seq: int, legs: Sequence[BookedLeg]
    ) -> tuple[WalletChange, ...]:
        """Write the postings, move the live balances, and say how each wallet changed."""
        postings = self.writes.postings
        before: dict[UUID, tuple[Wallet, int, int]] = {}
        for number, (account, amount) in enumerate(legs):
            after: int | None = None
            wallet_id = account.wallet_id
            if wallet_id is not None:
                wallet = self.wallet_of(account)
                if wallet_id not in before:
                    before[wallet_id] = (
                        wallet,
                        wallet.available_minor,
                        wallet.held_minor,
                    )
                wallet.moved = True
                if account.kind is _HOLDS:
                    after = wallet.held_minor = wallet.held_minor - amount
                else:
                    after = wallet.available_minor = wallet.available_minor - amount
            postings.append(
                (org_id, entry_seq, number, account.account_id, amount, after)
            )
        return tuple(
            [
                wallet_change(wallet, available, held)
                for wallet, available, held in before.values()
            ]
        )

    def finish(self) -> Writes:
        """The rows to write: what was collected on the way, and each book and wallet once as it ended."""
        writes = self.writes
        writes.books = [book for book in self._books.values() if book.moved]
        for wallet in self._wallets.values():
            if wallet.accrued:
                writes.accrued_wallets.append(wallet)
            elif wallet.moved:
                writes.wallets.append(wallet)
        return writes


def wallet_change(wallet: Wallet, available: int, held: int) -> WalletChange:
    """How a wallet is now, beside what it was."""
    return WalletChange(
        wallet.account_id,
        available,
        held,
        wallet.available_minor,
        wallet.held_minor,
        wallet.carry,
    )
