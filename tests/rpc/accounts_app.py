"""AccountService and the account methods of WalletService over a real database, called through the generated clients."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from connectrpc.errors import ConnectError
from pyqwest import Client
from pyqwest.testing import ASGITransport
from starlette.types import ASGIApp
from wallet_api.billing.v1.account_service_connect import (
    AccountService,
    AccountServiceASGIApplication,
    AccountServiceClient,
)
from wallet_api.google.rpc.error_details_pb import ErrorInfo
from wallet_api.wallet.v1.wallet_service_connect import (
    WalletService,
    WalletServiceASGIApplication,
    WalletServiceClient,
)

from ledger.batcher import Ledger
from wallet_service.account_states.model import Policy
from wallet_service.account_states.operations import AccountStates
from wallet_service.accounts.balances import Balances
from wallet_service.accounts.directory import Directory
from wallet_service.accounts.operations import Organizations, ensure_development
from wallet_service.accounts.project_operations import Projects
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.apikeys.authentication import Authenticator
from wallet_service.apikeys.operations import ApiKeys
from wallet_service.audit_log.operations import AuditLog
from wallet_service.clock import ManualClock
from wallet_service.db import Database, engine_for
from wallet_service.notifications.operations import Notifications
from wallet_service.notifications.sending import Courier
from wallet_service.principal import Role
from wallet_service.rpc.composition import Environment, RpcOptions, RpcService, build_asgi
from wallet_service.rpc.scope import Scope
from wallet_service.rpc.servicers.account import AccountServicer
from wallet_service.rpc.servicers.wallet_accounts import WalletAccounts


class WalletServicer(WalletAccounts, WalletService):
    """The account methods; the others answer UNIMPLEMENTED."""


@dataclass(frozen=True)
class Api:
    """The running service. `keys` are secrets by role; all but the operator's belong to my-org."""

    account: AccountServiceClient
    wallet: WalletServiceClient
    http: httpx.AsyncClient
    db: Database
    clock: ManualClock
    organizations: Organizations
    wallets: Wallets
    ledger: Ledger
    keys: dict[Role, str]

    def headers(self, key: Role | str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys[key] if isinstance(key, Role) else key}"}


def reason(error: ConnectError) -> str:
    """The published reason that an error carries."""
    info = error.details[0].value(ErrorInfo)
    assert info is not None
    return info.reason


@asynccontextmanager
async def running(database_url: str) -> AsyncIterator[Api]:
    clock = ManualClock(datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC))
    engine = engine_for(database_url, pool_size=8)
    db = Database(engine, statement_timeout=timedelta(seconds=20))
    organizations, projects = Organizations(db, clock), Projects(db, clock)
    wallets, api_keys = Wallets(db, clock), ApiKeys(db, clock, live=False)
    made = await ensure_development(organizations, projects)
    keys = {
        role: (
            await api_keys.issue(
                org_id=None if role is Role.OPERATOR else made.org_id, role=role, display_name=role.name
            )
        ).secret
        for role in Role
    }
    states = AccountStates(db, clock, Policy(warn_hours=(72, 24, 1), grace=timedelta(hours=24), suspends=True))
    notifications = Notifications(db, clock, Courier(mail_relay=None, is_live=False))
    balances, authenticator = Balances(db), Authenticator(db, clock)
    scope = Scope(Directory(db))
    app = build(
        authenticator,
        balances,
        AccountServicer(scope, organizations, wallets, projects, api_keys, notifications, states, AuditLog(db, clock)),
        WalletServicer(scope, organizations, wallets, balances),
        db,
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        ledger = await stack.enter_async_context(Ledger(engine, clock))
        transport = await stack.enter_async_context(ASGITransport(app))
        client = Client(transport)
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
        )
        yield Api(
            AccountServiceClient("http://test", http_client=client),
            WalletServiceClient("http://test", http_client=client),
            http,
            db,
            clock,
            organizations,
            wallets,
            ledger,
            keys,
        )


def build(
    authenticator: Authenticator,
    balances: Balances,
    account: AccountServicer,
    wallet: WalletServicer,
    db: Database,
) -> ASGIApp:
    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        async with authenticator, balances:
            yield

    services: list[tuple[Any, Any, Any]] = [
        (AccountServiceASGIApplication, account, AccountService.desc()),
        (WalletServiceASGIApplication, wallet, WalletService.desc()),
    ]
    return build_asgi(
        [RpcService(*service) for service in services],
        http_routes=[],
        environment=Environment(
            authenticate=authenticator.authenticate,
            database_ok=db.is_reachable,
            draining=asyncio.Event(),
            lifespan=lifespan,
            moment_of_call=Scope(Directory(db)).moment,
        ),
        options=RpcOptions(),
    )
