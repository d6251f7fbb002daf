"""Organizations and what belongs to them, as values. Times are aware UTC."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from ledger.money import EXACT


class BillingAccountState(StrEnum):
    """Standing of a billing account. The value is stored."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Organization:
    """A tenant. `usage_age_max` None means the service's default; `currency` is that of its first wallet."""

    org_id: uuid.UUID
    slug: str
    display_name: str
    currency: str
    usage_age_max: timedelta | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class BillingAccount:
    """`suspended_reason` is low_balance, dispute or manual while suspended, else None."""

    org_id: uuid.UUID
    org_slug: str
    billing_account_id: uuid.UUID
    display_name: str
    state: BillingAccountState
    suspended_reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Wallet:
    """`account_id` is the ledger account that holds the money."""

    org_id: uuid.UUID
    org_slug: str
    wallet_id: uuid.UUID
    billing_account_id: uuid.UUID
    account_id: uuid.UUID
    currency: str
    display_name: str
    created_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class WalletBalance:
    """What a wallet holds, in minor units. `carry` in [0, 1) is usage cost not yet debited; no `last_entry_at`: no entry."""

    currency: str
    available_minor: int
    held_minor: int
    carry: Decimal
    last_entry_at: datetime | None

    @property
    def balance_minor(self) -> int:
        """What the customer has: available and held."""
        return self.available_minor + self.held_minor

    @property
    def carry_text(self) -> str:
        """The carry as exact decimal text without needless digits: `0`, `0.435195666848`."""
        return f"{self.carry.normalize(EXACT):f}"


@dataclass(frozen=True, slots=True)
class Project:
    """What usage is recorded for."""

    org_id: uuid.UUID
    org_slug: str
    project_id: uuid.UUID
    slug: str
    display_name: str
    created_at: datetime
