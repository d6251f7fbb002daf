"""Standings as values. Times are aware UTC."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Policy:
    """How an account is warned and suspended. `warn_hours` before the foreseen end, longest first."""

    warn_hours: tuple[int, ...]
    grace: timedelta
    suspends: bool


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """What an operator chose for one account; empty or None: the service's default."""

    warn_hours: tuple[int, ...] = ()
    grace_hours: int | None = None
    suspends: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStanding:
    """A row of `account_standings`; see there for what each field means."""

    org_id: UUID
    choice: PolicyChoice = PolicyChoice()
    is_manual: bool = False
    is_disputed: bool = False
    is_out_of_money: bool = False
    warned_hours: int | None = None
    grace_started_at: datetime | None = None
    suspend_at: datetime | None = None
    next_check_at: datetime | None = None
    checked_minor: int | None = None
    resumed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Funds:
    """What the open wallet of an account has. `balance_minor` is what is available and what is held."""

    available_minor: int
    balance_minor: int
    currency: str
