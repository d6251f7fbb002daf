"""Balances that are watched: the ledger of one organization, watches on it, and the events that came of it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.accounts import AccountKind, chart_account_id
from ledger.model import Posted, Transfer
from tests.operations.journal_scene import JournalScene
from wallet_service.events.model import NewEvent
from wallet_service.watching.model import Move, Observation, Standing, Watcher
from wallet_service.watching.operations import BalanceWatch


@asynccontextmanager
async def real_time(_org_id: UUID) -> AsyncGenerator[None]:
    """Nobody here lives on a test clock."""
    yield


@dataclass
class Onlooker:
    """A watcher that remembers what it was shown in transactions that were committed or not."""

    ignored: Set[UUID] = frozenset()
    """Organizations whose moves it says nothing follows from."""
    shown: list[Observation] = field(default_factory=list[Observation])
    was_shown: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def moves(self) -> list[Move]:
        return [move for observation in self.shown for move in observation.moves]

    async def indifferent_to(self, conn: AsyncConnection, standings: Sequence[Standing]) -> Set[UUID]:
        return self.ignored

    async def observe(self, conn: AsyncConnection, observation: Observation) -> Sequence[NewEvent]:
        self.shown.append(observation)
        self.was_shown.set()
        return []


def watch_of(scene: JournalScene, *watchers: Watcher) -> BalanceWatch:
    return BalanceWatch(scene.db, scene.clock, watchers, time_of=real_time)


async def set_balance(scene: JournalScene, balance_minor: int, key: str) -> None:
    """Bring the wallet's balance there by one entry: a deposit, or usage."""
    available, held = await scene.amounts()
    change = balance_minor - available - held
    if change > 0:
        await scene.deposit(change, key)
    elif change < 0:
        await scene.use(str(-change), key)


async def spend(scene: JournalScene, amount_minor: int, key: str) -> None:
    """One entry of usage, which may take the wallet below zero."""
    await scene.use(str(amount_minor), key)


async def earn(scene: JournalScene, amount_minor: int, key: str) -> None:
    """One entry that adds to the wallet."""
    wallet = scene.wallet
    source = chart_account_id(wallet.org_id, wallet.currency, AccountKind.ADJUSTMENTS)
    done = await scene.ledger.post(
        Transfer(
            org_id=wallet.org_id,
            key=key,
            debit_account=source,
            credit_account=wallet.account_id,
            amount_minor=amount_minor,
        )
    )
    assert isinstance(done, Posted), done


async def events_of(scene: JournalScene, prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
    rows = await scene.rows("SELECT type, data FROM events WHERE org_id = :org ORDER BY seq", org=scene.org_id)
    return [(row.type, row.data) for row in rows if row.type.startswith(prefix)]
