"""The card and top-up methods of wallet.v1.WalletService over the whole stack: interceptors, servicer, simulator."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from wallet_api.wallet.v1.wallet_service_connect import WalletService, WalletServiceASGIApplication

from tests.operations.payments_lab import AUTHENTICATE, DECLINED_AFTER_SAVING, GOOD, PaymentsLab, payments_lab
from wallet_service.accounts.directory import Directory
from wallet_service.apikeys.authentication import Authenticator
from wallet_service.apikeys.operations import ApiKeys
from wallet_service.clock import ManualClock
from wallet_service.db import Database, engine_for
from wallet_service.http.webhooks import webhook_routes
from wallet_service.principal import Role
from wallet_service.rpc.composition import Environment, RpcOptions, RpcService, build_asgi
from wallet_service.rpc.scope import Scope
from wallet_service.rpc.servicers.wallet_payments import WalletPayments

ORG = "organizations/my-org"
WALLET = f"{ORG}/wallets/default"
BILLING_ACCOUNT = f"{ORG}/billing-accounts/default"


class PaymentsServicer(WalletPayments, WalletService):
    """The payment methods; the others answer UNIMPLEMENTED."""


@dataclass(frozen=True)
class Api:
    """The service, called as Connect JSON by the key of a role of my-org, or of the other organization's admin."""

    lab: PaymentsLab
    http: httpx.AsyncClient
    keys: dict[str, str]

    async def call(
        self, method: str, role: str = "EDITOR", package: str = "wallet.v1", **fields: Any
    ) -> dict[str, Any]:
        answer = await self.http.post(
            f"/{package}.WalletService/{method}",
            json=fields,
            headers={"authorization": f"Bearer {self.keys[role]}"},
        )
        return answer.json()

    async def refusal(self, method: str, role: str = "EDITOR", **fields: Any) -> tuple[str, str, dict[str, str]]:
        """(code, reason, metadata)."""
        body = await self.call(method, role, **fields)
        detail = next(d for d in body["details"] if d["type"].endswith("ErrorInfo"))["debug"]
        return body["code"], detail["reason"], detail.get("metadata", {})

    async def attach(self, card: str = GOOD, **fields: Any) -> dict[str, Any]:
        body = await self.call(
            "AttachPaymentMethod", billingAccountName=BILLING_ACCOUNT, stripePaymentMethodId=card, **fields
        )
        return body["paymentMethod"]


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    clock = ManualClock(datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC))
    engine = engine_for(database_url, pool_size=8)
    db = Database(engine, statement_timeout=timedelta(seconds=20))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        lab = await stack.enter_async_context(payments_lab(db, clock))
        api_keys, authenticator = ApiKeys(db, clock, live=False), Authenticator(db, clock)
        mine = lab.org_id
        other = await lab.open("other-org")
        lab.org_id = mine
        keys = {
            role.name: (await api_keys.issue(org_id=mine, role=role, display_name=role.name)).secret
            for role in (Role.VIEWER, Role.EDITOR)
        }
        keys["OTHER"] = (await api_keys.issue(org_id=other, role=Role.ADMIN, display_name="other")).secret
        keys["OPERATOR"] = (await api_keys.issue(org_id=None, role=Role.OPERATOR, display_name="op")).secret
        await stack.enter_async_context(authenticator)
        http = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(build(lab, db, authenticator)), base_url="http://test", timeout=30
            )
        )
        yield Api(lab, http, keys)


def build(lab: PaymentsLab, db: Database, authenticator: Authenticator) -> Any:
    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        yield

    scope = Scope(Directory(db))
    servicer = PaymentsServicer(scope, lab.topups, lab.methods)
    application: Any = WalletServiceASGIApplication
    return build_asgi(
        [RpcService(application, servicer, WalletService.desc())],
        http_routes=webhook_routes(lab.inbox),
        environment=Environment(
            authenticate=authenticator.authenticate,
            database_ok=db.is_reachable,
            draining=asyncio.Event(),
            lifespan=lifespan,
            moment_of_call=scope.moment,
        ),
        options=RpcOptions(),
    )


async def test_a_card_in_the_browser(api: Api):
    made = await api.call("CreateStripeTopUpIntent", walletName=WALLET, amountMinor=5000, currency="usd")
    top_up, secret = made["topUp"], made["clientSecret"]
    assert top_up["name"].startswith(f"{ORG}/topUps/")
    assert top_up == {
        "name": top_up["name"],
        "walletName": WALLET,
        "method": "stripe-card",
        "amountMinor": "5000",
        "currency": "USD",
        "state": "PENDING",
        "origin": "manual",
        "externalId": secret.partition("_secret")[0],
        "createTimeUnix": top_up["createTimeUnix"],
        "updateTimeUnix": top_up["updateTimeUnix"],
    }
    assert (await api.lab.control(f"payment_intents/{top_up['externalId']}/pay", payment_method=GOOD)).is_success
    await api.lab.settle_everything()
    paid = (await api.call("GetTopUp", name=top_up["name"]))["topUp"]
    assert paid["state"] == "SUCCEEDED"
    assert paid["journalEntryId"]
    listed = await api.call("ListTopUps", "VIEWER", walletName=WALLET, state="SUCCEEDED")
    assert listed["topUps"] == [paid]
    assert await api.call("ListTopUps", walletName=WALLET, state="PENDING") == {}


