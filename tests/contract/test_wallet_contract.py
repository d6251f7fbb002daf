"""The wire contract of `wallet.v1` keeps what its published SDK has: field numbers, names, types and methods."""

import json
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from wallet.v1 import operator_messages_pb2, wallet_service_pb2  # noqa: F401  (registers the messages)

PUBLISHED = json.loads(Path(__file__).with_name("published_wallet_contract.json").read_text())
ADDED_FROM = 100
RENAMED = {("QueryUsageRequest", 7): "dimensions"}
"""The name of field 7 went to the enum of the SDK page; its number and its JSON name stayed."""

SERVICE = wallet_service_pb2.DESCRIPTOR.services_by_name["WalletService"]
SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_DOUBLE: "double",
}


def message(name: str) -> Descriptor:
    return wallet_service_pb2.DESCRIPTOR.pool.FindMessageTypeByName(f"wallet.v1.{name}")


def type_of(field: FieldDescriptor) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields
        return f"map<{type_of(key)}, {type_of(value)}>"
    named = field.message_type or field.enum_type
    text = named.name if named is not None else SCALARS[field.type]
    if field.is_repeated:
        return f"repeated {text}"
    if field.containing_oneof is not None:
        return f"optional {text}"
    return text


@pytest.mark.parametrize("name", PUBLISHED["messages"])
def test_message_keeps_published_fields(name: str) -> None:
    ours = {
        field.number: f"{field.name} {type_of(field)}" for field in message(name).fields if field.number < ADDED_FROM
    }
    published = {
        int(number): f"{RENAMED.get((name, int(number)), text.split()[0])} {text.split(maxsplit=1)[1]}"
        for number, text in PUBLISHED["messages"][name].items()
    }
    assert ours == published


def test_service_has_the_published_methods() -> None:
    shapes = {method.name: (method.input_type.name, method.output_type.name) for method in SERVICE.methods}
    published = {name: (f"{name}Request", f"{name}Response") for name in PUBLISHED["methods"]}
    assert {name: shape for name, shape in shapes.items() if name in published} == published


def test_methods_that_we_added() -> None:
    assert {method.name for method in SERVICE.methods} - set(PUBLISHED["methods"]) == {
        "AuthorizeSpend",
        "ConfirmTopUp",
        "DeleteAutoRecharge",
        "DeleteSpendingLimit",
        "GetInvoicePreview",
        "GetSpendingLimit",
        "ListActivity",
        "SetSpendingLimit",
    }


def test_enums_keep_published_values() -> None:
    pool = wallet_service_pb2.DESCRIPTOR.pool
    for name, values in PUBLISHED["enums"].items():
        enum = pool.FindEnumTypeByName(f"wallet.v1.{name}")
        assert {value.name: value.number for value in enum.values} == values


