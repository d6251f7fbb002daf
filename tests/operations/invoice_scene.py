"""Months of an organization: usage, holds and deposits over time, and the close of each month."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from ledger import queries
from tests.operations.usage_scene import Scene, event, scene_on
from wallet_service.accounts import steps
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.files.object_store import FileStore
from wallet_service.files.operations import Downloads
from wallet_service.invoices.closing import StatementClosing
from wallet_service.invoices.model import Invoice, StatementContent
from wallet_service.invoices.operations import Invoices
from wallet_service.invoices.paper import Paper
from wallet_service.invoices.pdf import PdfFiles
from wallet_service.journal.hold_operations import Holds
from wallet_service.journal.operations import Journal


@dataclass(frozen=True)
class InvoiceScene:
    """One organization `my-org` with the project `my-app`, the months' close and the documents."""

    usage: Scene
    journal: Journal
    holds: Holds
    closing: StatementClosing
    invoices: Invoices
    files: FileStore

    @property
    def org_id(self) -> UUID:
        return self.usage.org_id

    @property
    def clock(self) -> ManualClock:
        return self.usage.clock

    def until(self, *date: int) -> None:
        """Let time pass until a UTC date."""
        self.clock.advance(datetime(*date, tzinfo=UTC) - self.clock.now())  # type: ignore[arg-type]

    async def use(self, key: str, quantity: str = "1", **fields: Any) -> None:
        await self.usage.recorder.record_one(self.org_id, event(key, quantity, **fields))

    async def deposit(self, amount_minor: int, key: str = "deposit") -> UUID:
        entry, _ = await self.journal.deposit(
            self.org_id, amount_minor=amount_minor, currency="", description="", key=key
        )
        return entry.entry_id

    async def capture(self, amount_minor: int, description: str, key: str) -> None:
        """A purchase: held, then captured."""
        held = await self.holds.create(
            self.org_id, amount_minor=amount_minor, currency="", expires_at=None, description=description, key=key
        )
        await self.holds.capture(
            self.org_id,
            held.hold_id,
            amount_minor=0,
            keep_remaining=False,
            description=description,
            key=f"{key}-capture",
        )

    async def statements(self) -> list[Invoice]:
        """All of them, oldest first."""
        page = await self.invoices.list(self.org_id, receipts=None, size=1000, token="")
        return list(reversed(page.rows))

    async def balance_at(self, at: datetime) -> int:
        """What the ledger says the wallet had before `at`."""

        async def work(conn: Any) -> int:
            wallet = await steps.open_wallet(conn, self.org_id)
            found = await queries.balance_at(conn, self.org_id, wallet.account_id, at - timedelta(microseconds=1))
            assert found is not None
            return found.balance_minor

        return await self.usage.db.read(work)

    async def counts(self) -> dict[str, int]:
        """Rows of every table, with where the numbers stand."""
        names = await self.usage.rows(
            "SELECT relname AS tablename FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition AND relname <> 'alembic_version'"
        )
        counts = {
            row.tablename: (await self.usage.rows(f'SELECT count(*) AS n FROM "{row.tablename}"'))[0].n for row in names
        }
        numbers = await self.usage.rows("SELECT kind, last_number FROM invoice_numbers")
        return counts | {f"number of {row.kind}": row.last_number for row in numbers}


def content_of(invoice: Invoice) -> StatementContent:
    assert isinstance(invoice.content, StatementContent)
    return invoice.content


@asynccontextmanager
async def months_on(db: Database, clock: ManualClock, folder: Path) -> AsyncIterator[InvoiceScene]:
    async with scene_on(db, clock) as scene:
        files = FileStore(None, folder=folder)
        downloads = Downloads(files, clock, secret=lambda: b"s" * 32, base_url="http://127.0.0.1:1")
        yield InvoiceScene(
            scene,
            Journal(db, scene.ledger, clock),
            Holds(db, scene.ledger, clock),
            StatementClosing(db, clock),
            Invoices(db, clock, PdfFiles(files, issuer="Wallet Service"), downloads, paper=Paper.A4),
            files,
        )
