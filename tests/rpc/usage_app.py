"""CatalogService, UsageService and the usage methods of WalletService over a real database, by the generated clients."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from pyqwest import Client
from pyqwest.testing import ASGITransport
from wallet_api.billing.v1.catalog_service_connect import (
    CatalogService,
    CatalogServiceASGIApplication,
    CatalogServiceClient,
)
from wallet_api.billing.v1.usage_service_connect import UsageService, UsageServiceASGIApplication, UsageServiceClient
from wallet_api.wallet.v1.wallet_service_connect import (
    WalletService,
    WalletServiceASGIApplication,
    WalletServiceClient,
)

from tests.operations.usage_scene import Scene, scene_on
from wallet_service.accounts.directory import Directory
from wallet_service.apikeys.authentication import Authenticator
from wallet_service.apikeys.operations import ApiKeys
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.forecast.operations import Forecasts
from wallet_service.principal import Role
from wallet_service.rpc.composition import Environment, RpcOptions, RpcService, build_asgi
from wallet_service.rpc.scope import Scope
from wallet_service.rpc.servicers.catalog import CatalogServicer
from wallet_service.rpc.servicers.usage import UsageServicer
from wallet_service.rpc.servicers.wallet_forecast import WalletForecast
from wallet_service.rpc.servicers.wallet_usage import WalletUsage

EGRESS_FREE_GIB = 10_240


class WalletServicer(WalletUsage, WalletForecast, WalletService):
    """The usage methods and the forecast; the others answer UNIMPLEMENTED."""

    def __init__(self, scope: Scope, scene: Scene) -> None:
        WalletUsage.__init__(self, scope, scene.queries, scene.catalog, egress_free_gib=EGRESS_FREE_GIB)
        WalletForecast.__init__(self, scope, Forecasts(scene.db, scene.clock))


@dataclass(frozen=True)
class Api:
    """The running service. `keys` are secrets by role, of my-org except the operator's; `stranger` edits other-org."""

    usage: UsageServiceClient
    catalog: CatalogServiceClient
    wallet: WalletServiceClient
    http: httpx.AsyncClient
    scene: Scene
    keys: dict[Role, str]
    stranger: str

    def headers(self, key: Role | str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys[key] if isinstance(key, Role) else key}"}


@asynccontextmanager
async def running(db: Database, clock: ManualClock) -> AsyncIterator[Api]:
    api_keys, authenticator = ApiKeys(db, clock, live=False), Authenticator(db, clock)
    async with scene_on(db, clock) as scene, AsyncExitStack() as stack:
        other = await scene.organization("other-org", project="theirs")
        keys = {
            role: (
                await api_keys.issue(
                    org_id=None if role is Role.OPERATOR else scene.org_id, role=role, display_name=role.name
                )
            ).secret
            for role in Role
        }
        stranger = (await api_keys.issue(org_id=other, role=Role.EDITOR, display_name="stranger")).secret
        app = _app(scene, authenticator, db, clock)
        client = Client(await stack.enter_async_context(ASGITransport(app)))
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
        )
        yield Api(
            UsageServiceClient("http://test", http_client=client),
            CatalogServiceClient("http://test", http_client=client),
            WalletServiceClient("http://test", http_client=client),
            http,
            scene,
            keys,
            stranger,
        )


def _app(scene: Scene, authenticator: Authenticator, db: Database, clock: ManualClock) -> Any:
    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        async with authenticator:
            yield

    scope = Scope(Directory(db))
    services: list[tuple[Any, Any, Any]] = [
        (CatalogServiceASGIApplication, CatalogServicer(scene.catalog, clock), CatalogService.desc()),
        (UsageServiceASGIApplication, UsageServicer(scope, scene.recorder, scene.queries), UsageService.desc()),
        (
            WalletServiceASGIApplication,
            WalletServicer(scope, scene),
            WalletService.desc(),
        ),
    ]
    return build_asgi(
        [RpcService(*service) for service in services],
        http_routes=[],
        environment=Environment(
            authenticate=authenticator.authenticate,
            database_ok=db.is_reachable,
            draining=asyncio.Event(),
            lifespan=lifespan,
            moment_of_call=scope.moment,
        ),
        options=RpcOptions(),
    )
