"""What watchers are told."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts.model import Wallet, WalletBalance
from wallet_service.events.model import NewEvent


@dataclass(frozen=True, slots=True)
class Move:
    """A wallet after one entry of the journal. `balance_minor` is what is available and what is held."""

    entry_seq: int
    recorded_at: datetime
    available_minor: int
    balance_minor: int


@dataclass(frozen=True, slots=True)
class Standing:
    """An organization's open wallet (None without one), its balance, and the entry that this is after."""

    org_id: UUID
    entry_seq: int
    wallet: Wallet | None
    balance: WalletBalance | None


@dataclass(frozen=True, slots=True)
class Observation:
    """Moves of an open wallet since the last observation, oldest first, at least one.

    `balance` is that of now, which may be later than the last move; what it has more is shown by the next observation.
    """

    org_id: UUID
    org_slug: str
    wallet: Wallet
    moves: tuple[Move, ...]
    balance: WalletBalance
    now: datetime


class Watcher(Protocol):
    """Somebody who is told of moves."""

    async def indifferent_to(self, conn: AsyncConnection, standings: Sequence[Standing]) -> Set[UUID]:
        """Of these organizations, all with an open wallet, those whose latest moves would make `observe` do nothing.

        Their cursors are locked, and are moved on without showing anything.
        """
        ...

    async def observe(self, conn: AsyncConnection, observation: Observation) -> Sequence[NewEvent]:
        """A step: write what follows, enqueue jobs, and return the events, which are appended for all watchers at once.

        An error keeps the cursor where it is, and the same moves are shown again a while later.
        """
        ...
