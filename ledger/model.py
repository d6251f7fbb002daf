"""Requests to the ledger and the outcomes it answers with. All are values; none does I/O.

Amounts are minor units, `int`, 1..AMOUNT_MINOR_MAX unless said otherwise. Times are aware.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

AMOUNT_MINOR_MAX: Final = 10**15
LEGS_MAX: Final = 64
METADATA_PAIRS_MAX: Final = 32
EXACT_DIGITS_MAX: Final = 36
"""Digits after the point that an accrual may have."""


class EntryKind(StrEnum):
    """Which operation made an entry. The value is stored and hashed."""

    TRANSFER = "transfer"
    ENTRY = "entry"
    DRAW = "draw"
    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"
    EXPIRE = "expire"
    REVERSAL = "reversal"
    ACCRUAL = "accrual"


class HoldState(StrEnum):
    """OPEN until nothing is left; then CAPTURED if any part was captured, else RELEASED or EXPIRED."""

    OPEN = "open"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBase:
    """What every request has.

    key: the caller's idempotency key, 1..255 characters, unique per organization whatever the kind of request.
    description: up to 1000 characters. effective_at: when it happened; None means when it is recorded.
    metadata: up to 32 pairs of text. fingerprint: what the key stands for; None means all other fields of the request,
    so a caller that fills a field from the clock on each attempt gives its own (1..64 bytes).
    """

    org_id: UUID
    key: str
    description: str = ""
    effective_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    fingerprint: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(RequestBase):
    """Move an amount from the debited to the credited account. Paying out of a wallet debits it; a top-up credits it."""

    debit_account: UUID
    credit_account: UUID
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of an entry: debit positive, credit negative, never zero."""

    account_id: UUID
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(RequestBase):
    """Two to 64 legs that sum to zero, posted together or not at all. The floor is checked on the net of each wallet."""

    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw(RequestBase):
    """Take `amount_minor` from the sources in order, from each what it has available; a source without a floor takes the
    rest.

    All or nothing, unless `partial`: then what there is, if it is more than nothing. Sources are distinct.
    """

    sources: tuple[UUID, ...]
    destination: UUID
    amount_minor: int
    partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHold(RequestBase):
    """Set an amount of a wallet aside until captured, released, or expired at or after `expires_at` (None: never)."""

    wallet: UUID
    amount_minor: int
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendHold(RequestBase):
    """Give an open hold another `expires_at` (None: never). Moves no money, so it makes no entry."""

    hold_id: UUID
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureHold(RequestBase):
    """Take an amount of an open hold (None: all that remains) to `credit_account`.

    The rest returns to the wallet in the same entry, or stays held when `release_rest` is false.
    """

    hold_id: UUID
    credit_account: UUID
    amount_minor: int | None = None
    release_rest: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHold(RequestBase):
    """Return what remains of an open hold to its wallet."""

    hold_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireHold(RequestBase):
    """The same as a release, by the passing of time: refused before the hold's `expires_at`."""

    hold_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal(RequestBase):
    """Take back an entry, or an amount of it, never above what is left of it (None: all that is left).

    A part of an entry with several legs is given back in reverse order: what was taken last returns first. A captured
    hold returns to the wallet. When the wallet has too little, the rest is debited to `shortfall_account` if there is
    one.
    """

    original_entry_id: UUID
    amount_minor: int | None = None
    shortfall_account: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accrue(RequestBase):
    """Add an exact cost in minor units (negative: a correction) to a wallet's carry and post the whole part to
    `revenue_account`.

    Never refused for lack of funds. At most 36 digits after the point and 10**15 in size; zero is allowed.
    """

    wallet: UUID
    revenue_account: UUID
    exact_minor: Decimal


Request = Transfer | Entry | Draw | OpenHold | ExtendHold | CaptureHold | ReleaseHold | ExpireHold | Reversal | Accrue


class WalletChange(NamedTuple):
    """A wallet before and after one posting, in minor units. `carry` is in [0, 1) minor units."""

    wallet_id: UUID
    available_before_minor: int
    held_before_minor: int
    available_minor: int
    held_minor: int
    carry: Decimal

    @property
    def balance_before_minor(self) -> int:
        """What the customer had: available and held."""
        return self.available_before_minor + self.held_before_minor

    @property
    def balance_minor(self) -> int:
        """What the customer has: available and held."""
        return self.available_minor + self.held_minor


class Posted(NamedTuple):
    """Done. `entry_id` and `entry_seq` are None when no money moved (a hold extended, an accrual below one unit).

    amount_minor: sum of the debits (for a capture: what was captured). taken_minor: for a draw, what each source gave.
    """

    entry_id: UUID | None
    entry_seq: int | None
    recorded_at: datetime
    amount_minor: int
    wallets: tuple[WalletChange, ...]
    hold_id: UUID | None = None
    taken_minor: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The key was posted before with the same content; these are the ids of then."""

    entry_id: UUID | None
    entry_seq: int | None
    hold_id: UUID | None


@dataclass(frozen=True, slots=True)
class ReusedKey:
    """The key was posted before with other content. Nothing was posted now."""


@dataclass(frozen=True, slots=True)
class UnknownAccount:
    """The organization has no such account."""

    account_id: UUID


@dataclass(frozen=True, slots=True)
class UnpostableAccount:
    """The account cannot play this part: holds accounts move by holds only, and only a wallet can hold or accrue."""

    account_id: UUID


@dataclass(frozen=True, slots=True)
class CurrencyMismatch:
    """The account is of another currency than the rest of the entry."""

    account_id: UUID


@dataclass(frozen=True, slots=True)
class ClosedAccount:
    """The wallet is closed."""

    account_id: UUID


@dataclass(frozen=True, slots=True)
class UnknownHold:
    """The organization has no such hold."""

    hold_id: UUID


@dataclass(frozen=True, slots=True)
class HoldNotOpen:
    """The hold has ended; past `expires_at` it counts as EXPIRED for a capture or extension, even before it is swept."""

    hold_id: UUID
    state: HoldState


@dataclass(frozen=True, slots=True)
class HoldNotDue:
    """The hold may not expire yet; `expires_at` None means never."""

    hold_id: UUID
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class UnknownEntry:
    """The organization has no such entry."""

    entry_id: UUID


@dataclass(frozen=True, slots=True)
class NotReversible:
    """The entry moved money only between a wallet and its holds: release the hold instead."""

    entry_id: UUID


@dataclass(frozen=True, slots=True)
class ExceedsRemaining:
    """More than is left of the hold or of the original entry."""

    remaining_minor: int


@dataclass(frozen=True, slots=True)
class InsufficientFunds:
    """Too little is available. The key is not used up: the same request may succeed after a top-up.

    account_id: the first wallet that lacks (for a draw: the last source). available_minor: what it has, or what all
    sources together have.
    """

    account_id: UUID
    available_minor: int


Refused = (
    ReusedKey
    | UnknownAccount
    | UnpostableAccount
    | CurrencyMismatch
    | ClosedAccount
    | UnknownHold
    | HoldNotOpen
    | HoldNotDue
    | UnknownEntry
    | NotReversible
    | ExceedsRemaining
    | InsufficientFunds
)
Outcome = Posted | Duplicate | Refused
