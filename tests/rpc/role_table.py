"""The matrix of RPCs and roles as a table that a person can read, independent of the policy that it checks.

Requests are proto JSON; `{org}`, `{project}`, `{card}` and their like stand for rows of the organization that a cell is
about, `{n}` for a number that no other cell has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

VIEWER, EDITOR, ADMIN, OPERATOR, PUBLIC = "viewer", "editor", "admin", "operator", "public"
OK: Final = "ok"


@dataclass(frozen=True)
class Row:
    """What a method is for (`least` role), a request that works, and the field that tells whose it is.

    `answer` is what a caller gets who may call: `ok`, or the reason of the operation that shows that it was reached.
    Without `owner` the method belongs to nobody. `unnamed` is the answer to a request without the owner: INVALID_FIELD (it
    is required) or `platform`: for operators only, who get `operators`. `foreign`: what it is to others. `is_blind`: the
    name does not tell the organization, so a role that is too low is refused before anybody looks whose it is.
    """

    least: str
    request: Mapping[str, Any] = field(default_factory=dict[str, Any])
    owner: str = ""
    answer: str = OK
    unnamed: str = "INVALID_FIELD"
    operators: str = OK
    foreign: str = "RESOURCE_NOT_FOUND"
    is_blind: bool = False


WALLET, ACCOUNT, ORG = "{org}/wallets/default", "{org}/billing-accounts/default", "{org}"


def wallet(least: str, answer: str = OK, **fields: Any) -> Row:
    return Row(least, {"walletName": WALLET, **fields}, "walletName", answer)


def account(least: str, answer: str = OK, owner: str = "name", **fields: Any) -> Row:
    return Row(least, {owner: ACCOUNT, **fields}, owner, answer)


def org(least: str, answer: str = OK, unnamed: str = "INVALID_FIELD", operators: str = OK, **fields: Any) -> Row:
    return Row(least, {"organizationName": ORG, **fields}, "organizationName", answer, unnamed, operators)


def named(least: str, name: str, answer: str = OK, **fields: Any) -> Row:
    return Row(least, {"name": name, **fields}, "name", answer)


def nobodys(least: str, answer: str = OK, **fields: Any) -> Row:
    return Row(least, fields, answer=answer)


CARD, TOP_UP, INVOICE = "{org}/payment-methods/{card}", "{top_up}", "{invoice}"
LIMIT = {"amount": 500, "duration": "daily", "strategy": "fixed"}
USAGE = {"meter": "compute.gpu.h100.runtime_hours", "quantity": "1", "idempotencyKey": "use-{n}"}
TIME = "2026-03-01T12:00:00Z"
LATER = "2026-03-03T12:00:00Z"
LEGS = [
    {"accountCode": "CUSTOMER_PREPAY_LIABILITY", "amountMinor": "1", "direction": "POSTING_DIRECTION_DEBIT"},
    {"accountCode": "USAGE_REVENUE", "amountMinor": "1", "direction": "POSTING_DIRECTION_CREDIT"},
]

TABLE: Final[Mapping[str, Row]] = {
    "wallet.v1.WalletService/ListBillingAccounts": nobodys(VIEWER),
    "wallet.v1.WalletService/GetBillingAccount": account(VIEWER),
    "wallet.v1.WalletService/GetWallet": named(VIEWER, WALLET),
    "wallet.v1.WalletService/GetWalletBalance": named(VIEWER, WALLET),
    "wallet.v1.WalletService/ListPublicMeterRates": nobodys(PUBLIC),
    "wallet.v1.WalletService/AttachPaymentMethod": account(
        EDITOR, owner="billingAccountName", stripePaymentMethodId="pm_card_visa"
    ),
    "wallet.v1.WalletService/ListPaymentMethods": account(VIEWER, owner="billingAccountName"),
    "wallet.v1.WalletService/DetachPaymentMethod": named(EDITOR, "{org}/payment-methods/{spare_card}"),
    "wallet.v1.WalletService/SetDefaultPaymentMethod": named(EDITOR, CARD),
    "wallet.v1.WalletService/ListInvoices": account(VIEWER, owner="billingAccountName"),
    "wallet.v1.WalletService/GetInvoice": named(VIEWER, INVOICE),
    "wallet.v1.WalletService/DownloadInvoicePDF": named(VIEWER, INVOICE),
    "wallet.v1.WalletService/ConfigureAutoRecharge": wallet(
        EDITOR, enabled=True, thresholdMinor="1", amountMinor="1000", paymentMethodName=CARD
    ),
    "wallet.v1.WalletService/GetAutoRechargeConfig": wallet(VIEWER),
    "wallet.v1.WalletService/GetCostForecast": wallet(VIEWER),
    "wallet.v1.WalletService/ConfigureWalletAlerts": wallet(EDITOR, balanceAlertMinor="10"),
    "wallet.v1.WalletService/GetWalletAlerts": wallet(VIEWER),
    "wallet.v1.WalletService/CreateStripeTopUpIntent": wallet(EDITOR, amountMinor="1000", idempotencyKey="intent-{n}"),
    "wallet.v1.WalletService/CreateCardSetupIntent": account(
        EDITOR, owner="billingAccountName", idempotencyKey="setup-{n}"
    ),
    "wallet.v1.WalletService/CreateCoinbaseTopUpCheckout": wallet(
        EDITOR, "NOT_IMPLEMENTED", amountMinor="1000", idempotencyKey="crypto-{n}"
    ),
    "wallet.v1.WalletService/ListTopUps": wallet(VIEWER),
    "wallet.v1.WalletService/GetTopUp": named(VIEWER, TOP_UP),
    "wallet.v1.WalletService/QueryUsage": org(VIEWER),
    "wallet.v1.WalletService/ExportUsage": org(VIEWER),
    "wallet.v1.WalletService/RedeemPromotionCode": org(EDITOR, "PROMOTION_CODE_INVALID", code="NOPE-NOPE-NOPE"),
    "wallet.v1.WalletService/GetActivePromotion": org(VIEWER),
    "wallet.v1.WalletService/DeleteAutoRecharge": wallet(EDITOR),
    "wallet.v1.WalletService/ConfirmTopUp": named(EDITOR, TOP_UP),
    "wallet.v1.WalletService/GetSpendingLimit": wallet(VIEWER),
    "wallet.v1.WalletService/SetSpendingLimit": wallet(ADMIN, amountMinor="90000", duration="daily", strategy="fixed"),
    "wallet.v1.WalletService/DeleteSpendingLimit": wallet(ADMIN),
    "wallet.v1.WalletService/AuthorizeSpend": wallet(VIEWER, amountMinor="1"),
    "wallet.v1.WalletService/GetInvoicePreview": account(VIEWER, owner="billingAccountName"),
    "wallet.v1.WalletService/ListActivity": wallet(VIEWER),
    "wallet.v1.CreditService/GetCreditBalance": org(VIEWER),
    "wallet.v1.CreditService/GetUsageHistory": org(VIEWER, valueGroupingWindow="day"),
    "wallet.v1.CreditService/GetInvoiceHistory": org(VIEWER),
    "wallet.v1.CreditService/GetInvoicePreview": org(VIEWER),
    "wallet.v1.CreditService/CreateTopUp": org(EDITOR, amount=1000, idempotencyKey="credits-{n}"),
    "wallet.v1.CreditService/GetTopUpStatus": org(VIEWER, paymentIntentId=TOP_UP),
    "wallet.v1.CreditService/GetTopUpConfig": org(VIEWER),
    "wallet.v1.CreditService/SetTopUpConfig": org(EDITOR, amount=1000, threshold=500),
    "wallet.v1.CreditService/DeleteTopUpConfig": org(EDITOR),
    "wallet.v1.CreditService/GetSpendingLimit": org(VIEWER),
    "wallet.v1.CreditService/SetSpendingLimit": org(ADMIN, config=LIMIT),
    "wallet.v1.CreditService/DeleteSpendingLimit": org(ADMIN),
    "wallet.v1.WebhookService/CreateWebhookEndpoint": org(ADMIN, url="http://127.0.0.1:9/{n}"),
    "wallet.v1.WebhookService/GetWebhookEndpoint": named(VIEWER, "{endpoint}"),
    "wallet.v1.WebhookService/ListWebhookEndpoints": org(VIEWER),
    "wallet.v1.WebhookService/UpdateWebhookEndpoint": named(ADMIN, "{endpoint}", description="{n}"),
    "wallet.v1.WebhookService/DeleteWebhookEndpoint": named(ADMIN, "{fresh_endpoint}"),
    "wallet.v1.WebhookService/RotateWebhookSecret": named(ADMIN, "{endpoint}"),
    "wallet.v1.WebhookService/SendTestEvent": named(ADMIN, "{endpoint}"),
    "wallet.v1.WebhookService/ListWebhookDeliveries": named(VIEWER, "{endpoint}"),
    "wallet.v1.WebhookService/RedeliverWebhook": named(ADMIN, "{endpoint}", eventName="{event}"),
    "wallet.v1.WebhookService/ListEvents": org(VIEWER),
    "wallet.v1.WebhookService/WatchEvents": org(VIEWER, afterSequence="0"),
    "billing.v1.AccountService/CreateOrganization": nobodys(OPERATOR, organizationId="new-{n}"),
    "billing.v1.AccountService/GetOrganization": named(VIEWER, ORG),
    "billing.v1.AccountService/ListOrganizations": nobodys(VIEWER),
    "billing.v1.AccountService/UpdateOrganization": named(OPERATOR, ORG, displayName="{marker}"),
    "billing.v1.AccountService/GetBillingAccount": account(VIEWER),
    "billing.v1.AccountService/UpdateBillingAccount": account(ADMIN, displayName="{marker}"),
    "billing.v1.AccountService/CreateWallet": named(
        OPERATOR, WALLET, "RESOURCE_EXISTS", billingAccountName=ACCOUNT, currency="USD"
    ),
    "billing.v1.AccountService/ListWallets": org(VIEWER),
    "billing.v1.AccountService/DeleteWallet": named(OPERATOR, WALLET, "WALLET_NOT_EMPTY"),
    "billing.v1.AccountService/CreateProject": org(ADMIN, projectId="new-{n}"),
    "billing.v1.AccountService/GetProject": Row(VIEWER, {"name": "{project}"}, "name", is_blind=True),
    "billing.v1.AccountService/ListProjects": org(VIEWER),
    "billing.v1.AccountService/UpdateProject": Row(
        ADMIN, {"name": "{project}", "displayName": "{marker}"}, "name", is_blind=True
    ),
    "billing.v1.AccountService/CreateApiKey": org(
        ADMIN, unnamed="platform", operators="INVALID_FIELD", role="ROLE_VIEWER", displayName="{marker}"
    ),
    "billing.v1.AccountService/GetApiKey": named(ADMIN, "{org}/api-keys/{key}"),
    "billing.v1.AccountService/ListApiKeys": org(ADMIN, unnamed="platform"),
    "billing.v1.AccountService/RevokeApiKey": named(ADMIN, "{org}/api-keys/{spare_key}"),
    "billing.v1.AccountService/SuspendBillingAccount": account(OPERATOR),
    "billing.v1.AccountService/ResumeBillingAccount": account(OPERATOR),
    "billing.v1.AccountService/CloseBillingAccount": account(OPERATOR, "WALLET_NOT_EMPTY"),
    "billing.v1.AccountService/GetSuspensionPolicy": account(VIEWER),
    "billing.v1.AccountService/UpdateSuspensionPolicy": account(OPERATOR, policy={"graceHours": 3}),
    "billing.v1.AccountService/GetNotificationSettings": account(VIEWER),
    "billing.v1.AccountService/UpdateNotificationSettings": account(ADMIN, targets=[{"url": "{marker}@example.com"}]),
    "billing.v1.AccountService/ListAuditEvents": org(ADMIN, unnamed="platform"),
    "billing.v1.LedgerService/RecordJournalEntry": wallet(
        OPERATOR, idempotencyKey="entry-{n}", description="{marker}", postings=LEGS
    ),
    "billing.v1.LedgerService/RecordJournalEntries": nobodys(
        OPERATOR, entries=[{"walletName": "{org}/wallets/default", "idempotencyKey": "bulk-{n}", "postings": LEGS}]
    ),
    "billing.v1.LedgerService/ListJournalEntries": org(VIEWER),
    "billing.v1.LedgerService/GetJournalEntry": named(VIEWER, "{entry}"),
    "billing.v1.LedgerService/CreateHold": wallet(EDITOR, amountMinor="1", requestId="hold-{n}"),
    "billing.v1.LedgerService/ExtendHold": named(EDITOR, "{hold}", expireTime=LATER, requestId="extend-{n}"),
    "billing.v1.LedgerService/CaptureHold": named(
        EDITOR, "{hold}", amountMinor="1", keepRemaining=True, requestId="capture-{n}"
    ),
    "billing.v1.LedgerService/ReleaseHold": named(EDITOR, "{spare_hold}", requestId="release"),
    "billing.v1.LedgerService/ListHolds": wallet(VIEWER),
    "billing.v1.LedgerService/Deposit": wallet(OPERATOR, amountMinor="1", requestId="deposit-{n}"),
    "billing.v1.LedgerService/Refund": Row(
        OPERATOR,
        {"journalEntryName": "{entry}", "amountMinor": "1", "description": "back", "requestId": "refund-{n}"},
        "journalEntryName",
    ),
    "billing.v1.LedgerService/GetStatement": wallet(VIEWER, startTime=TIME, endTime=LATER),
    "billing.v1.LedgerService/VerifyLedger": org(VIEWER, unnamed="platform"),
    "billing.v1.CatalogService/CreateMeter": nobodys(
        OPERATOR, meterId="m{n}.x", displayName="x", unit="x", category="x"
    ),
    "billing.v1.CatalogService/GetMeter": nobodys(VIEWER, name="meters/compute.gpu.h100.runtime_hours"),
    "billing.v1.CatalogService/ListMeters": nobodys(VIEWER),
    "billing.v1.CatalogService/UpdateMeter": nobodys(
        OPERATOR, name="meters/compute.gpu.h100.runtime_hours", displayName="GPU"
    ),
    "billing.v1.CatalogService/CreateRate": nobodys(
        OPERATOR,
        meterName="meters/compute.gpu.h100.runtime_hours",
        unitPriceMinorDecimal="2",
        currency="EUR",
        effectiveTime=TIME,
    ),
    "billing.v1.CatalogService/ListRates": nobodys(VIEWER),
    "billing.v1.UsageService/RecordUsageEvents": org(EDITOR, events=[{"projectName": "{project}", **USAGE}]),
    "billing.v1.UsageService/RecordUsageEvent": Row(
        EDITOR, {"projectName": "{project}", **USAGE}, "projectName", foreign="PROJECT_UNKNOWN", is_blind=True
    ),
    "billing.v1.UsageService/ListUsageEvents": org(VIEWER),
    "billing.v1.UsageService/SettleUsageToLedger": wallet(
        OPERATOR, usageEventId="{usage_event}", idempotencyKey="settle", useRegisteredMeterRate=True
    ),
    "billing.v1.PromotionService/CreateCampaign": nobodys(
        OPERATOR,
        campaignId="campaign-{n}",
        campaign={
            "displayName": "Spring",
            "discountPct": 20,
            "discountDuration": "2592000s",
            "appliesToUsage": True,
        },
    ),
    "billing.v1.PromotionService/GetCampaign": nobodys(OPERATOR, name="campaigns/spring"),
    "billing.v1.PromotionService/ListCampaigns": nobodys(OPERATOR),
    "billing.v1.PromotionService/CreatePromotionCodes": nobodys(OPERATOR, campaignName="campaigns/spring", count=1),
    "billing.v1.PromotionService/ListPromotionCodes": nobodys(OPERATOR, campaignName="campaigns/spring"),
    "billing.v1.TestClockService/CreateTestClock": nobodys(OPERATOR, testClockId="clock-{n}", now=LATER),
    "billing.v1.TestClockService/GetTestClock": nobodys(OPERATOR, name="test-clocks/later"),
    "billing.v1.TestClockService/ListTestClocks": nobodys(OPERATOR),
    "billing.v1.TestClockService/AdvanceTestClock": nobodys(OPERATOR, name="test-clocks/later", target=LATER),
    "billing.v1.TestClockService/DeleteTestClock": nobodys(OPERATOR, name="test-clocks/spare"),
}
