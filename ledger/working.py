"""The scratch copy of a `State` that one decision moves along, and the rows that it leaves to be written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from ledger.accounts import Account, AccountKind, holds_account_id
from ledger.chain import entry_hash
from ledger.commands import Command
from ledger.ids import from_bytes, ordered_id, unix_us
from ledger.model import (
    ClosedAccount,
    CurrencyMismatch,
    EntryKind,
    Posted,
    UnknownAccount,
    UnpostableAccount,
    WalletChange,
)
from ledger.state import Book, BookRow, Hold, KnownKey, Original, State, Tip, Wallet, Writes


@dataclass(slots=True, eq=False)
class Party:
    """An account that a batch posts to. `wallet` is the batch's copy of the live row that it moves, if it moves one."""

    org_id: UUID
    account_id: UUID
    id_bytes: bytes
    kind: AccountKind
    currency: str
    wallet: Wallet | None

    @property
    def live(self) -> Wallet:
        """The live row of a party that is known to have one."""
        assert self.wallet is not None
        return self.wallet


Unusable = UnknownAccount | UnpostableAccount | CurrencyMismatch | ClosedAccount
PartyLeg = tuple[Party, int]

_HOLDS: Final = AccountKind.HOLDS


class Batch:
    """What the requests of a batch, decided one after the other, have made of the state so far."""

    def __init__(self, state: State, now: datetime, mark: int) -> None:
        """`now` is the time of the whole batch, unless a book is ahead of it: a journal's clock never runs backwards."""
        self.recorded_at = max((book.recorded_at for book in state.books.values()), default=now)
        if self.recorded_at < now:
            self.recorded_at = now
        self._recorded_us = unix_us(self.recorded_at)
        self._recorded_ms = self._recorded_us // 1000
        self._state = state
        self._books: dict[UUID, Book] = {}
        self._parties: dict[UUID, Party] = {}
        self._wallets: dict[UUID, Wallet] = {}
        self._holds: dict[UUID, Hold] = {}
        self._reversed: dict[UUID, int] = {}
        self._new_keys: dict[bytes, KnownKey] = {}
        self.writes = Writes(self.recorded_at, mark)

    def party(self, org_id: UUID, account_id: UUID) -> Party | None:
        """The organization's account, or None; a wallet counts only with its live row."""
        party = self._parties.get(account_id)
        if party is None:
            account = self._state.accounts.get(account_id)
            if account is None:
                return None
            party = self._party(account)
            if party is None:
                return None
            self._parties[account_id] = party
        if party.org_id is not org_id and party.org_id != org_id:
            return None
        return party

    def usable(self, org_id: UUID, account_ids: Sequence[UUID], currency: str | None = None) -> list[Party] | Unusable:
        """The accounts, if all may be posted to together in `currency` (None: that of the first).

        Which refusal wins: unknown before holds account before other currency before closed; among equals the first
        named.
        """
        found: list[Party] = []
        fine = True
        for account_id in account_ids:
            party = self.party(org_id, account_id)
            if party is None:
                return UnknownAccount(account_id)
            if currency is None:
                currency = party.currency
            found.append(party)
            fine = (
                fine
                and party.kind is not _HOLDS
                and party.currency == currency
                and (party.wallet is None or not party.wallet.closed)
            )
        if fine:
            return found
        for party in found:
            if party.kind is _HOLDS:
                return UnpostableAccount(party.account_id)
        for party in found:
            if party.currency != currency:
                return CurrencyMismatch(party.account_id)
        return next(
            ClosedAccount(party.account_id) for party in found if party.wallet is not None and party.wallet.closed
        )

    def holds_party(self, wallet: Party) -> Party:
        """The holds account beside a wallet, whose id follows from the wallet's."""
        account_id = holds_account_id(wallet.account_id)
        party = self._parties.get(account_id)
        if party is None:
            party = Party(
                wallet.org_id,
                account_id,
                account_id.bytes,
                _HOLDS,
                wallet.currency,
                wallet.wallet,
            )
            self._parties[account_id] = party
        return party

    def hold(self, org_id: UUID, hold_id: UUID) -> Hold | None:
        """The batch's copy of a hold of the organization, or None."""
        hold = self._holds.get(hold_id)
        if hold is None:
            row = self._state.holds.get(hold_id)
            if row is None:
                return None
            hold = self._holds[hold_id] = replace(row)
        return hold if hold.org_id == org_id else None

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

    def key(self, scoped_key: bytes) -> KnownKey | None:
        """What became of a key, if it was used."""
        return self._new_keys.get(scoped_key) or self._state.keys.get(scoped_key)

    def use_key(self, command: Command, posted: Posted) -> None:
        """Note that the command's key is used, which also makes its organization's book a changed one."""
        self._new_keys[command.scoped_key] = KnownKey(
            command.content_hash, posted.entry_id, posted.entry_seq, posted.hold_id
        )
        book = self._book(command.org_id)
        self.writes.keys.append((book.org_id, command.key_hash, command.content_hash, posted.entry_seq))

    def post(
        self,
        command: Command,
        kind: EntryKind,
        legs: Sequence[PartyLeg],
        amount_minor: int,
        *,
        reverses: UUID | None = None,
        hold_id: UUID | None = None,
        opens_hold: bool = False,
        taken_minor: tuple[int, ...] = (),
    ) -> Posted:
        """Write one entry: number, id, hash, postings and live balances. The caller has checked everything."""
        book = self._book(legs[0][0].org_id)
        entry_seq = book.entry_seq = book.entry_seq + 1
        id_bytes = ordered_id(self._recorded_ms, entry_seq, book.chain_hash)
        entry_id = from_bytes(id_bytes)
        if opens_hold:
            hold_id = entry_id
        request = command.request
        currency = legs[0][0].currency
        effective_at = request.effective_at
        book.chain_hash = entry_hash(
            book.chain_hash,
            entry_seq=entry_seq,
            entry_id=id_bytes,
            effective_us=self._recorded_us if effective_at is None else unix_us(effective_at),
            recorded_us=self._recorded_us,
            reverses=None if reverses is None else reverses.bytes,
            hold_id=None if hold_id is None else hold_id.bytes,
            kind=kind,
            currency=currency,
            legs=[(party.id_bytes, amount) for party, amount in legs],
            text=command.text,
        )
        self.writes.entries.append(
            (
                book.org_id,
                entry_seq,
                entry_id,
                kind,
                currency,
                request.description,
                effective_at,
                reverses,
                hold_id,
                command.metadata_json,
                book.chain_hash,
            )
        )
        changes = self._post_legs(book.org_id, entry_seq, legs)
        return Posted(
            entry_id,
            entry_seq,
            self.recorded_at,
            amount_minor,
            changes,
            hold_id,
            taken_minor,
        )

    def finish(self) -> Writes:
        """The rows to write: what was collected on the way, and each book and wallet once, as it ended."""
        writes = self.writes
        writes.books = list(self._books.values())
        for wallet in self._wallets.values():
            if wallet.accrued_more is not None:
                writes.accrued_wallets.append(wallet)
            elif wallet.moved:
                writes.wallets.append(wallet)
        return writes

    def tip(self) -> Tip:
        """The state after this batch, of what it changed."""
        at, mark = self.recorded_at, self.writes.mark
        return Tip(
            {book.org_id: BookRow(book.entry_seq, book.chain_hash, mark, at) for book in self._books.values()},
            # Of other organizations there are wallets that were only looked at, and no mark that says if they still are so.
            {wallet_id: wallet for wallet_id, wallet in self._wallets.items() if wallet.org_id in self._books},
            self.writes.holds,
            self._new_keys,
        )

    def _party(self, account: Account) -> Party | None:
        wallet: Wallet | None = None
        wallet_id = account.wallet_id
        if wallet_id is not None:
            wallet = self._wallets.get(wallet_id)
            if wallet is None:
                row = self._state.wallets.get(wallet_id)
                if row is None:
                    return None
                wallet = self._wallets[wallet_id] = Wallet(
                    row.org_id,
                    row.account_id,
                    row.available_minor,
                    row.held_minor,
                    row.carry,
                    row.closed,
                )
        return Party(
            account.org_id,
            account.account_id,
            account.account_id.bytes,
            account.kind,
            account.currency,
            wallet,
        )

    def _book(self, org_id: UUID) -> Book:
        book = self._books.get(org_id)
        if book is None:
            row = self._state.books[org_id]
            book = Book(org_id, row.entry_seq, row.chain_hash)
            self._books[org_id] = book
        return book

    def _post_legs(self, org_id: UUID, entry_seq: int, legs: Sequence[PartyLeg]) -> tuple[WalletChange, ...]:
        """Write the postings, move the live balances, and say how each wallet changed."""
        postings = self.writes.postings
        before: list[tuple[Wallet, int, int]] = []
        for leg, (party, amount) in enumerate(legs):
            after: int | None = None
            wallet = party.wallet
            if wallet is not None:
                if wallet.seen_in_entry != entry_seq:
                    wallet.seen_in_entry = entry_seq
                    wallet.moved = True
                    before.append((wallet, wallet.available_minor, wallet.held_minor))
                if party.kind is _HOLDS:
                    after = wallet.held_minor = wallet.held_minor - amount
                else:
                    after = wallet.available_minor = wallet.available_minor - amount
            postings.append((org_id, entry_seq, leg, party.account_id, amount, after))
        return tuple([wallet_change(*row) for row in before])


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
