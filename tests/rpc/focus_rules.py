"""Rules of FOCUS 1.2 (FinOps Foundation, dataset Cost and Usage) that files of usage keep, as a check of their rows."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from ledger.money import EXACT, EXPONENTS
from wallet_service.exports.rules import FOCUS_CATEGORIES

MANDATORY = frozenset(
    [
        "BilledCost",
        "BillingAccountId",
        "BillingAccountName",
        "BillingCurrency",
        "BillingPeriodEnd",
        "BillingPeriodStart",
        "ChargeCategory",
        "ChargeClass",
        "ChargeDescription",
        "ChargePeriodEnd",
        "ChargePeriodStart",
        "ContractedCost",
        "EffectiveCost",
        "InvoiceIssuerName",
        "ListCost",
        "PricingQuantity",
        "PricingUnit",
        "ProviderName",
        "PublisherName",
        "ServiceCategory",
        "ServiceName",
    ]
)
CONDITIONAL = frozenset(
    [
        "ChargeFrequency",
        "ServiceSubcategory",
        "ConsumedQuantity",
        "ConsumedUnit",
        "ContractedUnitPrice",
        "ListUnitPrice",
        "PricingCategory",
        "RegionId",
        "RegionName",
        "ResourceId",
        "ResourceName",
        "ResourceType",
        "SkuId",
        "SkuMeter",
        "SkuPriceDetails",
        "SkuPriceId",
        "SubAccountId",
        "SubAccountName",
        "Tags",
    ]
)
"""Recommended, or mandatory for a provider that has regions, resources, price lists, sub accounts and tags, as we have."""

NULLABLE = frozenset(
    {"ChargeClass", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType", "SkuPriceDetails"}
)
_SUBCATEGORIES = {
    "Compute": {"Containers", "End User Computing", "Quantum Compute", "Serverless Compute", "Virtual Machines"},
    "Networking": {
        "Application Networking",
        "Content Delivery",
        "Network Connectivity",
        "Network Infrastructure",
        "Network Routing",
        "Network Security",
    },
    "Storage": {"Backup Storage", "Block Storage", "File Storage", "Object Storage", "Storage Platforms"},
}
_COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
_PRICES = ("ListUnitPrice", "ContractedUnitPrice")
_QUANTITIES = ("PricingQuantity", "ConsumedQuantity")
_TIMES = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def violations(row: Mapping[str, str]) -> list[str]:
    """What is wrong with a row of usage; nothing is."""
    missing = sorted((MANDATORY | CONDITIONAL) - row.keys())
    if missing:
        return [f"without {name}" for name in missing]
    found = [f"{name} is null" for name in MANDATORY | CONDITIONAL if not row[name] and name not in NULLABLE]
    found += [f"{name} is no number" for name in (*_COSTS, *_PRICES, *_QUANTITIES) if not _NUMBER.fullmatch(row[name])]
    found += [f"{name} is no UTC time" for name in _TIMES if not _TIME.fullmatch(row[name])]
    return found or [*_values(row), *_periods(row), *_amounts(row)]


def _values(row: Mapping[str, str]) -> Iterator[str]:
    """Allowed values, and what goes together."""
    if row["ServiceCategory"] not in FOCUS_CATEGORIES:
        yield "ServiceCategory"
    allowed = _SUBCATEGORIES.get(row["ServiceCategory"], frozenset()) | {f"Other ({row['ServiceCategory']})"}
    if row["ServiceSubcategory"] not in allowed:
        yield "ServiceSubcategory"
    if row["ChargeCategory"] != "Usage" or row["ChargeClass"] not in ("", "Correction"):
        yield "ChargeCategory or ChargeClass"
    if row["ChargeFrequency"] != "Usage-Based" or row["PricingCategory"] != "Standard":
        yield "ChargeFrequency or PricingCategory"
    if row["BillingCurrency"] not in EXPONENTS:
        yield "BillingCurrency"
    if len({bool(row[name]) for name in ("ResourceId", "ResourceName", "ResourceType")}) != 1:
        yield "a resource that is half null"
    if bool(row["RegionId"]) != bool(row["RegionName"]):
        yield "a region that is half null"
    if any(not isinstance(value, str) for value in json.loads(row["Tags"]).values()):
        yield "Tags"
    others = row.keys() - MANDATORY - CONDITIONAL
    if any(not name.startswith("x_") for name in others):
        yield "a column that is neither FOCUS nor x_"


def _periods(row: Mapping[str, str]) -> Iterator[str]:
    start, end, first, last = (
        datetime.fromisoformat(row[name])
        for name in ("ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart", "BillingPeriodEnd")
    )
    if not first <= start < end <= last or end - start != timedelta(hours=1):
        yield "the charge is not an hour of the billing period"
    if (first.day, first.hour, last) != (1, 0, (first + timedelta(days=31)).replace(day=1)):
        yield "the billing period is not a month"


def _amounts(row: Mapping[str, str]) -> Iterator[str]:
    value = {name: Decimal(row[name]) for name in (*_COSTS, *_PRICES, *_QUANTITIES)}
    if any(value[name] < 0 for name in _PRICES):
        yield "a negative price"
    for cost, price in (("ListCost", "ListUnitPrice"), ("ContractedCost", "ContractedUnitPrice")):
        if value[cost] != EXACT.multiply(value[price], value["PricingQuantity"]):
            yield f"{cost} is not {price} times PricingQuantity"
    if value["BilledCost"] != value["EffectiveCost"]:
        yield "what is billed is not what it costs, though nothing is amortized"
    if abs(value["EffectiveCost"]) > abs(value["ContractedCost"]) or abs(value["ContractedCost"]) > abs(
        value["ListCost"]
    ):
        yield "a cost after discounts is above the one before"
    if value["ConsumedQuantity"] != value["PricingQuantity"] or row["ConsumedUnit"] != row["PricingUnit"]:
        yield "what is consumed is not what is priced"
    if row["ChargeClass"] and value["PricingQuantity"] >= 0:
        yield "a correction that takes nothing back"
