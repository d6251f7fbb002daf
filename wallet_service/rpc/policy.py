"""Who may call what: one entry for each method, and how its request tells whose data it is about.

Rules. A key acts inside its own organization; an operator acts in any. A request about another organization is answered as
if that did not exist, for reads and writes alike, before the role is looked at. Inside its own organization a role that is
too low is PERMISSION_DENIED. A method without an entry cannot be served.

A name that does not tell its organization (`projects/{project}`, the flat `topUps/{id}`) is left to the operation, which
looks it up inside the principal's scope.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from connectrpc.method import MethodInfo
from protobuf import DescService

from wallet_service import names
from wallet_service.principal import Role


class Permission(Enum):
    """The least role that may call a method; PUBLIC needs no key at all."""

    PUBLIC = None
    VIEWER = Role.VIEWER
    EDITOR = Role.EDITOR
    ADMIN = Role.ADMIN
    OPERATOR = Role.OPERATOR


@dataclass(frozen=True, slots=True)
class Named:
    """A request field with a resource name; `organization_of(name, field)` reads the slug, None when it is not told."""

    field: str
    kind: str
    organization_of: Callable[[str, str], str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """`owner` fields are looked at in order; empty ones are skipped.

    With `platform_when_unnamed`, a request that names no organization is about the platform and needs an operator;
    without, it is about the caller's own organization. `waits`: the method may wait long for others, as a payment
    provider, a customer's server or a large file; such calls take a part of the process only.
    """

    permission: Permission
    owner: tuple[Named, ...] = ()
    platform_when_unnamed: bool = False
    waits: bool = False


Policy = Mapping[str, Rule]


_COVERED_KINDS: Final = frozenset({"unary", "server_streaming"})


def method_name(method: MethodInfo[Any, Any]) -> str:
    """`package.Service/Method`, the key of the table."""
    return f"{method.service_name}/{method.name}"


def check(policy: Policy, services: Iterable[DescService]) -> None:
    """Default deny at composition: every method takes one request and has an entry whose fields exist.

    Raises ValueError that names what is wrong.
    """
    faults: list[str] = []
    for service in services:
        for method in service.methods:
            name = f"{service.type_name}/{method.name}"
            if method.method_kind not in _COVERED_KINDS:
                faults.append(f"{name} is a stream of requests, which the interceptors do not cover")
            rule = policy.get(name)
            if rule is None:
                faults.append(f"{name} has no policy entry")
                continue
            fields = {field.name for field in method.input.fields}
            faults += [
                f"{name} has no request field {named.field}" for named in rule.owner if named.field not in fields
            ]
    if faults:
        raise ValueError("; ".join(faults))


def _child_of(kind: str) -> Callable[[str, str], str | None]:
    return lambda name, field: names.parse_child(kind, name, field).org


def _project(name: str, field: str) -> None:
    names.parse_project(name, field)


def _organization(field: str) -> Named:
    return Named(field, "organization", names.parse_organization)


def _wallet(field: str) -> Named:
    return Named(field, "wallet", names.parse_wallet)


def _billing_account(field: str) -> Named:
    return Named(field, "billing account", names.parse_billing_account)


def _in_project(field: str) -> Named:
    return Named(field, "project", _project)


def _child(kind: str, title: str, field: str) -> Named:
    return Named(field, title, _child_of(kind))


def _api_key(field: str) -> Named:
    return Named(field, "API key", _organization_of_api_key)


def _organization_of_api_key(name: str, field: str) -> str | None:
    return names.parse_api_key(name, field).org


_P: Final = Permission
_PAYMENT_METHOD: Final = ("payment-methods", "payment method")
_TOP_UP: Final = ("topUps", "top-up")
_INVOICE: Final = ("invoices", "invoice")
_HOLD: Final = ("holds", "hold")
_ENTRY: Final = ("journal-entries", "journal entry")
_ENDPOINT: Final = ("webhook-endpoints", "webhook endpoint")
_EVENT: Final = ("events", "event")

_WALLET_SERVICE: Final = {
    "ListBillingAccounts": Rule(_P.VIEWER),
    "GetBillingAccount": Rule(_P.VIEWER, (_billing_account("name"),)),
    "GetWallet": Rule(_P.VIEWER, (_wallet("name"),)),
    "GetWalletBalance": Rule(_P.VIEWER, (_wallet("name"),)),
    "ListPublicMeterRates": Rule(_P.PUBLIC),
    "AttachPaymentMethod": Rule(
        _P.EDITOR,
        (_billing_account("billing_account_name"), _child(*_PAYMENT_METHOD, "name")),
        waits=True,
    ),
    "ListPaymentMethods": Rule(_P.VIEWER, (_billing_account("billing_account_name"),)),
    "DetachPaymentMethod": Rule(_P.EDITOR, (_child(*_PAYMENT_METHOD, "name"),), waits=True),
    "SetDefaultPaymentMethod": Rule(_P.EDITOR, (_child(*_PAYMENT_METHOD, "name"),)),
    "ListInvoices": Rule(_P.VIEWER, (_billing_account("billing_account_name"),)),
    "GetInvoice": Rule(_P.VIEWER, (_child(*_INVOICE, "name"),)),
    "DownloadInvoicePDF": Rule(_P.VIEWER, (_child(*_INVOICE, "name"),), waits=True),
    "ConfigureAutoRecharge": Rule(
        _P.EDITOR,
        (_wallet("wallet_name"), _child(*_PAYMENT_METHOD, "payment_method_name")),
    ),
    "GetAutoRechargeConfig": Rule(_P.VIEWER, (_wallet("wallet_name"),)),
    "GetCostForecast": Rule(_P.VIEWER, (_wallet("wallet_name"), _billing_account("billing_account_name"))),
    "ConfigureWalletAlerts": Rule(_P.EDITOR, (_wallet("wallet_name"),)),
    "GetWalletAlerts": Rule(_P.VIEWER, (_wallet("wallet_name"),)),
    "CreateStripeTopUpIntent": Rule(
        _P.EDITOR,
        (_wallet("wallet_name"), _child(*_PAYMENT_METHOD, "payment_method_name")),
        waits=True,
    ),
    "CreateCardSetupIntent": Rule(_P.EDITOR, (_billing_account("billing_account_name"),), waits=True),
    "CreateCoinbaseTopUpCheckout": Rule(_P.EDITOR, (_wallet("wallet_name"),), waits=True),
    "ListTopUps": Rule(_P.VIEWER, (_wallet("wallet_name"),)),
    "GetTopUp": Rule(_P.VIEWER, (_child(*_TOP_UP, "name"),)),
    "QueryUsage": Rule(_P.VIEWER, (_organization("organization_name"), _in_project("project_name"))),
    "ExportUsage": Rule(_P.VIEWER, (_organization("organization_name"), _in_project("project_name")), waits=True),
    "RedeemPromotionCode": Rule(_P.EDITOR, (_organization("organization_name"),)),
    "GetActivePromotion": Rule(_P.VIEWER, (_organization("organization_name"),)),
    "DeleteAutoRecharge": Rule(_P.EDITOR, (_wallet("wallet_name"),)),
    "ConfirmTopUp": Rule(_P.EDITOR, (_child(*_TOP_UP, "name"),), waits=True),
    "GetSpendingLimit": Rule(_P.VIEWER, (_wallet("wallet_name"),)),
    "SetSpendingLimit": Rule(_P.ADMIN, (_wallet("wallet_name"),)),
    "DeleteSpendingLimit": Rule(_P.ADMIN, (_wallet("wallet_name"),)),
    "AuthorizeSpend": Rule(_P.VIEWER, (_wallet("wallet_name"),)),
    "GetInvoicePreview": Rule(_P.VIEWER, (_billing_account("billing_account_name"),)),
    "ListActivity": Rule(_P.VIEWER, (_wallet("wallet_name"),)),
}

_CREDIT_SERVICE: Final = {
    method: Rule(permission, (_organization("organization_name"),), waits=method == "CreateTopUp")
    for method, permission in {
        "GetCreditBalance": _P.VIEWER,
        "GetUsageHistory": _P.VIEWER,
        "GetInvoiceHistory": _P.VIEWER,
        "GetInvoicePreview": _P.VIEWER,
        "CreateTopUp": _P.EDITOR,
        "GetTopUpStatus": _P.VIEWER,
        "GetTopUpConfig": _P.VIEWER,
        "SetTopUpConfig": _P.EDITOR,
        "DeleteTopUpConfig": _P.EDITOR,
        "GetSpendingLimit": _P.VIEWER,
        "SetSpendingLimit": _P.ADMIN,
        "DeleteSpendingLimit": _P.ADMIN,
    }.items()
}

_WEBHOOK_SERVICE: Final = {
    "CreateWebhookEndpoint": Rule(_P.ADMIN, (_organization("organization_name"),), waits=True),
    "GetWebhookEndpoint": Rule(_P.VIEWER, (_child(*_ENDPOINT, "name"),)),
    "ListWebhookEndpoints": Rule(_P.VIEWER, (_organization("organization_name"),)),
    "UpdateWebhookEndpoint": Rule(_P.ADMIN, (_child(*_ENDPOINT, "name"),), waits=True),
    "DeleteWebhookEndpoint": Rule(_P.ADMIN, (_child(*_ENDPOINT, "name"),)),
    "RotateWebhookSecret": Rule(_P.ADMIN, (_child(*_ENDPOINT, "name"),)),
    "SendTestEvent": Rule(_P.ADMIN, (_child(*_ENDPOINT, "name"),)),
    "ListWebhookDeliveries": Rule(_P.VIEWER, (_child(*_ENDPOINT, "name"),)),
    "RedeliverWebhook": Rule(_P.ADMIN, (_child(*_ENDPOINT, "name"), _child(*_EVENT, "event_name")), waits=True),
    "ListEvents": Rule(_P.VIEWER, (_organization("organization_name"),)),
    "WatchEvents": Rule(_P.VIEWER, (_organization("organization_name"),)),
}

_ACCOUNT_SERVICE: Final = {
    "CreateOrganization": Rule(_P.OPERATOR),
    "GetOrganization": Rule(_P.VIEWER, (_organization("name"),)),
    "ListOrganizations": Rule(_P.VIEWER),
    "UpdateOrganization": Rule(_P.OPERATOR, (_organization("name"),)),
    "GetBillingAccount": Rule(_P.VIEWER, (_billing_account("name"),)),
    "UpdateBillingAccount": Rule(_P.ADMIN, (_billing_account("name"),)),
    "CreateWallet": Rule(_P.OPERATOR, (_wallet("name"), _billing_account("billing_account_name"))),
    "ListWallets": Rule(_P.VIEWER, (_organization("organization_name"),)),
    "DeleteWallet": Rule(_P.OPERATOR, (_wallet("name"),)),
    "CreateProject": Rule(_P.ADMIN, (_organization("organization_name"),)),
    "GetProject": Rule(_P.VIEWER, (_in_project("name"),)),
    "ListProjects": Rule(_P.VIEWER, (_organization("organization_name"),)),
    "UpdateProject": Rule(_P.ADMIN, (_in_project("name"),)),
    "CreateApiKey": Rule(_P.ADMIN, (_organization("organization_name"),), platform_when_unnamed=True),
    "GetApiKey": Rule(_P.ADMIN, (_api_key("name"),)),
    "ListApiKeys": Rule(_P.ADMIN, (_organization("organization_name"),), platform_when_unnamed=True),
    "RevokeApiKey": Rule(_P.ADMIN, (_api_key("name"),)),
    "SuspendBillingAccount": Rule(_P.OPERATOR, (_billing_account("name"),)),
    "ResumeBillingAccount": Rule(_P.OPERATOR, (_billing_account("name"),)),
    "CloseBillingAccount": Rule(_P.OPERATOR, (_billing_account("name"),)),
    "GetSuspensionPolicy": Rule(_P.VIEWER, (_billing_account("name"),)),
    "UpdateSuspensionPolicy": Rule(_P.OPERATOR, (_billing_account("name"),)),
    "GetNotificationSettings": Rule(_P.VIEWER, (_billing_account("name"),)),
    "UpdateNotificationSettings": Rule(_P.ADMIN, (_billing_account("name"),)),
    "ListAuditEvents": Rule(_P.ADMIN, (_organization("organization_name"),), platform_when_unnamed=True),
}

_LEDGER_SERVICE: Final = {
    "RecordJournalEntry": Rule(_P.OPERATOR, (_wallet("wallet_name"),)),
    "RecordJournalEntries": Rule(_P.OPERATOR),
    "ListJournalEntries": Rule(_P.VIEWER, (_organization("organization_name"),)),
    "GetJournalEntry": Rule(_P.VIEWER, (_child(*_ENTRY, "name"),)),
    "CreateHold": Rule(_P.EDITOR, (_wallet("wallet_name"),)),
    "ExtendHold": Rule(_P.EDITOR, (_child(*_HOLD, "name"),)),
    "CaptureHold": Rule(_P.EDITOR, (_child(*_HOLD, "name"),)),
    "ReleaseHold": Rule(_P.EDITOR, (_child(*_HOLD, "name"),)),
    "ListHolds": Rule(_P.VIEWER, (_wallet("wallet_name"),)),
    "Deposit": Rule(_P.OPERATOR, (_wallet("wallet_name"),)),
    "Refund": Rule(_P.OPERATOR, (_child(*_ENTRY, "journal_entry_name"),)),
    "GetStatement": Rule(_P.VIEWER, (_wallet("wallet_name"),)),
    "VerifyLedger": Rule(_P.VIEWER, (_organization("organization_name"),), platform_when_unnamed=True, waits=True),
}

_CATALOG_SERVICE: Final = {
    "CreateMeter": Rule(_P.OPERATOR),
    "GetMeter": Rule(_P.VIEWER),
    "ListMeters": Rule(_P.VIEWER),
    "UpdateMeter": Rule(_P.OPERATOR),
    "CreateRate": Rule(_P.OPERATOR),
    "ListRates": Rule(_P.VIEWER),
}

_USAGE_SERVICE: Final = {
    "RecordUsageEvents": Rule(_P.EDITOR, (_organization("organization_name"),)),
    "RecordUsageEvent": Rule(_P.EDITOR, (_in_project("project_name"),)),
    "ListUsageEvents": Rule(_P.VIEWER, (_organization("organization_name"), _in_project("project_name"))),
    "SettleUsageToLedger": Rule(_P.OPERATOR, (_wallet("wallet_name"),)),
}

_PROMOTION_SERVICE: Final = {
    method: Rule(_P.OPERATOR)
    for method in ("CreateCampaign", "GetCampaign", "ListCampaigns", "CreatePromotionCodes", "ListPromotionCodes")
}

_TEST_CLOCK_SERVICE: Final = {
    method: Rule(_P.OPERATOR, waits=method == "AdvanceTestClock")
    for method in ("CreateTestClock", "GetTestClock", "ListTestClocks", "AdvanceTestClock", "DeleteTestClock")
}

POLICY: Final[Policy] = {
    f"{service}/{method}": rule
    for service, rules in (
        ("wallet.v1.WalletService", _WALLET_SERVICE),
        ("wallet.v1.CreditService", _CREDIT_SERVICE),
        ("wallet.v1.WebhookService", _WEBHOOK_SERVICE),
        ("billing.v1.AccountService", _ACCOUNT_SERVICE),
        ("billing.v1.LedgerService", _LEDGER_SERVICE),
        ("billing.v1.CatalogService", _CATALOG_SERVICE),
        ("billing.v1.UsageService", _USAGE_SERVICE),
        ("billing.v1.PromotionService", _PROMOTION_SERVICE),
        ("billing.v1.TestClockService", _TEST_CLOCK_SERVICE),
    )
    for method, rule in rules.items()
}
