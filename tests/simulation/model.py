"""What a customer's wallet has to be by what was asked and answered: pure, and with arithmetic of its own.

Money is moved here by nothing but the answers of the service and by the providers' books.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Final
from uuid import UUID

from tests.simulation.books import Book, Broken, Live
from wallet_service.accounts.model import Wallet
from wallet_service.limits.model import Duration, Strategy
from wallet_service.usage.model import NewEvent

KEPT: Final = 64
"""Of what a customer did lately, so many are remembered to be repeated or taken back."""


@dataclass(slots=True)
class Hold:
    """An open hold."""

    hold_id: UUID
    remaining: int
    captured: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Limit:
    """A spending limit in minor units."""

    amount: int
    duration: Duration
    strategy: Strategy

    def window_start(self, now: datetime) -> datetime:
        """The first moment whose spend counts at `now`."""
        if self.strategy is Strategy.SLIDING:
            return now - timedelta(days={Duration.DAILY: 1, Duration.WEEKLY: 7, Duration.MONTHLY: 30}[self.duration])
        day = datetime(now.year, now.month, now.day, tzinfo=now.tzinfo)
        if self.duration is Duration.DAILY:
            return day
        if self.duration is Duration.WEEKLY:
            return day - timedelta(days=day.isoweekday() - 1)
        return datetime(now.year, now.month, 1, tzinfo=now.tzinfo)


@dataclass(frozen=True, slots=True)
class Discount:
    """Percent of what happens in [starts_at, ends_at)."""

    starts_at: datetime
    ends_at: datetime
    percent: int


@dataclass(frozen=True, slots=True)
class Used:
    """A recorded event with its exact cost."""

    event: NewEvent
    at: datetime
    cost: Fraction


@dataclass(frozen=True, slots=True)
class Movement:
    """An entry that can be taken back: what it did to the wallet, and how much of it is left."""

    entry_id: UUID
    amount: int
    left: int


@dataclass(frozen=True, slots=True)
class Card:
    """A saved card, by the name that the service has for it, and what it was saved from."""

    name: str
    token: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What all recharges of a customer are agreed to with."""

    daily_cap: int
    monthly_cap: int
    cooldown: timedelta


@dataclass(slots=True)
class Customer:
    """One organization. `exact`: all usage so far, in exact minor units. `recharge`: the card it was turned on with.

    Since the last `check` nobody but this customer has moved its money, so what the ledger has to hold is known at any time:
    `available`, `held`, `spent_since`.
    """

    wallet: Wallet
    terms: Terms
    exact: Fraction = Fraction(0)
    deposited: int = 0
    captured: int = 0
    bought: int = 0
    taken_back: int = 0
    holds: dict[UUID, Hold] = field(default_factory=dict[UUID, Hold])
    used: list[Used] = field(default_factory=list[Used])
    movements: list[Movement] = field(default_factory=list[Movement])
    limit: Limit | None = None
    discounts: list[Discount] = field(default_factory=list[Discount])
    cards: list[Card] = field(default_factory=list[Card])
    recharge: str | None = None
    topups: list[UUID] = field(default_factory=list[UUID])
    draws: int = 0
    unbought: int = 0
    _elsewhere: int = 0
    _spent_elsewhere: int = 0

    @property
    def org_id(self) -> UUID:
        return self.wallet.org_id

    def key(self) -> str:
        """A key that was not used before."""
        self.draws += 1
        return f"key-{self.draws}"

    @property
    def held(self) -> int:
        return sum(hold.remaining for hold in self.holds.values())

    @property
    def available(self) -> int:
        """What it can spend now, in minor units."""
        return self._elsewhere + self._moved

    def expire(self, now: datetime) -> int:
        """The holds whose time is over by `now` are given back. How many they are."""
        over = [held.hold_id for held in self.holds.values() if held.expires_at <= now]
        for hold_id in over:
            del self.holds[hold_id]
        return len(over)

    def spent_since(self, start: datetime, book: Book) -> int:
        """What went to revenue from `start` on; `start` is before the present step."""
        return book.spent_since(start) + self._spent - self._spent_elsewhere

    @property
    def _moved(self) -> int:
        return self.deposited + self.taken_back - self.captured - self.bought - floor(self.exact) - self.held

    @property
    def _spent(self) -> int:
        return self.captured + self.bought - self.unbought + floor(self.exact)

    def percent_at(self, at: datetime) -> int:
        return sum(discount.percent for discount in self.discounts if discount.starts_at <= at < discount.ends_at)

    def check(self, book: Book, live: Live) -> None:
        """Raises Broken where the wallet is not what this customer has done."""
        for what, found, expected in (
            ("exact cost", Fraction(live.accrued_exact), self.exact),
            ("carry", Fraction(live.carry), self.exact - floor(self.exact)),
            ("usage", -book.tally["accrual"], floor(self.exact)),
            ("deposits", book.tally["deposit"], self.deposited),
            ("captures", -book.tally["capture"], self.captured),
            ("purchases", -book.tally["entry"], self.bought),
            ("taken back", book.tally["reversal"], self.taken_back),
            ("moved by holds", sum(book.tally[kind] for kind in ("hold", "release", "expire")), 0),
            ("held", live.held, self.held),
        ):
            if found != expected:
                raise Broken(f"{self.wallet.org_slug}: {what}: {found} in the ledger, {expected} by what was done")
        self._elsewhere = live.available - self._moved
        self._spent_elsewhere = self._spent