async def test_a_saved_card_in_both_spellings(api: Api):
    method = await api.attach(name=f"{ORG}/payment-methods/pm_abc")
    assert method["name"] == f"{ORG}/payment-methods/pm_abc"
    assert (method["brand"], method["last4"], method["isDefault"]) == ("visa", "4242", True)
    assert method["billingAccountName"] == BILLING_ACCOUNT
    made = await api.call(
        "CreateStripeTopUpIntent",
        package="aes.wallet.v1",
        walletName="wallets/my-org",
        amountMinor=700,
        paymentMethodName="payment-methods/pm_abc",
        idempotencyKey="k1",
    )
    assert made["topUp"]["state"] == "SUCCEEDED"
    assert made["topUp"]["walletName"] == "wallets/my-org"
    assert made["topUp"]["name"].startswith("topUps/")
    assert "clientSecret" not in made
    flat = await api.call("ListPaymentMethods", package="aes.wallet.v1", billingAccountName="billing-accounts/my-org")
    assert [row["name"] for row in flat["paymentMethods"]] == ["payment-methods/pm_abc"]
    again = await api.call(
        "CreateStripeTopUpIntent",
        walletName=WALLET,
        amountMinor=700,
        paymentMethodName=f"{ORG}/payment-methods/pm_abc",
        idempotencyKey="k1",
    )
    assert again["topUp"]["name"] == f"{ORG}/{made['topUp']['name']}"


async def test_default_and_detach(api: Api):
    first, second = await api.attach(GOOD), await api.attach("pm_card_mastercard")
    chosen = await api.call("SetDefaultPaymentMethod", name=second["name"])
    assert chosen["paymentMethod"]["isDefault"] is True
    flat_name = first["name"].removeprefix(f"{ORG}/")
    assert await api.call("DetachPaymentMethod", name=flat_name) == {}
    assert await api.call("DetachPaymentMethod", name=flat_name) == {}
    left = (await api.call("ListPaymentMethods", billingAccountName=BILLING_ACCOUNT))["paymentMethods"]
    assert [row["name"] for row in left] == [second["name"]]


async def test_setup_intent(api: Api):
    fields = {"billingAccountName": BILLING_ACCOUNT, "idempotencyKey": "s1"}
    first = await api.call("CreateCardSetupIntent", **fields)
    assert first["clientSecret"].startswith("seti_")
    assert await api.call("CreateCardSetupIntent", **fields) == first


async def test_3d_secure_and_decline(api: Api):
    careful, declined = await api.attach(AUTHENTICATE), await api.attach(DECLINED_AFTER_SAVING)
    made = await api.call(
        "CreateStripeTopUpIntent", walletName=WALLET, amountMinor=5000, paymentMethodName=careful["name"]
    )
    assert made["topUp"]["state"] == "PENDING"
    assert made["clientSecret"]
    code, reason, metadata = await api.refusal(
        "CreateStripeTopUpIntent", walletName=WALLET, amountMinor=5000, paymentMethodName=declined["name"]
    )
    assert (code, reason, metadata["decline_code"]) == ("failed_precondition", "PAYMENT_DECLINED", "generic_decline")


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"amountMinor": 10}, "invalid_argument", "AMOUNT_TOO_SMALL"),
        ({"amountMinor": 2_000_000}, "invalid_argument", "AMOUNT_TOO_LARGE"),
        ({"amountMinor": 0}, "invalid_argument", "INVALID_FIELD"),
        ({"amountMinor": -5}, "invalid_argument", "INVALID_FIELD"),
        ({"amountMinor": 500, "currency": "EUR"}, "invalid_argument", "CURRENCY_MISMATCH"),
        ({"amountMinor": 500, "currency": "dollars"}, "invalid_argument", "INVALID_FIELD"),
        (
            {"amountMinor": 500, "walletName": "organizations/other-org/wallets/default"},
            "not_found",
            "RESOURCE_NOT_FOUND",
        ),
        ({"amountMinor": 500, "walletName": "organizations/nobody/wallets/default"}, "not_found", "RESOURCE_NOT_FOUND"),
        ({"amountMinor": 500, "walletName": "nonsense"}, "invalid_argument", "INVALID_FIELD"),
        ({"amountMinor": 500, "paymentMethodName": f"{ORG}/payment-methods/pm_x"}, "not_found", "RESOURCE_NOT_FOUND"),
        (
            {"amountMinor": 500, "paymentMethodName": "organizations/other-org/payment-methods/pm_x"},
            "not_found",
            "RESOURCE_NOT_FOUND",
        ),
    ],
)
async def test_what_a_top_up_is_refused_for(api: Api, fields: dict[str, Any], code: str, reason: str):
    found = await api.refusal("CreateStripeTopUpIntent", **{"walletName": WALLET, **fields})
    assert found[:2] == (code, reason)


