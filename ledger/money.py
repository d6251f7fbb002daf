"""Amounts of money and the only rounding in the project.

An amount is an `int` of minor units (cents for USD) with its currency; quantities, rates and exact costs are `Decimal`.
Every division names its rounding and says where the remainder goes. There is no float.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import (
    ROUND_FLOOR,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)
from typing import Final

_EXPONENTS_BY_CODES: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW"
        " CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR"
        " ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV"
        " MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD"
        " SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

EXPONENTS: Final[dict[str, int]] = {
    code: exponent for exponent, codes in _EXPONENTS_BY_CODES.items() for code in codes.split()
}
"""Digits after the point of the minor unit, for every active ISO 4217 currency that has a minor unit."""

EXACT: Final = Context(prec=96, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
"""Exact arithmetic: a result that would need rounding raises `decimal.Inexact` instead."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """`amount_minor` minor units of `currency` (an ISO 4217 code, upper case). May be negative."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        minor_exponent(self.currency)

    def __add__(self, other: "Money") -> "Money":
        self._check_currency(other)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._check_currency(other)
        return Money(self.amount_minor - other.amount_minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount_minor, self.currency)

    def __str__(self) -> str:
        """Major units with exactly the currency's digits: `12.30 USD`, `500 JPY`."""
        return f"{to_major(self.amount_minor, self.currency):f} {self.currency}"

    def _check_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise ValueError(f"cannot mix {self.currency} and {other.currency}")


def minor_exponent(currency: str) -> int:
    """Digits of the minor unit of `currency`. Raises ValueError for a code that is not an active ISO 4217 currency."""
    exponent = EXPONENTS.get(currency)
    if exponent is None:
        raise ValueError(f"unknown currency {currency!r}")
    return exponent


def to_major(amount_minor: int, currency: str) -> Decimal:
    """Exact major units, with the currency's number of digits."""
    return Decimal(amount_minor).scaleb(-minor_exponent(currency), EXACT)


def from_major(amount: Decimal, currency: str) -> int:
    """Minor units of an exact major amount. Raises ValueError when it has more digits than the currency."""
    minor = amount.scaleb(minor_exponent(currency), EXACT)
    whole, rest = floor_split(minor)
    if rest:
        raise ValueError(f"{amount} has more digits than {currency}")
    return whole


def floor_div(numerator: int, denominator: int) -> int:
    """Quotient rounded toward minus infinity. The remainder stays with the caller."""
    return numerator // denominator


def floor_split(value: Decimal) -> tuple[int, Decimal]:
    """(whole, rest) with whole + rest = value exactly and 0 <= rest < 1; negative values too."""
    whole = value.to_integral_value(rounding=ROUND_FLOOR, context=EXACT)
    return int(whole), EXACT.subtract(value, whole)


def round_half_even(value: Decimal) -> int:
    """Nearest whole number, ties to the even one. The difference is dropped: for display only, never for posting."""
    with localcontext(EXACT):
        whole, rest = floor_split(value)
        twice = rest + rest
        return whole + (twice > 1 or (twice == 1 and whole % 2 == 1))


def largest_remainder(total: int, weights: Sequence[Decimal | int]) -> list[int]:
    """Split `total` in proportion to `weights` so that the parts sum to `total`; left-over units go to the largest
    remainders, the earlier one on a tie. `total` and weights are >= 0, and not all weights are zero."""
    if total < 0 or any(weight < 0 for weight in weights):
        raise ValueError("total and weights must not be negative")
    scaled = _as_integers(weights)
    weight_sum = sum(scaled)
    if weight_sum == 0:
        raise ValueError("at least one weight must be positive")
    parts = [floor_div(total * weight, weight_sum) for weight in scaled]
    by_remainder = sorted(range(len(scaled)), key=lambda i: (-(total * scaled[i] % weight_sum), i))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts


def _as_integers(weights: Sequence[Decimal | int]) -> list[int]:
    """The weights times one power of ten that makes all of them whole."""
    decimals = [Decimal(weight) for weight in weights]
    digits = max((-_exponent(weight) for weight in decimals), default=0)
    return [int(weight.scaleb(max(digits, 0), EXACT)) for weight in decimals]


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is not a finite number")
    return exponent
