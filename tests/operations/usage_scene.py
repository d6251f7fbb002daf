"""A service's worth of usage operations on one database, with an organization to record for."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text

from ledger.batcher import Ledger, on_one_server
from ledger.invariants import check_all
from wallet_service.accounts.operations import Organizations
from wallet_service.accounts.project_operations import Projects
from wallet_service.catalog.operations import CatalogOperations
from wallet_service.catalog.rules import CatalogDocument, NewMeter, NewRate
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.usage.model import NewEvent
from wallet_service.usage.operations import UsageRecorder
from wallet_service.usage.query_operations import UsageQueries

START = datetime(2026, 1, 1, tzinfo=UTC)
VCPU = "compute.vm.vcpu_hours"
GPU = "compute.gpu.h100.runtime_hours"
EGRESS = "network.vm.egress_gib"

CATALOG = CatalogDocument(
    meters=(
        NewMeter(VCPU, "vcpu-hour", "vCPU", "vCPU"),
        NewMeter(GPU, "gpu-hour", "GPU", "GPU H100"),
        NewMeter(EGRESS, "GiB", "Data Transfer", "Egress"),
    ),
    rates=(
        NewRate(VCPU, "USD", Decimal("0.342466"), START),
        NewRate(VCPU, "USD", Decimal("0.5"), datetime(2026, 2, 20, tzinfo=UTC)),
        NewRate(GPU, "USD", Decimal(249), START),
        NewRate(EGRESS, "USD", Decimal("0.9765625"), START),
    ),
)


@dataclass(frozen=True)
class Scene:
    """One organization `my-org` with the project `my-app`."""

    db: Database
    clock: ManualClock
    ledger: Ledger
    catalog: CatalogOperations
    recorder: UsageRecorder
    queries: UsageQueries
    org_id: UUID

    async def organization(self, slug: str, *, project: str = "", usage_age_max: timedelta | None = None) -> UUID:
        made = await Organizations(self.db, self.clock).create(slug=slug, usage_age_max=usage_age_max)
        if project:
            await self.project(made.org_id, project)
        return made.org_id

    async def project(self, org_id: UUID, slug: str) -> None:
        await Projects(self.db, self.clock).create(org_id, slug=slug, display_name="", request_id="")

    async def rows(self, statement: str, **parameters: object) -> list[Any]:
        async def work(conn: Any) -> list[Any]:
            return list(await conn.execute(text(statement), parameters))

        return await self.db.read(work)

    async def accrued(self, org_id: UUID) -> tuple[Decimal, Decimal, int]:
        """What the ledger has of the wallet: exact cost accrued, carry, available."""
        row = (
            await self.rows(
                "SELECT accrued_exact, carry, available_minor FROM ledger_wallets WHERE org_id = :o", o=org_id
            )
        )[0]
        return row.accrued_exact, row.carry, row.available_minor

    async def check_laws(self, org_id: UUID) -> Decimal:
        """The money law, with the batch table's part in it, and the ledger's own; returns the exact cost."""
        sums = [
            (await self.rows(f"SELECT COALESCE(sum(cost_minor), 0) AS s FROM {table} WHERE org_id = :o", o=org_id))[0].s
            for table in ("usage_events", "usage_hourly", "usage_batches")
        ]
        accrued, carry, available = await self.accrued(org_id)
        assert sums == [accrued] * 3
        assert -available + carry == accrued
        counts = [
            (await self.rows(statement, o=org_id))[0].n
            for statement in (
                "SELECT count(*) AS n FROM usage_events WHERE org_id = :o",
                "SELECT COALESCE(sum(event_count), 0) AS n FROM usage_hourly WHERE org_id = :o",
                "SELECT COALESCE(sum(event_count), 0) AS n FROM usage_batches WHERE org_id = :o",
            )
        ]
        assert counts == counts[:1] * 3

        async def audit(conn: Any) -> Any:
            return await check_all(conn, org_id)

        assert await self.db.read(audit) == []
        return accrued


@asynccontextmanager
async def scene_on(
    db: Database, clock: ManualClock, *, on_shards: Callable[[], bool] = on_one_server, **recorder_options: Any
) -> AsyncIterator[Scene]:
    catalog = CatalogOperations(db, clock)
    await catalog.apply(CATALOG)
    options: dict[str, Any] = {
        "on_shards": on_shards,
        "usage_age_max": timedelta(days=35),
        "usage_ahead_max": timedelta(minutes=5),
        **recorder_options,
    }
    async with (
        Ledger(db.engine, clock, on_shards=on_shards) as ledger,
        UsageRecorder(db, ledger, clock, **options) as recorder,
    ):
        made = await Organizations(db, clock).create(slug="my-org")
        scene = Scene(db, clock, ledger, catalog, recorder, UsageQueries(db), made.org_id)
        await scene.project(made.org_id, "my-app")
        yield scene


def event(key: str, quantity: str = "1", **fields: Any) -> NewEvent:
    """An event of the project `my-app`, by default of vCPUs."""
    return NewEvent(**{"project": "my-app", "meter": VCPU, "quantity": quantity, "key": key, **fields})


def kinds(results: Iterable[object]) -> list[str]:
    return [type(result).__name__ for result in results]
