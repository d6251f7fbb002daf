"""The methods about automatic recharging over the whole stack: interceptors, servicer, simulator."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from wallet_api.wallet.v1.wallet_service_connect import WalletService, WalletServiceASGIApplication

from tests.operations.payments_lab import AUTHENTICATE, DECLINED_AFTER_SAVING, GOOD, payments_lab
from tests.operations.recharge_scene import RechargeScene
from wallet_service.accounts.directory import Directory
from wallet_service.apikeys.authentication import Authenticator
from wallet_service.apikeys.operations import ApiKeys
from wallet_service.clock import ManualClock
from wallet_service.db import Database, engine_for
from wallet_service.principal import Role
from wallet_service.rpc.composition import Environment, RpcOptions, RpcService, build_asgi
from wallet_service.rpc.scope import Scope
from wallet_service.rpc.servicers.wallet_recharge import WalletRecharge

ORG = "organizations/my-org"
WALLET = f"{ORG}/wallets/default"
NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


class RechargeServicer(WalletRecharge, WalletService):
    """The methods about recharging; the others answer UNIMPLEMENTED."""


@dataclass(frozen=True)
class Api:
    """The service, called as Connect JSON by the key of an editor of my-org."""

    scene: RechargeScene
    http: httpx.AsyncClient
    headers: dict[str, str]
    key_id: str

    async def call(self, method: str, package: str = "wallet.v1", **fields: Any) -> dict[str, Any]:
        answer = await self.http.post(f"/{package}.WalletService/{method}", json=fields, headers=self.headers)
        return answer.json()

    async def enable(self, token: str = GOOD, **fields: Any) -> dict[str, Any]:
        card = await self.scene.lab.saved_card(token)
        wanted = {"thresholdMinor": 1000, "amountMinor": 5000, "paymentMethodName": f"{ORG}/payment-methods/{card}"}
        body = await self.call("ConfigureAutoRecharge", walletName=WALLET, enabled=True, **{**wanted, **fields})
        return body["config"]

    async def config(self) -> dict[str, Any]:
        return (await self.call("GetAutoRechargeConfig", walletName=WALLET))["config"]


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    clock = ManualClock(NOW)
    engine = engine_for(database_url, pool_size=8)
    db = Database(engine, statement_timeout=timedelta(seconds=20))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        lab = await stack.enter_async_context(payments_lab(db, clock))
        made = await ApiKeys(db, clock, live=False).issue(org_id=lab.org_id, role=Role.EDITOR, display_name="editor")
        authenticator = await stack.enter_async_context(Authenticator(db, clock))
        servicer = RechargeServicer(Scope(Directory(db)), lab.recharges)
        transport = httpx.ASGITransport(build(servicer, db, authenticator))
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://test", timeout=30)
        )
        headers = {"authorization": f"Bearer {made.secret}"}
        yield Api(RechargeScene(lab), http, headers, str(made.key.key_id))


def build(servicer: RechargeServicer, db: Database, authenticator: Authenticator) -> Any:
    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        yield

    application: Any = WalletServiceASGIApplication
    return build_asgi(
        [RpcService(application, servicer, WalletService.desc())],
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


async def test_consent_is_of_the_key_that_asked(api):
    config = await api.enable(mandateText="Charge me.")
    assert (config["mandateText"], config["consentedAtUnix"]) == ("Charge me.", str(int(NOW.timestamp())))
    [(key_id,)] = await api.scene.lab.rows("SELECT key_id FROM auto_recharge_consents")
    assert str(key_id) == api.key_id


async def test_a_recharge_shows_when_it_was(api):
    await api.enable()
    await api.scene.fall(1)
    config = await api.config()
    assert config["enabled"] is True
    assert config["lastAutoRechargeAtUnix"] == str(int(NOW.timestamp()))
    assert "pendingTopUpName" not in config
    assert "lastError" not in config


async def test_a_decline_shows_why_and_when_it_is_tried_again_and_enabling_clears_it(api):
    await api.enable(DECLINED_AFTER_SAVING)
    await api.scene.fall(1)
    config = await api.config()
    assert config["lastError"] == "Your card was declined."
    assert config["lastFailedAtUnix"] == str(int(NOW.timestamp()))
    assert config["nextAttemptAtUnix"] == str(int((NOW + timedelta(hours=1)).timestamp()))
    again = await api.enable()
    assert not {"lastError", "lastFailedAtUnix", "nextAttemptAtUnix", "disabledReason"} & again.keys()


async def test_a_payment_that_waits_for_the_customer_is_named(api):
    await api.enable(AUTHENTICATE)
    await api.scene.fall(1)
    config = await api.config()
    assert "enabled" not in config
    assert config["disabledReason"] == "authentication_required"
    [topup] = (await api.scene.lab.topups.list(api.scene.lab.org_id, state=None, size=1, token="")).rows
    assert config["pendingTopUpName"] == f"{ORG}/topUps/{topup.topup_id}"
    flat = await api.call("GetAutoRechargeConfig", "aes.wallet.v1", walletName="wallets/my-org")
    assert flat["config"]["pendingTopUpName"] == f"topUps/{topup.topup_id}"


async def test_a_disabled_request_ignores_all_other_fields(api):
    before = await api.enable()
    body = await api.call(
        "ConfigureAutoRecharge", walletName=WALLET, enabled=False, thresholdMinor=-5, amountMinor=-7, dailyCapMinor=1
    )
    assert body["config"] == {name: value for name, value in before.items() if name != "enabled"}
