"""What a lane remembers of the journals that it posts to, so that most batches are decided without a read.

It is a guess with a proof: each journal is remembered with its mark, every change of a journal by anybody draws a new
mark, and a decision counts only if the statement that writes it finds the marks that it was made on. What is remembered
is what the last decided batch leaves, which may not be committed yet; when it turns out that it will not be, the whole
memory is thrown away. Keys are not remembered, except those of that last batch, which no snapshot shows yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from ledger.accounts import Account
from ledger.commands import Command
from ledger.model import CaptureHold, ExpireHold, ExtendHold, HoldState, ReleaseHold, Reversal
from ledger.state import BookRow, Hold, KnownKey, State, Tip, Wallet

ROWS_MAX: Final = 300_000
"""Wallets and open holds remembered, of all journals together."""

_HOLD_STEPS: Final = (CaptureHold, ReleaseHold, ExpireHold, ExtendHold)


@dataclass(slots=True)
class Journal:
    """Of one organization: the head of its book, its mark before the last batch, wallets, and open holds."""

    book: BookRow
    mark_before: int
    wallets: dict[UUID, Wallet] = field(default_factory=dict[UUID, Wallet])
    holds: dict[UUID, Hold] = field(default_factory=dict[UUID, Hold])


class Memory:
    """Of one lane. Nothing here waits, so nothing here changes while a batch is decided."""

    def __init__(self) -> None:
        self._journals: dict[UUID, Journal] = {}
        self._last_keys: Mapping[bytes, KnownKey] = {}
        self._last_books: Mapping[UUID, BookRow] = {}
        self._row_count = 0

    def state_for(self, commands: Sequence[Command], accounts: Mapping[UUID, Account]) -> State | None:
        """All that the commands need except used keys, or None if a part of it is not remembered."""
        books: dict[UUID, BookRow] = {}
        wallets: dict[UUID, Wallet] = {}
        holds: dict[UUID, Hold] = {}
        for command in commands:
            journal = self._journals.get(command.org_id)
            if journal is None:
                return None
            books[command.org_id] = journal.book
            named: Iterable[UUID] = command.account_ids
            request = command.request
            if isinstance(request, _HOLD_STEPS):
                hold = journal.holds.get(request.hold_id)
                if hold is None:
                    return None
                holds[hold.hold_id] = hold
                named = (*named, hold.wallet_id)
            elif isinstance(request, Reversal):
                return None
            for account_id in named:
                account = accounts.get(account_id)
                if account is None:
                    return None
                wallet_id = account.wallet_id
                if wallet_id is not None and wallet_id not in wallets:
                    wallet = journal.wallets.get(wallet_id)
                    if wallet is None:
                        return None
                    wallets[wallet_id] = wallet
        return State(books, accounts, wallets, self._last_keys, holds)

    def over(self, state: State) -> State | None:
        """`state`, which was read while the last batch was on its way, as it will be once that is committed.

        None if somebody else has changed a journal that the last batch changes: it may have been too late, and then what
        it leaves never comes about.
        """
        books = dict(state.books)
        wallets = dict(state.wallets)
        for org_id, row in state.books.items():
            journal = self._journals.get(org_id)
            if journal is not None and row.mark in (journal.mark_before, journal.book.mark):
                books[org_id] = journal.book
                wallets.update((key, journal.wallets[key]) for key in state.wallets.keys() & journal.wallets.keys())
            elif org_id in self._last_books:
                return None
        return State(books, state.accounts, wallets, {**state.keys, **self._last_keys}, state.holds, state.originals)

    def learn(self, state: State, tip: Tip) -> None:
        """Remember what a batch was decided on, and over it what it leaves."""
        if self._row_count > ROWS_MAX:
            self._journals.clear()
            self._row_count = 0
        for org_id, row in state.books.items():
            journal = self._journals.get(org_id)
            if journal is None or journal.book.mark != row.mark:
                self._journals[org_id] = Journal(row, row.mark)
        for wallet in state.wallets.values():
            if wallet.org_id in state.books and wallet.account_id not in self._journals[wallet.org_id].wallets:
                self._journals[wallet.org_id].wallets[wallet.account_id] = wallet
                self._row_count += 1
        for hold in state.holds.values():
            if hold.org_id in state.books:
                self._note(hold)
        for org_id, row in tip.books.items():
            journal = self._journals[org_id]
            journal.mark_before, journal.book = journal.book.mark, row
        for wallet in tip.wallets.values():
            self._journals[wallet.org_id].wallets[wallet.account_id] = wallet
        for hold in tip.holds.values():
            self._note(hold)
        self._last_keys, self._last_books = tip.keys, tip.books

    def _note(self, hold: Hold) -> None:
        """A hold as it is now; one that has ended is looked up if it is ever named again."""
        holds = self._journals[hold.org_id].holds
        self._row_count -= holds.pop(hold.hold_id, None) is not None
        if hold.state is HoldState.OPEN:
            holds[hold.hold_id] = hold
            self._row_count += 1
