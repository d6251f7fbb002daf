"""Meters, rates, and the difference between a wanted catalog and the one there is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from ledger.money import EXPONENTS
from wallet_service.rating.rules import RatePoint, parse_unit_price, plain_text

METER_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
DISPLAY_NAME_LENGTH_MAX: Final = 200
UNIT_LENGTH_MAX: Final = 64
CATEGORY_LENGTH_MAX: Final = 64

_METER: Final = re.compile(METER_PATTERN, re.ASCII)


@dataclass(frozen=True, slots=True)
class NewMeter:
    """A meter as asked for. An empty display name means the meter's own."""

    meter: str
    unit: str
    category: str
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class Meter:
    """What is measured, in which unit, and where reports show it. Quantities add up."""

    meter: str
    display_name: str
    unit: str
    category: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewRate:
    """A rate as asked for: minor units of `currency` for one unit of the meter."""

    meter: str
    currency: str
    unit_price_minor: Decimal
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate in force from `effective_at` on, until the next one of its meter and currency."""

    rate_id: UUID
    meter: str
    currency: str
    unit_price_minor: Decimal
    effective_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PublicRate:
    """The rate in force now, with the meter's name for people."""

    rate: Rate
    display_name: str


@dataclass(frozen=True, slots=True)
class MeterTariff:
    """What rating needs to know of a meter: its unit, and its rates by currency in order of effective time."""

    unit: str
    rates: Mapping[str, Sequence[RatePoint]]


@dataclass(frozen=True, slots=True)
class CatalogDocument:
    """A wanted catalog: meters and rates that shall exist. What is not in it stays as it is."""

    meters: tuple[NewMeter, ...]
    rates: tuple[NewRate, ...]


@dataclass(frozen=True, slots=True)
class CatalogDiff:
    """What applying a document does. Conflicts are sentences for people; with any of them nothing is applied."""

    added_meters: tuple[NewMeter, ...]
    changed_meters: tuple[tuple[Meter, NewMeter], ...]
    added_rates: tuple[NewRate, ...]
    conflicts: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the catalog is as wanted already."""
        return not (self.added_meters or self.changed_meters or self.added_rates or self.conflicts)


def fault_of_meter(wanted: NewMeter) -> tuple[str, str] | None:
    """(field, what is wrong with it), or None."""
    if _METER.fullmatch(wanted.meter) is None:
        return (
            "meter_id",
            "must be 1 to 128 letters, digits, dots, hyphens or underscores",
        )
    for field, text, length_min, length_max in (
        ("display_name", wanted.display_name, 0, DISPLAY_NAME_LENGTH_MAX),
        ("unit", wanted.unit, 1, UNIT_LENGTH_MAX),
        ("category", wanted.category, 1, CATEGORY_LENGTH_MAX),
    ):
        if not length_min <= len(text) <= length_max or not is_storable(text):
            return (
                field,
                f"must be {length_min} to {length_max} characters without control characters",
            )
    return None


def is_storable(text: str) -> bool:
    """Whether the database can keep `text`, and a line of a report can show it."""
    return text.isprintable()


def fault_of_rate(wanted: NewRate) -> tuple[str, str] | None:
    """(field, what is wrong with it), or None."""
    if wanted.currency not in EXPONENTS:
        return "currency", "must be an active ISO 4217 currency in upper case"
    if parse_unit_price(plain_text(wanted.unit_price_minor)) is None:
        return (
            "unit_price_minor_decimal",
            "must be 0 or more, of up to 15 digits before and 18 after the point",
        )
    return None


def diff(wanted: CatalogDocument, meters: Mapping[str, Meter], rates: Sequence[Rate]) -> CatalogDiff:
    """What is missing from `meters` and `rates` (all there are of the meters of `wanted`) to be as wanted."""
    added: list[NewMeter] = []
    changed: list[tuple[Meter, NewMeter]] = []
    conflicts: list[str] = []
    for new in wanted.meters:
        present = meters.get(new.meter)
        if present is None:
            added.append(new)
        elif present.unit != new.unit:
            conflicts.append(f"{new.meter}: the unit is {present.unit} and cannot become {new.unit}")
        elif (present.display_name, present.category) != (
            new.display_name or new.meter,
            new.category,
        ):
            changed.append((present, new))
    prices = {(r.meter, r.currency, r.effective_at): r.unit_price_minor for r in rates}
    added_rates: list[NewRate] = []
    for new_rate in wanted.rates:
        price = prices.get((new_rate.meter, new_rate.currency, new_rate.effective_at))
        if price is None:
            added_rates.append(new_rate)
        elif price != new_rate.unit_price_minor:
            conflicts.append(
                f"{new_rate.meter}: costs {plain_text(price)} {new_rate.currency} minor units from"
                f" {new_rate.effective_at.isoformat()} on and cannot become {plain_text(new_rate.unit_price_minor)}"
            )
    return CatalogDiff(tuple(added), tuple(changed), tuple(added_rates), tuple(conflicts))
