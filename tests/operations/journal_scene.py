"""The ledger's operations on one database, with a wallet to move money in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.accounts import AccountKind, chart_account_id
from ledger.batcher import Ledger
from ledger.model import Accrue, Posted
from wallet_service.accounts import steps
from wallet_service.accounts.model import Wallet
from wallet_service.accounts.operations import Organizations
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.journal.audit_operations import Audit
from wallet_service.journal.hold_operations import Holds
from wallet_service.journal.operations import Journal
from wallet_service.journal.rules import OperatorLeg

WALLET_CODE = "CUSTOMER_PREPAY_LIABILITY"
REVENUE_CODE = "USAGE_REVENUE"
ADJUSTMENTS_CODE = "ADJUSTMENTS"
FAR_PAST = datetime(2020, 1, 1, tzinfo=UTC)
FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


def debit(code: str, amount_minor: int, currency: str = "") -> OperatorLeg:
    return OperatorLeg(code, amount_minor, currency, is_debit=True)


def credit(code: str, amount_minor: int, currency: str = "") -> OperatorLeg:
    return OperatorLeg(code, amount_minor, currency, is_debit=False)


@dataclass(frozen=True)
class JournalScene:
    """One organization `my-org` with an empty USD wallet."""

    db: Database
    clock: ManualClock
    ledger: Ledger
    journal: Journal
    holds: Holds
    audit: Audit
    wallet: Wallet

    @property
    def org_id(self) -> UUID:
        return self.wallet.org_id

    async def another(self) -> "JournalScene":
        """The same for an organization of its own, with a new name each time."""
        [row] = await self.rows("SELECT count(*) AS n FROM organizations")
        made = await Organizations(self.db, self.clock).create(slug=f"org-{row.n}")
        return replace(self, wallet=await self.db.read(lambda conn: steps.open_wallet(conn, made.org_id)))

    async def deposit(self, amount_minor: int, key: str = "deposit") -> UUID:
        entry, _ = await self.journal.deposit(
            self.org_id, amount_minor=amount_minor, currency="", description="", key=key
        )
        return entry.entry_id

    async def hold(self, amount_minor: int, key: str = "hold", *, lasts: timedelta | None = None) -> UUID:
        made = await self.holds.create(
            self.org_id,
            amount_minor=amount_minor,
            currency="",
            expires_at=None if lasts is None else self.clock.now() + lasts,
            description="",
            key=key,
        )
        return made.hold_id

    async def use(self, exact_minor: str, key: str) -> None:
        """Usage of an exact cost."""
        done = await self.ledger.post(
            Accrue(
                org_id=self.org_id,
                key=key,
                wallet=self.wallet.account_id,
                revenue_account=chart_account_id(self.org_id, "USD", AccountKind.REVENUE),
                exact_minor=Decimal(exact_minor),
            )
        )
        assert isinstance(done, Posted)

    async def amounts(self) -> tuple[int, int]:
        """What the wallet has available, and what it has on hold."""
        [row] = await self.rows(
            "SELECT available_minor, held_minor FROM ledger_wallets WHERE org_id = :org", org=self.org_id
        )
        return row.available_minor, row.held_minor

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async def work(conn: AsyncConnection) -> list[Any]:
            return list(await conn.execute(text(statement), values))

        return await self.db.read(work)


@asynccontextmanager
async def journal_scene(db: Database, clock: ManualClock) -> AsyncIterator[JournalScene]:
    made = await Organizations(db, clock).create(slug="my-org")
    wallet = await db.read(lambda conn: steps.open_wallet(conn, made.org_id))
    async with Ledger(db.engine, clock) as ledger:
        yield JournalScene(db, clock, ledger, Journal(db, ledger, clock), Holds(db, ledger, clock), Audit(db), wallet)
