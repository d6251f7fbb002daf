"""Catalog files: YAML as a `CatalogDocument`.

    meters:
      - meter: compute.vm.vcpu_hours
        unit: vcpu-hour
        category: vCPU
        display_name: vCPU                  # optional
        rates:                              # optional
          - {currency: USD, unit_price_minor: "0.342466", effective_time: "2024-01-01T00:00:00Z"}

Every scalar is read as text, so a price that somebody did not quote is as exact as one in quotes.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import yaml

from wallet_service.catalog.rules import CatalogDocument, NewMeter, NewRate, fault_of_meter, fault_of_rate
from wallet_service.errors import ServiceError, invalid_field
from wallet_service.rating.rules import parse_unit_price

_METER_KEYS: Final = frozenset({"meter", "display_name", "unit", "category", "rates"})
_RATE_KEYS: Final = frozenset({"currency", "unit_price_minor", "effective_time"})


def read_catalog(path: Path) -> CatalogDocument:
    """The catalog in a file. Raises OSError, and what `parse_catalog` raises."""
    try:
        return parse_catalog(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise invalid_field("file", "is not UTF-8 text") from None


def parse_catalog(text: str) -> CatalogDocument:
    """The catalog in a text. Raises INVALID_FIELD that names the place: `meters[3].rates[0].unit_price_minor`."""
    try:
        content: object = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise invalid_field("file", f"is not YAML: {error}") from None
    top = _mapping(content, "file", frozenset({"meters"}))
    meters: list[NewMeter] = []
    rates: list[NewRate] = []
    for number, item in enumerate(_list(top.get("meters", []), "meters")):
        place = f"meters[{number}]"
        fields = _mapping(item, place, _METER_KEYS)
        meter = NewMeter(
            meter=_text(fields, "meter", place),
            unit=_text(fields, "unit", place),
            category=_text(fields, "category", place),
            display_name=_text(fields, "display_name", place),
        )
        _check(fault_of_meter(meter), place)
        meters.append(meter)
        for position, rate in enumerate(_list(fields.get("rates", []), f"{place}.rates")):
            rates.append(_rate(meter.meter, rate, f"{place}.rates[{position}]"))
    _check_distinct([meter.meter for meter in meters], "meters")
    _check_distinct([(rate.meter, rate.currency, rate.effective_at) for rate in rates], "rates")
    return CatalogDocument(tuple(meters), tuple(rates))


def _rate(meter: str, item: object, place: str) -> NewRate:
    fields = _mapping(item, place, _RATE_KEYS)
    price = parse_unit_price(_text(fields, "unit_price_minor", place))
    if price is None:
        raise _wrong(
            f"{place}.unit_price_minor",
            "must be decimal text, 0 or more, of up to 15 digits before and 18 after the point",
        )
    try:
        at = datetime.fromisoformat(_text(fields, "effective_time", place))
    except ValueError:
        raise _wrong(f"{place}.effective_time", "must be an ISO 8601 time, such as 2024-01-01T00:00:00Z") from None
    rate = NewRate(
        meter=meter,
        currency=_text(fields, "currency", place) or "USD",
        unit_price_minor=price,
        effective_at=at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC),
    )
    _check(fault_of_rate(rate), place)
    return rate


def _mapping(item: object, place: str, keys: frozenset[str]) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise _wrong(place, "must be a mapping")
    fields = cast("dict[str, Any]", item)
    if unknown := fields.keys() - keys:
        raise _wrong(place, f"has no field {min(unknown)}")
    return fields


def _list(item: object, place: str) -> list[object]:
    if not isinstance(item, list):
        raise _wrong(place, "must be a list")
    return cast("list[object]", item)


def _text(fields: dict[str, Any], name: str, place: str) -> str:
    value: object = fields.get(name, "")
    if not isinstance(value, str):
        raise _wrong(f"{place}.{name}", "must be text")
    return value


def _check(fault: tuple[str, str] | None, place: str) -> None:
    if fault is not None:
        raise _wrong(f"{place}.{fault[0]}", fault[1])


def _check_distinct(keys: list[Any], place: str) -> None:
    if len(set(keys)) != len(keys):
        raise _wrong(place, "has the same one twice")


def _wrong(place: str, description: str) -> ServiceError:
    return invalid_field(place, description)
