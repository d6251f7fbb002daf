"""FOCUS cost-and-usage rows as events, and the meters and rates that they need. Pure.

What is read of a row (FOCUS 1.0, specification of the FinOps Foundation): ChargeCategory, ChargePeriodStart, SkuPriceId,
SkuId, ServiceName, ServiceCategory, ListUnitPrice, PricingQuantity, PricingUnit, BillingCurrency, ResourceId, RegionId, and
the column Id where an export has one.

A meter is an SKU in a service category, `{SkuPriceId}.{category}`, so that sums by category are those of the file. Where a
row has no SkuPriceId its SkuId stands in, else its ServiceName. Its rate is ListUnitPrice in minor units, in force from the
first day of the row's month. The name without a suffix belongs to the first unit, and to the price that is in force already
or else comes first in the month; rows with another unit or price have a meter of their own, named after them. A meter keeps
its name on every later import, because the choice looks at the catalog first.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from ledger.money import EXACT, minor_exponent
from wallet_service.catalog.rules import (
    CATEGORY_LENGTH_MAX,
    DISPLAY_NAME_LENGTH_MAX,
    UNIT_LENGTH_MAX,
    CatalogDocument,
    Meter,
    NewMeter,
    NewRate,
    Rate,
)
from wallet_service.rating.rules import RatePoint, parse_unit_price, plain_text, rate_in_force
from wallet_service.usage.model import NewEvent
from wallet_service.usage.rows import BadRow, optional, read_time, row_hash

_USAGE: Final = "Usage"
_METER_LENGTH_MAX: Final = 128
_EXPONENT_MAX: Final = 40
_FACT_LENGTH_MAX: Final = 1000
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_FACTS: Final = {
    "ChargeDescription": "charge_description",
    "ServiceName": "service_name",
    "SubAccountId": "sub_account_id",
    "ProviderName": "provider",
}
"""Columns that are kept as metadata of the event."""

Variant = tuple[str, Decimal]
"""Unit and price."""


class Sku(NamedTuple):
    """What a meter stands for: an SKU in a category and a currency."""

    name: str
    category: str
    currency: str


@dataclass(frozen=True, slots=True)
class FocusRow:
    """A row of usage. `event` has everything but its meter; `month` is the first moment of its month, UTC."""

    sku: Sku
    display_name: str
    variant: Variant
    month: datetime
    event: NewEvent


@dataclass(slots=True)
class Survey:
    """Units and prices of each SKU and month, each once, in the order of the file; and the services of the SKUs."""

    variants: dict[tuple[Sku, datetime], list[Variant]]
    display_names: dict[Sku, str]

    def add(self, row: FocusRow) -> None:
        of_month = self.variants.setdefault((row.sku, row.month), [])
        if row.variant not in of_month:
            of_month.append(row.variant)
        self.display_names.setdefault(row.sku, row.display_name)


@dataclass(frozen=True, slots=True)
class FocusPlan:
    """Which meter a row goes to, and the meters and rates that shall exist before."""

    document: CatalogDocument
    meters: Mapping[tuple[Sku, datetime, Variant], str]

    def event_of(self, row: FocusRow) -> NewEvent:
        return row.event._replace(meter=self.meters[row.sku, row.month, row.variant])


def is_usage(columns: Mapping[str, str]) -> bool:
    """Whether a row is usage; purchases, taxes, credits and adjustments are not."""
    return columns.get("ChargeCategory") == _USAGE


def read_focus_row(columns: Mapping[str, str], *, ordinal: int, project: str) -> FocusRow:
    """A row of usage. `ordinal` tells rows apart that are the same in every column. Raises BadRow."""
    start = read_time(columns, "ChargePeriodStart")
    currency = optional(columns, "BillingCurrency") or "USD"
    names = (optional(columns, column) for column in ("SkuPriceId", "SkuId", "ServiceName"))
    facts = {key: optional(columns, column)[:_FACT_LENGTH_MAX] for column, key in _FACTS.items()}
    return FocusRow(
        sku=Sku(
            next(filter(None, names), "unknown"),
            _line(optional(columns, "ServiceCategory"), CATEGORY_LENGTH_MAX) or "Other",
            currency,
        ),
        display_name=_line(optional(columns, "ServiceName"), DISPLAY_NAME_LENGTH_MAX),
        variant=(_line(optional(columns, "PricingUnit"), UNIT_LENGTH_MAX) or "unit", _price_minor(columns, currency)),
        month=start.replace(day=1, hour=0, minute=0, second=0, microsecond=0),
        event=NewEvent(
            project=project,
            meter="",
            quantity=_quantity(columns),
            key=f"focus:{optional(columns, 'Id') or row_hash(columns, ordinal)}",
            resource=optional(columns, "ResourceId"),
            datacenter=optional(columns, "RegionId"),
            event_time=start,
            metadata={key: value for key, value in facts.items() if value},
        ),
    )


def possible_meters(survey: Survey) -> frozenset[str]:
    """Every meter that `plan` may name: what it has to know of the catalog."""
    names: set[str] = set()
    for (sku, _), variants in survey.variants.items():
        base = base_name(sku)
        names.add(base)
        for unit, price in variants:
            names |= {_name(base, plain_text(price)), _name(base, unit, plain_text(price))}
    return frozenset(names)


def plan(survey: Survey, meters: Mapping[str, Meter], rates: Iterable[Rate]) -> FocusPlan:
    """Name the meter of every row, given the meters and rates that the catalog has of `possible_meters`."""
    known: dict[tuple[str, str], list[RatePoint]] = {}
    for rate in rates:
        known.setdefault((rate.meter, rate.currency), []).append(RatePoint(rate.effective_at, rate.unit_price_minor))
    units = {name: meter.unit for name, meter in meters.items()}
    new_meters: list[NewMeter] = []
    new_rates: list[NewRate] = []
    chosen: dict[tuple[Sku, datetime, Variant], str] = {}
    for sku, month in sorted(survey.variants, key=lambda key: (key[1], key[0])):
        variants = survey.variants[sku, month]
        base = base_name(sku)
        base_unit = units.get(base, variants[0][0])
        base_price = _base_price(variants, base_unit, known.get((base, sku.currency), ()), month)
        for unit, price in variants:
            name = _variant_name(base, (unit, price), base_unit=base_unit, base_price=base_price)
            chosen[sku, month, (unit, price)] = name
            if name not in units:
                units[name] = unit
                new_meters.append(NewMeter(name, unit, sku.category, survey.display_names[sku]))
            points = known.setdefault((name, sku.currency), [])
            if rate_in_force(points, month) != price:
                new_rates.append(NewRate(name, sku.currency, price, month))
                points.append(RatePoint(month, price))
                points.sort(key=lambda point: point.effective_at)
    return FocusPlan(CatalogDocument(tuple(new_meters), tuple(new_rates)), chosen)


def base_name(sku: Sku) -> str:
    """The meter of an SKU that has one unit and one price."""
    category = _UNSAFE.sub("-", sku.category).strip("-").lower()
    return _name(sku.name, category or "other")


def _base_price(
    variants: Sequence[Variant], base_unit: str, known: Sequence[RatePoint], month: datetime
) -> Decimal | None:
    """The price in the base unit that the name without a suffix has all month; None when it is none of `variants`."""
    prices = [price for unit, price in variants if unit == base_unit]
    next_month = (month + timedelta(days=31)).replace(day=1)
    if any(month < point.effective_at < next_month for point in known):
        return None
    in_force = rate_in_force(known, month)
    if in_force in prices:
        return in_force
    taken = any(point.effective_at == month for point in known)
    return None if taken or not prices else prices[0]


def _variant_name(base: str, variant: Variant, *, base_unit: str, base_price: Decimal | None) -> str:
    unit, price = variant
    if unit != base_unit:
        return _name(base, unit, plain_text(price))
    return base if price == base_price else _name(base, plain_text(price))


def _name(*parts: str) -> str:
    """A meter's name; a hash tells names apart that sanitising or cutting would make equal."""
    text = ".".join(parts)
    safe = _UNSAFE.sub("-", text).lstrip("._-")
    if safe == text and len(safe) <= _METER_LENGTH_MAX:
        return safe
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe[: _METER_LENGTH_MAX - 9]}-{digest}".lstrip("-")


def _line(text: str, length_max: int) -> str:
    """`text` on one line, cut to a length."""
    return "".join(c if c.isprintable() else " " for c in text)[:length_max].strip()


def _price_minor(columns: Mapping[str, str], currency: str) -> Decimal:
    text = optional(columns, "ListUnitPrice") or "0"
    try:
        value = _number(text).scaleb(minor_exponent(currency), EXACT)
    except (InvalidOperation, ValueError):
        raise BadRow(f"ListUnitPrice is {text!r} {currency}") from None
    price = parse_unit_price(plain_text(value))
    if price is None:
        raise BadRow(f"ListUnitPrice is {text!r}: negative, or with too many digits")
    return price


def _quantity(columns: Mapping[str, str]) -> str:
    """PricingQuantity without an exponent, which some exports have."""
    text = optional(columns, "PricingQuantity") or "0"
    try:
        return plain_text(_number(text))
    except (InvalidOperation, ValueError):
        raise BadRow(f"PricingQuantity is {text!r}") from None


def _number(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite() or abs(value.adjusted()) > _EXPONENT_MAX:
        raise ValueError(text)
    return value
