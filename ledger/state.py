"""What a batch is decided on, and what deciding it leaves to be written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from ledger.accounts import Account
from ledger.model import HoldState, Leg


class BookRow(NamedTuple):
    """The head of an organization's journal."""

    entry_seq: int
    chain_hash: bytes
    mark: int
    recorded_at: datetime


@dataclass(slots=True)
class Wallet:
    """A live balance. In `State` as read; the batch moves its own copy.

    moved: an entry posted to it. accrued_more: what was added to its exact cost, if anything was.
    """

    org_id: UUID
    account_id: UUID
    available_minor: int
    held_minor: int
    carry: Decimal
    closed: bool
    moved: bool = False
    accrued_more: Decimal | None = None
    seen_in_entry: int = -1


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


class KnownKey(NamedTuple):
    """A key that was used, for what, and what came of it."""

    content_hash: bytes
    entry_id: UUID | None
    entry_seq: int | None
    hold_id: UUID | None


@dataclass(frozen=True, slots=True)
class State:
    """Everything a batch needs to know, read under the lock of the books. Keys are known by `Command.scoped_key`."""

    books: Mapping[UUID, BookRow]
    accounts: Mapping[UUID, Account]
    wallets: Mapping[UUID, Wallet]
    keys: Mapping[bytes, KnownKey]
    holds: Mapping[UUID, Hold] = field(default_factory=dict[UUID, Hold])
    originals: Mapping[UUID, Original] = field(default_factory=dict[UUID, Original])


@dataclass(frozen=True, slots=True)
class Tip:
    """What a batch leaves of the books, wallets, holds and keys that it changed: the state after it, before it is
    committed."""

    books: Mapping[UUID, BookRow]
    wallets: Mapping[UUID, Wallet]
    holds: Mapping[UUID, Hold]
    keys: Mapping[bytes, KnownKey]


@dataclass(slots=True)
class Book:
    """The head of a journal while the batch writes to it."""

    org_id: UUID
    entry_seq: int
    chain_hash: bytes


EntryColumns = tuple[
    UUID,
    int,
    UUID,
    str,
    str,
    str,
    datetime | None,
    UUID | None,
    UUID | None,
    str | None,
    bytes,
]
PostingColumns = tuple[UUID, int, int, UUID, int, int | None]
KeyColumns = tuple[UUID, bytes, bytes, int | None]


@dataclass(slots=True)
class Writes:
    """Rows to write, as tuples in the order of the columns of their tables. All are recorded at one time.

    mark: what every book that is changed gets, to be told apart from any other state of it.
    """

    recorded_at: datetime
    mark: int
    entries: list[EntryColumns] = field(default_factory=list[EntryColumns])
    postings: list[PostingColumns] = field(default_factory=list[PostingColumns])
    keys: list[KeyColumns] = field(default_factory=list[KeyColumns])
    books: list[Book] = field(default_factory=list[Book])
    wallets: list[Wallet] = field(default_factory=list[Wallet])
    accrued_wallets: list[Wallet] = field(default_factory=list[Wallet])
    holds: dict[UUID, Hold] = field(default_factory=dict[UUID, Hold])
    reversed_minor: dict[tuple[UUID, UUID], int] = field(default_factory=dict[tuple[UUID, UUID], int])
