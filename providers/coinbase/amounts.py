"""Between US cents and the decimal strings of USDC. One USDC is one US dollar here, by the rule of this payment method."""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ledger.money import Money, to_major
from providers.coinbase.failures import invalid

CURRENCY = "USD"
SETTLED_IN = frozenset({"USDC", "USD"})
AMOUNT_MAX_MINOR = 10_000_000_000
"""Coinbase takes at most 100,000,000 in one checkout."""

_DECIMAL = re.compile(r"\d{1,18}(\.\d{1,18})?")


def to_usdc(money: Money) -> str:
    """The amount with two decimals. Raises `InvalidRequest` for what Coinbase cannot express."""
    if money.currency != CURRENCY:
        raise invalid("currency_not_supported", f"{money} cannot be paid in USDC: only USD can")
    if money.amount_minor <= 0:
        raise invalid("amount_not_positive", f"{money} is not a positive amount")
    if money.amount_minor > AMOUNT_MAX_MINOR:
        raise invalid("amount_too_large", f"{money} is more than the provider takes in one payment")
    return f"{to_major(money.amount_minor, CURRENCY):f}"


def received(text: str) -> Money:
    """Money that came in. Parts of a cent are left out: no more is credited than arrived. Raises ValueError."""
    return Money(int(_cents(text).to_integral_value(ROUND_FLOOR)), CURRENCY)


def charged(text: str) -> Money:
    """A fee. Parts of a cent count as a whole one: our cost must not be understated. Raises ValueError."""
    return Money(int(_cents(text).to_integral_value(ROUND_CEILING)), CURRENCY)


def _cents(text: str) -> Decimal:
    if _DECIMAL.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not an amount")
    return Decimal(text) * 100
