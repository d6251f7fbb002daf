"""The whole service with its downloads, on a clock that stands still, and usage to export."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from pydantic import SecretStr
from pyqwest import Client
from pyqwest.testing import ASGITransport
from sqlalchemy import text
from wallet_api.wallet.v1 import wallet_service_pb as rpc
from wallet_api.wallet.v1.wallet_service_connect import WalletServiceClient

from tests.operations.usage_scene import CATALOG, EGRESS, GPU, VCPU
from wallet_service.accounts.operations import ensure_development
from wallet_service.app import rpc_services
from wallet_service.clock import ManualClock
from wallet_service.config import Settings
from wallet_service.http.downloads import download_routes
from wallet_service.principal import Role
from wallet_service.promotions.model import NewCampaign
from wallet_service.rpc.composition import Environment, RpcOptions, build_asgi
from wallet_service.rpc.scope import Scope
from wallet_service.service import Service
from wallet_service.usage.model import NewEvent, Recorded

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
ORG = "organizations/my-org"


@dataclass(frozen=True)
class Site:
    """The running service. `key` views my-org, `stranger` administers other-org."""

    service: Service
    wallet: WalletServiceClient
    http: httpx.AsyncClient
    clock: ManualClock
    org_id: UUID
    key: str
    stranger: str
    folder: Path

    async def ask(self, *, key: str = "", **fields: Any) -> rpc.ExportUsageResponse:
        request = rpc.ExportUsageRequest(**fields if "project_name" in fields else {"organization_name": ORG, **fields})
        return await self.wallet.export_usage(request, headers={"authorization": f"Bearer {key or self.key}"})

    async def fetch(self, **fields: Any) -> tuple[rpc.ExportUsageResponse, bytes]:
        answer = await self.ask(**fields)
        found = await self.http.get(answer.download_url)
        assert found.status_code == 200
        return answer, found.content

    async def record(self, *events: NewEvent) -> None:
        results = await self.service.usage.record(self.org_id, events, ignore_age=True)
        assert all(isinstance(result, Recorded) for result in results), results

    async def value(self, statement: str, **parameters: object) -> Any:
        async def work(conn: Any) -> Any:
            return (await conn.execute(text(statement), parameters)).scalar()

        return await self.service.db.read(work)

    async def total(self, project_id: UUID | None = None, **bounds: Any) -> Decimal:
        """What QueryUsage says."""
        page = await self.service.usage_queries.query(self.org_id, project_id=project_id, **bounds)
        return sum((row.cost_minor_exact for row in page.rows), Decimal(0))

    def objects(self) -> list[str]:
        """What lies in the object store."""
        return sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file())


def usage(key: str, quantity: str = "1", **fields: Any) -> NewEvent:
    return NewEvent(**{"project": "my-app", "meter": VCPU, "quantity": quantity, "key": key, **fields})


async def record_samples(site: Site) -> None:
    """Ten events of three meters and two projects, with a correction, texts of every kind, and a discount of 20 %."""
    february = datetime(2026, 2, 10, 8, 30, 15, 250_000, tzinfo=UTC)
    await site.service.projects.create(site.org_id, slug="other-app", display_name="", request_id="")
    await site.record(
        usage("a", "730.5", event_time=february, resource="vm-1", datacenter="eu-1"),
        usage("b", "0.000000000001", event_time=february + timedelta(hours=1)),
        usage("c", "3", meter=GPU, event_time=february, metadata={"team": 'über "x",\ny', "n": "1"}),
        usage("d", "100", meter=EGRESS, event_time=february - timedelta(days=30), resource='=HYPERLINK("x")'),
        usage("e", "12", project="other-app", event_time=february, resource="a\nb,c"),
        usage("f", "-2.5", event_time=february, resource="-vm"),
        usage("=g", "5", event_time=datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)),
        usage("h", "5", event_time=datetime(2026, 3, 1, tzinfo=UTC), resource="vm-1"),
    )
    promotions = site.service.promotions
    await promotions.create_campaign(
        NewCampaign(
            campaign_id="spring",
            display_name="Spring",
            percent=20,
            starts_at=None,
            ends_at=None,
            lasts=timedelta(days=10),
            applies_to_usage=True,
            applies_to_prepaid=False,
            redeem_before=None,
        )
    )
    made = await promotions.create_codes("spring", count=1)
    await promotions.redeem(site.org_id, made[0])
    await site.record(usage("i", "7", meter=GPU, resource="gpu-1"), usage("j", "0.1", meter=EGRESS))


@asynccontextmanager
async def running(database_url: str, folder: Path, **settings: Any) -> AsyncIterator[Site]:
    manual = ManualClock(NOW)

    class TimedService(Service):
        system_clock = manual

    chosen = Settings(
        environment="test",
        database_url=SecretStr(database_url),
        database_pool_size=8,
        data_dir=folder,
        public_url="http://test",
        **settings,
    )
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(TimedService(chosen))
        made = await ensure_development(service.organizations, service.projects)
        await service.catalog.apply(CATALOG)
        other = await service.organizations.create(slug="other-org")
        keys = [
            (await service.api_keys.issue(org_id=org_id, role=role, display_name="k")).secret
            for org_id, role in ((made.org_id, Role.VIEWER), (other.org_id, Role.ADMIN))
        ]
        app: Any = _app(service)
        client = Client(await stack.enter_async_context(ASGITransport(app)))
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
        )
        wallet = WalletServiceClient("http://test", http_client=client)
        yield Site(service, wallet, http, manual, made.org_id, *keys, folder / "files")


def _app(service: Service) -> object:
    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        yield

    return build_asgi(
        rpc_services(service),
        http_routes=download_routes(service.downloads),
        environment=Environment(
            authenticate=service.authenticator.authenticate,
            database_ok=service.db.is_reachable,
            draining=asyncio.Event(),
            lifespan=lifespan,
            moment_of_call=Scope(service.directory).moment,
        ),
        options=RpcOptions(),
    )