async def test_a_used_key_with_other_content(api: Api):
    await api.call("CreateStripeTopUpIntent", walletName=WALLET, amountMinor=500, idempotencyKey="k1")
    found = await api.refusal("CreateStripeTopUpIntent", walletName=WALLET, amountMinor=600, idempotencyKey="k1")
    assert found[:2] == ("already_exists", "IDEMPOTENCY_KEY_REUSED")


async def test_roles_and_other_organizations(api: Api):
    made = await api.call("CreateStripeTopUpIntent", walletName=WALLET, amountMinor=500)
    method = await api.attach()
    assert (await api.refusal("CreateStripeTopUpIntent", "VIEWER", walletName=WALLET, amountMinor=500))[
        1
    ] == "ROLE_TOO_LOW"
    not_found = ("not_found", "RESOURCE_NOT_FOUND")
    for name in (made["topUp"]["name"], made["topUp"]["name"].removeprefix(f"{ORG}/")):
        assert (await api.refusal("GetTopUp", "OTHER", name=name))[:2] == not_found
    for name in (method["name"], method["name"].removeprefix(f"{ORG}/")):
        assert (await api.refusal("DetachPaymentMethod", "OTHER", name=name))[:2] == not_found
        assert (await api.refusal("SetDefaultPaymentMethod", "OTHER", name=name))[:2] == not_found
    assert (await api.refusal("GetTopUp", name="topUps/not-an-id"))[:2] == not_found
    assert (await api.call("GetTopUp", "OPERATOR", name=made["topUp"]["name"]))["topUp"] == made["topUp"]
    assert (await api.refusal("GetTopUp", "OPERATOR", name="topUps/some-id"))[:2] == not_found


async def test_an_unknown_outcome_and_its_repetition(api: Api):
    card = await api.attach()
    fields = {"walletName": WALLET, "amountMinor": 900, "paymentMethodName": card["name"], "idempotencyKey": "k1"}
    await api.lab.fault("disconnect_after")
    code, reason, metadata = await api.refusal("CreateStripeTopUpIntent", **fields)
    assert (code, reason) == ("unavailable", "OUTCOME_UNKNOWN")
    [pending] = (await api.call("ListTopUps", walletName=WALLET))["topUps"]
    assert pending["state"] == "PENDING"
    assert pending["name"].endswith(metadata["top_up_id"])
    again = await api.call("CreateStripeTopUpIntent", **fields)
    assert again["topUp"]["name"] == pending["name"]
    assert again["topUp"]["state"] == "SUCCEEDED"


async def test_the_webhook_route_is_served_by_the_same_application(api: Api):
    answer = await api.http.post("/webhooks/stripe", content=b"{}", headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_argument"


async def test_a_checkout_in_usdc(api: Api):
    made = await api.call("CreateCoinbaseTopUpCheckout", walletName=WALLET, amountMinor=2500, idempotencyKey="k1")
    top_up = made["topUp"]
    assert (top_up["method"], top_up["state"]) == ("coinbase", "PENDING")
    assert made["hostedUrl"] == top_up["hostedUrl"]
    again = await api.call("CreateCoinbaseTopUpCheckout", walletName=WALLET, amountMinor=2500, idempotencyKey="k1")
    assert again == made
    await api.lab.chain(f"checkouts/{top_up['externalId']}/pay")
    await api.lab.settle_everything()
    paid = (await api.call("GetTopUp", "VIEWER", name=top_up["name"]))["topUp"]
    assert (paid["state"], paid["feeMinor"], paid["feeCurrency"]) == ("SUCCEEDED", "25", "USD")
    assert "hostedUrl" not in paid
    code, _, _ = await api.refusal("CreateCoinbaseTopUpCheckout", walletName=WALLET, amountMinor=499)
    assert code == "invalid_argument"


async def test_confirming_on_session(api: Api):
    await api.attach(AUTHENTICATE, name=f"{ORG}/payment-methods/card")
    made = await api.call(
        "CreateStripeTopUpIntent",
        walletName=WALLET,
        amountMinor=5000,
        paymentMethodName=f"{ORG}/payment-methods/card",
    )
    name = made["topUp"]["name"]
    assert (await api.call("ConfirmTopUp", name=name))["clientSecret"] == made["clientSecret"]
    await api.lab.control(f"payment_intents/{made['topUp']['externalId']}/authenticate", outcome="succeed")
    await api.lab.settle_everything()
    confirmed = await api.call("ConfirmTopUp", name=name)
    assert confirmed["topUp"]["state"] == "SUCCEEDED"
    assert "clientSecret" not in confirmed
    code, reason, _ = await api.refusal("ConfirmTopUp", name=f"{ORG}/topUps/unknown")
    assert (code, reason) == ("not_found", "RESOURCE_NOT_FOUND")