def test_what_we_added_is_numbered_from_100() -> None:
    added = {
        (name, field.name, field.number, type_of(field))
        for name in PUBLISHED["messages"]
        for field in message(name).fields
        if field.number >= ADDED_FROM
    }
    assert added == {
        ("AutoRechargeConfig", "close_gap_max_minor", 106, "int64"),
        ("AutoRechargeConfig", "consented_at_unix", 108, "int64"),
        ("AutoRechargeConfig", "cooldown_seconds", 107, "int32"),
        ("AutoRechargeConfig", "daily_cap_minor", 104, "int64"),
        ("AutoRechargeConfig", "disabled_reason", 100, "string"),
        ("AutoRechargeConfig", "last_error", 101, "string"),
        ("AutoRechargeConfig", "last_failed_at_unix", 102, "int64"),
        ("AutoRechargeConfig", "mandate_text", 109, "string"),
        ("AutoRechargeConfig", "monthly_cap_minor", 105, "int64"),
        ("AutoRechargeConfig", "next_attempt_at_unix", 103, "int64"),
        ("AutoRechargeConfig", "pending_top_up_name", 110, "string"),
        ("ConfigureAutoRechargeRequest", "close_gap_max_minor", 102, "int64"),
        ("ConfigureAutoRechargeRequest", "cooldown_seconds", 103, "int32"),
        ("ConfigureAutoRechargeRequest", "daily_cap_minor", 100, "int64"),
        ("ConfigureAutoRechargeRequest", "mandate_text", 104, "string"),
        ("ConfigureAutoRechargeRequest", "monthly_cap_minor", 101, "int64"),
        ("GetCostForecastRequest", "wallet_name", 100, "string"),
        ("GetCostForecastResponse", "categories", 108, "repeated CategoryForecast"),
        ("GetCostForecastResponse", "committed_hourly_minor_decimal", 109, "string"),
        ("GetCostForecastResponse", "days_remaining", 106, "optional int32"),
        ("GetCostForecastResponse", "depletes_at_p10_unix", 104, "int64"),
        ("GetCostForecastResponse", "depletes_at_p90_unix", 105, "int64"),
        ("GetCostForecastResponse", "depletes_at_unix", 103, "int64"),
        ("GetCostForecastResponse", "method", 107, "string"),
        ("GetCostForecastResponse", "pattern_total_minor", 100, "int64"),
        ("GetCostForecastResponse", "pattern_total_p10_minor", 101, "int64"),
        ("GetCostForecastResponse", "pattern_total_p90_minor", 102, "int64"),
        ("GetWalletBalanceResponse", "available_minor", 100, "int64"),
        ("GetWalletBalanceResponse", "carry_minor_decimal", 102, "string"),
        ("GetWalletBalanceResponse", "held_minor", 101, "int64"),
        ("DownloadInvoicePDFRequest", "paper", 100, "string"),
        ("Invoice", "adjusted_minor", 106, "int64"),
        ("Invoice", "carried_in_minor_decimal", 113, "string"),
        ("Invoice", "carried_out_minor_decimal", 114, "string"),
        ("Invoice", "categories", 110, "repeated InvoiceShare"),
        ("Invoice", "closing_balance_minor", 107, "int64"),
        ("Invoice", "days", 112, "repeated InvoiceDay"),
        ("Invoice", "kind", 100, "string"),
        ("Invoice", "number", 101, "string"),
        ("Invoice", "opening_balance_minor", 102, "int64"),
        ("Invoice", "origin", 109, "string"),
        ("Invoice", "projects", 111, "repeated InvoiceShare"),
        ("Invoice", "refunded_minor", 104, "int64"),
        ("Invoice", "spent_minor", 105, "int64"),
        ("Invoice", "top_up_name", 108, "string"),
        ("Invoice", "topped_up_minor", 103, "int64"),
        ("InvoiceLineItem", "amount_minor_decimal", 102, "string"),
        ("InvoiceLineItem", "category", 104, "string"),
        ("InvoiceLineItem", "kind", 100, "string"),
        ("InvoiceLineItem", "quantity_decimal", 101, "string"),
        ("InvoiceLineItem", "unit", 103, "string"),
        ("InvoiceLineItem", "used_month_unix", 105, "int64"),
        ("ListInvoicesRequest", "type", 100, "string"),
        ("QueryUsageRequest", "group_by", 100, "UsageGroupBy"),
        ("TopUp", "failure_message", 101, "string"),
        ("TopUp", "fee_currency", 103, "string"),
        ("TopUp", "fee_minor", 102, "int64"),
        ("TopUp", "hosted_url", 105, "string"),
        ("TopUp", "origin", 100, "string"),
        ("TopUp", "refunded_minor", 104, "int64"),
        ("UsageRow", "category", 100, "string"),
        ("UsageRow", "cost_minor_decimal", 101, "string"),
        ("UsageRow", "discount_minor_decimal", 102, "string"),
    }


def test_json_names_of_the_two_groupings() -> None:
    fields = message("QueryUsageRequest").fields_by_number
    assert (fields[7].json_name, fields[100].json_name) == ("groupBy", "usageGroupBy")


def test_reads_have_no_side_effects_and_writes_do() -> None:
    """What may be cached and sent as GET: a Get, a List, a Query or an Authorize, and nothing else."""
    levels = {method.name: method.GetOptions().idempotency_level for method in SERVICE.methods}
    reads = {name for name, level in levels.items() if level == MethodOptions.NO_SIDE_EFFECTS}
    assert reads == {name for name in levels if name.startswith(("Get", "List", "Query", "Authorize"))}
