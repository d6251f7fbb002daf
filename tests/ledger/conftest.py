"""A ledger on a database of its own, with one organization."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ledger import chart, queries
from ledger.accounts import AccountKind, chart_account_id
from ledger.batcher import Ledger
from ledger.ids import new_id
from ledger.invariants import Violation, check_all
from ledger.model import Outcome, Posted, Transfer
from wallet_service.clock import ManualClock
from wallet_service.db import Database, engine_for

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Scene:
    """A running ledger, an organization with one USD wallet, and what tests do with them all the time."""

    url: str
    engine: AsyncEngine
    database: Database
    clock: ManualClock
    ledger: Ledger
    org_id: UUID
    wallet: UUID

    def account(self, kind: AccountKind, currency: str = "USD") -> UUID:
        return chart_account_id(self.org_id, currency, kind)

    @property
    def revenue(self) -> UUID:
        return self.account(AccountKind.REVENUE)

    @property
    def clearing(self) -> UUID:
        return self.account(AccountKind.PROVIDER_CLEARING)

    async def open_wallet(self, org_id: UUID | None = None, currency: str = "USD") -> UUID:
        async def work(conn: AsyncConnection) -> UUID:
            return await chart.open_account(conn, org_id or self.org_id, currency, now=self.clock.now())

        return await self.database.transact(work)

    def topup(self, key: str, amount_minor: int, wallet: UUID | None = None) -> Transfer:
        return Transfer(
            org_id=self.org_id,
            key=key,
            debit_account=self.clearing,
            credit_account=wallet or self.wallet,
            amount_minor=amount_minor,
        )

    def spend(self, key: str, amount_minor: int, description: str = "") -> Transfer:
        return Transfer(
            org_id=self.org_id,
            key=key,
            debit_account=self.wallet,
            credit_account=self.revenue,
            amount_minor=amount_minor,
            description=description,
        )

    async def fund(self, amount_minor: int, key: str = "fund") -> Posted:
        return posted(await self.ledger.post(self.topup(key, amount_minor)))

    async def balance(self, wallet: UUID | None = None) -> queries.WalletBalance:
        async def work(conn: AsyncConnection) -> queries.WalletBalance:
            found = await queries.balance(conn, self.org_id, wallet or self.wallet)
            assert found is not None
            return found

        return await self.database.read(work)

    async def violations(self) -> list[Violation]:
        return await self.database.read(check_all)


def posted(outcome: Outcome) -> Posted:
    """The outcome, which must be `Posted`."""
    assert isinstance(outcome, Posted), outcome
    return outcome


@pytest_asyncio.fixture
async def scene(database_url: str) -> AsyncIterator[Scene]:
    engine = engine_for(database_url, pool_size=10)
    clock = ManualClock(START)
    database = Database(engine, statement_timeout=timedelta(seconds=30))
    async with Ledger(engine, clock) as ledger:
        scene = Scene(database_url, engine, database, clock, ledger, new_id(START), new_id(START))
        scene.wallet = await scene.open_wallet()
        yield scene
    await engine.dispose()


@pytest_asyncio.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The database as the owner of its tables, who may do what the service may not."""
    engine = engine_for(database_url, pool_size=2, role=None)
    yield engine
    await engine.dispose()
