"""Limits as values. Amounts in minor units, times aware UTC, windows half-open."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from wallet_service.accounts.model import BillingAccountState, Wallet
from wallet_service.errors import Reason
from wallet_service.rating.rules import Charge


class Duration(StrEnum):
    """How long a window is. The value is stored."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Strategy(StrEnum):
    """FIXED: calendar windows in UTC, one after the other. SLIDING: the time before now. The value is stored."""

    FIXED = "fixed"
    SLIDING = "sliding"


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end); of a sliding limit `end` is the present moment."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class SpendingLimit:
    """What a wallet may spend in a window.

    reached_at: when it was last reached, None before the first time. reached_until: while it is reached, the earliest time
    at which it may not be any more; else None.
    """

    amount_minor: int
    duration: Duration
    strategy: Strategy
    updated_at: datetime
    reached_at: datetime | None = None
    reached_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An open wallet, its limit if it has one, and the state of its billing account."""

    wallet: Wallet
    state: BillingAccountState
    suspended_reason: str | None
    limit: SpendingLimit | None

    @property
    def is_free(self) -> bool:
        """Whether nothing but the balance has a say in what the wallet spends."""
        return self.limit is None and self.state is BillingAccountState.ACTIVE


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """A limit, and how much of it is used in the present window."""

    wallet: Wallet
    limit: SpendingLimit
    window: Window
    spent_minor: int
    held_minor: int

    @property
    def remaining_minor(self) -> int:
        """What may still be set aside; 0 when the limit is reached."""
        return max(0, self.limit.amount_minor - self.spent_minor - self.held_minor)


@dataclass(frozen=True, slots=True)
class Authorization:
    """Whether a hold of `amount_minor` would be granted now, and everything that refuses it.

    amount_minor: the cost rounded up to whole units. limit_remaining_minor: None without a limit.
    """

    refusals: tuple[Reason, ...]
    charge: Charge
    amount_minor: int
    currency: str
    available_minor: int
    held_minor: int
    limit_remaining_minor: int | None

    @property
    def allowed(self) -> bool:
        """Whether nothing refuses it."""
        return not self.refusals

    @property
    def available_after_minor(self) -> int:
        """What would be available afterwards; below 0 when it is not enough."""
        return self.available_minor - self.amount_minor


@dataclass(frozen=True, slots=True)
class DueLimit:
    """A reached limit that is to be looked at again."""

    org_id: UUID
    wallet_id: UUID
