"""Credits as values. Amounts are in minor units of `currency`; times are aware UTC."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from wallet_service.recharge.model import DisabledReason
from wallet_service.topups.model import TopUp


class TopUpStatus(StrEnum):
    """How a top-up stands, in the words of the contract."""

    COMPLETED = "completed"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Card:
    """What people know a card by; "" where the provider does not tell."""

    brand: str
    last4: str


@dataclass(frozen=True, slots=True)
class TopUpConfig:
    """The automatic top-up; all None where there is none, or the customer turned it off."""

    amount_minor: int | None = None
    threshold_minor: int | None = None
    disabled_reason: DisabledReason | None = None
    error: str | None = None
    last_failed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CreditBalance:
    """What the customer has, and what fills it up. `exact_minor`: less all usage, with its fraction; may be negative."""

    exact_minor: Decimal
    currency: str
    card: Card | None
    topup_config: TopUpConfig
    has_topped_up: bool


@dataclass(frozen=True, slots=True)
class UsageWindow:
    """What was spent in [start, end), an hour or a day in UTC. `window_id` is the same whenever it is asked for."""

    window_id: str
    start: datetime
    end: datetime
    exact_minor: Decimal


@dataclass(frozen=True, slots=True)
class CreditTopUp:
    """A top-up of the default card.

    client_secret: what the customer's client finishes it with, "" when nothing is left to do. is_first: none by hand had
    succeeded before it was made.
    """

    topup: TopUp
    card: Card
    client_secret: str
    is_first: bool
