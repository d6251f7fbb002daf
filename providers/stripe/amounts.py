"""Between ISO 4217 minor units and the integers Stripe calls amounts.

The two differ: Stripe has no decimals for MGA (ISO: two), takes ISK and UGX (ISO: none) as if they had two, and wants
the last of three decimals to be 0.
"""

from ledger.money import Money, minor_exponent
from providers.protocol import Failure, FailureKind, InvalidRequest

ZERO_DECIMAL = frozenset(
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()  # noqa: SIM905
)
THREE_DECIMAL = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
AMOUNT_MAX = 99_999_999
"""Stripe takes at most eight digits."""


def to_stripe(money: Money) -> tuple[int, str]:
    """(amount, lower-case currency) for Stripe. Raises `InvalidRequest` for what Stripe cannot express."""
    iso_exponent, sent_exponent = (
        minor_exponent(money.currency),
        _stripe_exponent(money.currency),
    )
    if sent_exponent >= iso_exponent:
        amount, remainder = money.amount_minor * 10 ** (sent_exponent - iso_exponent), 0
    else:
        amount, remainder = divmod(money.amount_minor, 10 ** (iso_exponent - sent_exponent))
    if remainder or (sent_exponent == 3 and amount % 10):
        raise _invalid("amount_not_representable", f"{money} cannot be charged exactly")
    if amount <= 0:
        raise _invalid("amount_not_positive", f"{money} is not a positive amount")
    if amount > AMOUNT_MAX:
        raise _invalid(
            "amount_too_large",
            f"{money} is more than the provider takes in one payment",
        )
    return amount, money.currency.lower()


def from_stripe(amount: int, currency: str) -> Money:
    """Stripe's amount in ISO minor units.

    Where ISO has fewer decimals than Stripe (ISK, UGX) the result is rounded up: payments always divide exactly,
    because we sent them so, and a provider's fee must not be understated.
    """
    code = currency.upper()
    iso_exponent, sent_exponent = minor_exponent(code), _stripe_exponent(code)
    if iso_exponent >= sent_exponent:
        return Money(amount * 10 ** (iso_exponent - sent_exponent), code)
    return Money(-(-amount // 10 ** (sent_exponent - iso_exponent)), code)


def _stripe_exponent(currency: str) -> int:
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def _invalid(code: str, message: str) -> InvalidRequest:
    return InvalidRequest(Failure(kind=FailureKind.INVALID, code=code, message=message))
