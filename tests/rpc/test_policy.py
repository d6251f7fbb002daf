"""The policy table as a table: default deny, and decisions by role and owner."""

import asyncio
import uuid
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from connectrpc_grpcreflect import ServerReflectionASGIApplication, ServerReflectionService
from protobuf.wkt.google.protobuf.descriptor_pb import MethodOptions
from wallet_api.billing.v1.account_service_connect import AccountService
from wallet_api.billing.v1.catalog_service_connect import CatalogService
from wallet_api.billing.v1.ledger_service_connect import LedgerService
from wallet_api.billing.v1.promotion_service_connect import PromotionService
from wallet_api.billing.v1.test_clock_service_connect import TestClockService as ClockService
from wallet_api.billing.v1.usage_service_connect import UsageService
from wallet_api.wallet.v1.credit_service_connect import CreditService
from wallet_api.wallet.v1.wallet_service_connect import (
    WalletService,
    WalletServiceASGIApplication,
)
from wallet_api.wallet.v1.webhook_service_connect import WebhookService

from tests.rpc.scripted_app import ScriptedWallet, authenticate, database_ok
from wallet_service.errors import Code, ServiceError
from wallet_service.principal import Principal, Role
from wallet_service.rpc.authorization import decide
from wallet_service.rpc.composition import Environment, RpcOptions, RpcService, build_asgi
from wallet_service.rpc.policy import POLICY, Permission, Rule, check

OURS = (
    WalletService,
    CreditService,
    WebhookService,
    AccountService,
    LedgerService,
    CatalogService,
    UsageService,
    PromotionService,
    ClockService,
)

ORG_ID = uuid.uuid4()
VIEWER, EDITOR, ADMIN = (
    Principal(uuid.uuid4(), ORG_ID, "my-org", role) for role in (Role.VIEWER, Role.EDITOR, Role.ADMIN)
)
OPERATOR = Principal(uuid.uuid4(), None, None, Role.OPERATOR)


def compose(service: RpcService, policy: dict[str, Rule]) -> Any:
    environment = Environment(
        authenticate=authenticate,
        database_ok=database_ok,
        draining=asyncio.Event(),
        lifespan=lambda: cast("Any", nullcontext()),
    )
    return build_asgi([service], http_routes=[], environment=environment, options=RpcOptions(), policy=policy)


def test_every_method_of_ours_has_an_entry_and_no_entry_is_stale() -> None:
    descriptors = [service.desc() for service in OURS]
    check(POLICY, descriptors)
    published = {f"{d.type_name}/{m.name}" for d in descriptors for m in d.methods}
    assert set(POLICY) == published


def test_a_method_without_an_entry_cannot_be_composed() -> None:
    wallet = RpcService(WalletServiceASGIApplication, ScriptedWallet(), WalletService.desc())
    compose(wallet, dict(POLICY))
    without = {name: rule for name, rule in POLICY.items() if not name.endswith("/GetWallet")}
    with pytest.raises(ValueError, match=r"wallet\.v1\.WalletService/GetWallet has no policy entry"):
        compose(wallet, without)


def test_a_stream_of_requests_cannot_be_composed() -> None:
    reflection = RpcService(ServerReflectionASGIApplication, object(), ServerReflectionService().desc())
    name = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    with pytest.raises(ValueError, match="ServerReflectionInfo is a stream of requests"):
        compose(reflection, {name: Rule(Permission.PUBLIC)})


def test_an_owner_field_must_exist() -> None:
    broken = {**POLICY, "wallet.v1.WalletService/GetWallet": POLICY["billing.v1.LedgerService/CreateHold"]}
    with pytest.raises(ValueError, match="GetWallet has no request field wallet_name"):
        check(broken, [WalletService.desc()])


def test_only_the_public_price_list_needs_no_key() -> None:
    public = {name for name, rule in POLICY.items() if rule.permission is Permission.PUBLIC}
    assert public == {"wallet.v1.WalletService/ListPublicMeterRates"}


