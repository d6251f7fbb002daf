"""What the rules in the protos of `wallet.v1` accept and refuse, before any of our code runs."""

import protovalidate
import pytest
from protobuf import Message
from wallet_api.wallet.v1 import operator_messages_pb as operator
from wallet_api.wallet.v1 import wallet_service_pb as wallet
from wallet_api.wallet.v1.journal_pb import LedgerPosting, PostingDirection
from wallet_api.wallet.v1.usage_pb import UsageGroupBy

WALLET = "organizations/my-org/wallets/default"
LEG = LedgerPosting(account_code="TOPUP_CLEARING", amount_minor=1, direction=PostingDirection.DEBIT)
ACCEPTED = {
    "wallet, canonical": wallet.GetWalletRequest(name=WALLET),
    "wallet, flat": wallet.GetWalletRequest(name="wallets/my-org"),
    "card, canonical": wallet.DetachPaymentMethodRequest(name="organizations/my-org/payment-methods/pm_abc"),
    "card, flat": wallet.DetachPaymentMethodRequest(name="payment-methods/pm_abc"),
    "largest page": wallet.ListTopUpsRequest(wallet_name=WALLET, page_size=1000),
    "forecast by wallet": wallet.GetCostForecastRequest(wallet_name=WALLET),
    "forecast by account": wallet.GetCostForecastRequest(
        billing_account_name="billing-accounts/my-org", period="daily"
    ),
    "usage by both groupings": wallet.QueryUsageRequest(
        project_name="projects/my-app",
        dimensions=["category", "project", "meter", "resource", "datacenter"],
        group_by=UsageGroupBy.CATEGORY,
        start_time_unix=1,
        end_time_unix=1,
    ),
    "top-up without key": wallet.CreateStripeTopUpIntentRequest(wallet_name=WALLET, amount_minor=1),
    "longest key": wallet.CreateStripeTopUpIntentRequest(wallet_name=WALLET, amount_minor=1, idempotency_key="k" * 255),
    "least crypto": wallet.CreateCoinbaseTopUpCheckoutRequest(wallet_name=WALLET, amount_minor=500),
    "recharging off": wallet.ConfigureAutoRechargeRequest(wallet_name=WALLET),
    "alerts cleared": wallet.ConfigureWalletAlertsRequest(wallet_name=WALLET),
    "correction of usage": operator.RecordUsageEventRequest(
        project_name="projects/p", meter="m", quantity="-0.5", idempotency_key="k"
    ),
    "settlement by rate": operator.SettleUsageToLedgerRequest(
        usage_event_id="e", wallet_name=WALLET, use_registered_meter_rate=True
    ),
}
REFUSED = {
    "no name": (wallet.GetWalletRequest(), "string.pattern"),
    "another kind's name": (
        wallet.GetWalletRequest(name="billing-accounts/my-org"),
        "string.pattern",
    ),
    "page too large": (
        wallet.ListTopUpsRequest(wallet_name=WALLET, page_size=1001),
        "int32.gte_lte",
    ),
    "page negative": (
        wallet.ListTopUpsRequest(wallet_name=WALLET, page_size=-1),
        "int32.gte_lte",
    ),
    "unknown state": (
        wallet.ListTopUpsRequest(wallet_name=WALLET, state="pending"),
        "string.in",
    ),
    "forecast of nothing": (wallet.GetCostForecastRequest(), "message.oneof"),
    "forecast of two": (
        wallet.GetCostForecastRequest(wallet_name=WALLET, billing_account_name="billing-accounts/my-org"),
        "message.oneof",
    ),
    "unknown period": (
        wallet.GetCostForecastRequest(wallet_name=WALLET, period="yearly"),
        "string.in",
    ),
    "usage of nothing": (wallet.QueryUsageRequest(), "message.oneof"),
    "usage of two": (
        wallet.QueryUsageRequest(project_name="projects/p", organization_name="organizations/o"),
        "message.oneof",
    ),
    "unknown dimension": (
        wallet.QueryUsageRequest(project_name="projects/p", dimensions=["colour"]),
        "string.in",
    ),
    "dimension twice": (
        wallet.QueryUsageRequest(project_name="projects/p", dimensions=["meter", "meter"]),
        "repeated.unique",
    ),
    "range backwards": (
        wallet.QueryUsageRequest(project_name="projects/p", start_time_unix=2, end_time_unix=1),
        "usage.range",
    ),
    "time before 1970": (
        wallet.ExportUsageRequest(project_name="projects/p", start_time_unix=-1),
        "int64.gte_lte",
    ),
    "amount 0": (
        wallet.CreateStripeTopUpIntentRequest(wallet_name=WALLET),
        "int64.gt",
    ),
    "amount negative": (
        wallet.CreateStripeTopUpIntentRequest(wallet_name=WALLET, amount_minor=-1),
        "int64.gt",
    ),
    "key too long": (
        wallet.CreateStripeTopUpIntentRequest(wallet_name=WALLET, amount_minor=1, idempotency_key="k" * 256),
        "string.max_len",
    ),
    "too little crypto": (
        wallet.CreateCoinbaseTopUpCheckoutRequest(wallet_name=WALLET, amount_minor=499),
        "int64.gte",
    ),
    "recharging of nothing": (
        wallet.ConfigureAutoRechargeRequest(
            wallet_name=WALLET,
            enabled=True,
            threshold_minor=1,
            payment_method_name="payment-methods/pm_abc",
        ),
        "auto_recharge.amount_minor",
    ),
    "alert below 0": (
        wallet.ConfigureWalletAlertsRequest(wallet_name=WALLET, balance_alert_minor=-1),
        "int64.gte",
    ),
    "one leg": (
        operator.RecordJournalEntryRequest(wallet_name=WALLET, idempotency_key="k", postings=[LEG]),
        "repeated.min_items",
    ),
    "leg without side": (
        operator.RecordJournalEntryRequest(
            wallet_name=WALLET,
            idempotency_key="k",
            postings=[LEG, LedgerPosting(account_code="A", amount_minor=1)],
        ),
        "enum.not_in",
    ),
    "entry without key": (
        operator.RecordJournalEntryRequest(wallet_name=WALLET, postings=[LEG, LEG]),
        "string.min_len",
    ),
    "quantity in words": (
        operator.RecordUsageEventRequest(project_name="projects/p", meter="m", quantity="1e3", idempotency_key="k"),
        "string.pattern",
    ),
    "settlement of nothing": (
        operator.SettleUsageToLedgerRequest(usage_event_id="e", wallet_name=WALLET),
        "settle_usage.amount",
    ),
}


def broken_rules(request: Message[str]) -> set[str]:
    return {violation.proto.rule_id for violation in protovalidate.collect_violations(request)}


@pytest.mark.parametrize("request_", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(request_: Message[str]) -> None:
    assert broken_rules(request_) == set()


@pytest.mark.parametrize(("request_", "rule"), REFUSED.values(), ids=REFUSED)
def test_refused_by_its_rule(request_: Message[str], rule: str) -> None:
    assert broken_rules(request_) == {rule}
