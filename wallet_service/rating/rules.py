"""Exact decimals and the rate in force."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Final, NamedTuple

from ledger.money import EXACT

QUANTITY_WHOLE_DIGITS: Final = 18
QUANTITY_SCALE: Final = 12
"""A quantity is a NUMERIC(30, 12)."""

PRICE_WHOLE_DIGITS: Final = 15
PRICE_SCALE: Final = 18
"""A unit price, in minor units, is a NUMERIC(33, 18), and never negative."""

COST_MINOR_MAX: Final = 10**11
"""Largest cost of one event, in minor units: thousands of such events still fit one posting of the ledger."""

_DECIMAL: Final = re.compile(r"(-?)(?=[0-9])0*([0-9]*)(?:\.(?=[0-9])([0-9]*?)0*)?", re.ASCII)
"""Sign, whole digits without leading zeros, and fraction without trailing ones."""


@dataclass(frozen=True, slots=True)
class RatePoint:
    """A unit price in minor units, in force from `effective_at` on."""

    effective_at: datetime
    unit_price_minor: Decimal


class DiscountWindow(NamedTuple):
    """A discount in percent, 1 to 100, of what happens in [starts_at, ends_at)."""

    starts_at: datetime
    ends_at: datetime
    percent: int


class Charge(NamedTuple):
    """What something costs, in exact minor units: `cost_minor` is debited, and the list price is cost and discount."""

    unit_price_minor: Decimal
    cost_minor: Decimal
    discount_minor: Decimal


def parse_decimal(text: str, *, whole_digits: int, scale: int) -> Decimal | None:
    """The number in plain decimal text (`-12.50`), or None when it is not one or has more digits than allowed.

    Leading zeros and zeros at the end of the fraction do not count as digits. Exponents, NaN, Infinity, a plus sign, spaces
    and digits outside ASCII are refused. Zero has no sign.
    """
    found = _DECIMAL.fullmatch(text)
    if found is None:
        return None
    sign, whole, fraction = found[1], found[2], found[3] or ""
    if len(whole) > whole_digits or len(fraction) > scale:
        return None
    if not whole and not fraction:
        return Decimal(0)
    return Decimal(f"{sign}{whole or '0'}.{fraction}" if fraction else sign + whole)


def parse_quantity(text: str) -> Decimal | None:
    """A quantity of up to 18 digits before and 12 after the point, or None."""
    return parse_decimal(text, whole_digits=QUANTITY_WHOLE_DIGITS, scale=QUANTITY_SCALE)


def parse_unit_price(text: str) -> Decimal | None:
    """A unit price in minor units, not negative, of up to 15 digits before and 18 after the point, or None."""
    price = parse_decimal(text, whole_digits=PRICE_WHOLE_DIGITS, scale=PRICE_SCALE)
    return None if price is None or price < 0 else price


def plain_text(value: Decimal) -> str:
    """`value` exactly, without exponent or trailing zeros; zero is `0`."""
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def cost_minor(quantity: Decimal, unit_price_minor: Decimal) -> Decimal:
    """The exact cost in minor units; negative for a correction. Raises decimal.Inexact rather than round."""
    return EXACT.multiply(quantity, unit_price_minor)


def charge(quantity: Decimal, unit_price_minor: Decimal, *, discount_percent: int = 0) -> Charge:
    """What a quantity is charged, exactly; all of it negative for a correction. discount_percent is 0 to 100."""
    listed = cost_minor(quantity, unit_price_minor)
    if not discount_percent:
        return Charge(unit_price_minor, listed, Decimal(0))
    discount = EXACT.multiply(listed, Decimal(discount_percent).scaleb(-2, EXACT))
    return Charge(unit_price_minor, EXACT.subtract(listed, discount), discount)


def total(costs: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    result = Decimal(0)
    for cost in costs:
        result = EXACT.add(result, cost)
    return result


def rate_in_force(rates: Sequence[RatePoint], at: datetime) -> Decimal | None:
    """The unit price in force at `at`, or None before the first rate. `rates` are in order of effective_at."""
    if rates and rates[-1].effective_at <= at:
        return rates[-1].unit_price_minor
    position = bisect_right(rates, at, key=attrgetter("effective_at"))
    return rates[position - 1].unit_price_minor if position else None


def discount_in_force(windows: Sequence[DiscountWindow], at: datetime) -> int:
    """The discount in percent at `at`, 0 without one. Windows do not overlap."""
    for window in windows:
        if window.starts_at <= at < window.ends_at:
            return window.percent
    return 0
