"""The whole service as `wallet_service.app` composes it, in this process on a clock that stands still."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr
from pyqwest import Client
from pyqwest.testing import ASGITransport
from wallet_api.billing.v1.ledger_service_connect import LedgerServiceClient
from wallet_api.wallet.v1.wallet_service_connect import WalletServiceClient

from wallet_service.accounts.operations import ensure_development
from wallet_service.app import rpc_services
from wallet_service.clock import ManualClock
from wallet_service.config import Settings
from wallet_service.principal import Role
from wallet_service.rpc.composition import Environment, RpcOptions, build_asgi
from wallet_service.rpc.scope import Scope
from wallet_service.service import Service

START = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Api:
    """The running service. `keys` are secrets by role, of my-org except the operator's; `stranger` administers other-org."""

    ledger: LedgerServiceClient
    wallet: WalletServiceClient
    service: Service
    clock: ManualClock
    keys: dict[Role, str]
    stranger: str
    http: Client

    def headers(self, key: Role | str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys[key] if isinstance(key, Role) else key}"}


@asynccontextmanager
async def running(database_url: str, options: RpcOptions | None = None) -> AsyncIterator[Api]:
    manual = ManualClock(START)

    class TimedService(Service):
        system_clock = manual

    settings = Settings(environment="test", database_url=SecretStr(database_url), database_pool_size=8)
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(TimedService(settings))
        made = await ensure_development(service.organizations, service.projects)
        other = await service.organizations.create(slug="other-org")
        issue = service.api_keys.issue
        keys = {
            role: (
                await issue(org_id=None if role is Role.OPERATOR else made.org_id, role=role, display_name=role.name)
            ).secret
            for role in Role
        }
        stranger = (await issue(org_id=other.org_id, role=Role.ADMIN, display_name="stranger")).secret
        client = Client(await stack.enter_async_context(ASGITransport(_app(service, options or RpcOptions()))))
        yield Api(
            LedgerServiceClient("http://test", http_client=client),
            WalletServiceClient("http://test", http_client=client),
            service,
            manual,
            keys,
            stranger,
            client,
        )


def _app(service: Service, options: RpcOptions) -> object:
    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        yield

    return build_asgi(
        rpc_services(service),
        http_routes=[],
        environment=Environment(
            authenticate=service.authenticator.authenticate,
            audit_log=service.audit_log,
            database_ok=service.db.is_reachable,
            draining=asyncio.Event(),
            lifespan=lifespan,
            moment_of_call=Scope(service.directory, service.times.moment_of).moment,
        ),
        options=options,
    )