def test_reads_need_at_most_admin_and_writes_more_than_viewer() -> None:
    for service in OURS:
        for method in service.desc().methods:
            permission = POLICY[f"{service.desc().type_name}/{method.name}"].permission
            if service in (PromotionService, ClockService):
                assert permission is Permission.OPERATOR, method
            elif method.idempotency == MethodOptions.IdempotencyLevel.NO_SIDE_EFFECTS:
                assert permission is not Permission.OPERATOR, method
            else:
                # These two make a file of what their caller may read.
                if method.name not in ("ExportUsage", "DownloadInvoicePDF"):
                    assert permission not in (Permission.PUBLIC, Permission.VIEWER), method


OUR_WALLET = "organizations/my-org/wallets/default"
OTHER_WALLET = "wallets/other"
OUR_CARD = "payment-methods/pm1"
OTHER_CARD = "organizations/other/payment-methods/pm1"

TOP_UP = "wallet.v1.WalletService/CreateStripeTopUpIntent"
USAGE = "wallet.v1.WalletService/QueryUsage"
KEYS = "billing.v1.AccountService/CreateApiKey"
DEPOSIT = "billing.v1.LedgerService/Deposit"
LIST = "wallet.v1.WalletService/ListBillingAccounts"


@pytest.mark.parametrize(
    ("method", "principal", "fields", "expected"),
    [
        (TOP_UP, EDITOR, {"wallet_name": OUR_WALLET}, "my-org"),
        (TOP_UP, ADMIN, {"wallet_name": OUR_WALLET, "payment_method_name": OUR_CARD}, "my-org"),
        (TOP_UP, VIEWER, {"wallet_name": OUR_WALLET}, Code.PERMISSION_DENIED),
        (TOP_UP, VIEWER, {"wallet_name": OTHER_WALLET}, Code.NOT_FOUND),
        (TOP_UP, ADMIN, {"wallet_name": OTHER_WALLET}, Code.NOT_FOUND),
        (TOP_UP, ADMIN, {"wallet_name": OUR_WALLET, "payment_method_name": OTHER_CARD}, Code.NOT_FOUND),
        (TOP_UP, ADMIN, {"wallet_name": "Wallets/x"}, Code.INVALID_ARGUMENT),
        (TOP_UP, OPERATOR, {"wallet_name": OTHER_WALLET}, "other"),
        (TOP_UP, OPERATOR, {"wallet_name": OUR_WALLET, "payment_method_name": OTHER_CARD}, Code.NOT_FOUND),
        (USAGE, VIEWER, {"project_name": "projects/anything"}, "my-org"),
        (USAGE, VIEWER, {"organization_name": "organizations/other"}, Code.NOT_FOUND),
        (USAGE, OPERATOR, {"project_name": "projects/anything"}, None),
        (KEYS, ADMIN, {"organization_name": "organizations/my-org"}, "my-org"),
        (KEYS, EDITOR, {"organization_name": "organizations/my-org"}, Code.PERMISSION_DENIED),
        (KEYS, ADMIN, {}, Code.PERMISSION_DENIED),
        (KEYS, OPERATOR, {}, None),
        (DEPOSIT, ADMIN, {"wallet_name": OUR_WALLET}, Code.PERMISSION_DENIED),
        (DEPOSIT, ADMIN, {"wallet_name": OTHER_WALLET}, Code.NOT_FOUND),
        (LIST, VIEWER, {}, "my-org"),
        (LIST, OPERATOR, {}, None),
    ],
)
def test_decisions(method: str, principal: Principal, fields: dict[str, str], expected: str | Code | None) -> None:
    rule = POLICY[method]
    request = SimpleNamespace(**{named.field: fields.get(named.field, "") for named in rule.owner})
    if isinstance(expected, Code):
        with pytest.raises(ServiceError) as caught:
            decide(rule, principal, request)
        assert caught.value.code is expected
    else:
        assert decide(rule, principal, request) == expected


def test_a_principal_without_organization_is_an_operator() -> None:
    with pytest.raises(ValueError, match="only an operator"):
        Principal(uuid.uuid4(), None, None, Role.ADMIN)
    with pytest.raises(ValueError, match="both"):
        Principal(uuid.uuid4(), ORG_ID, None, Role.ADMIN)
