"""Money, its exponents and its rounding."""

from decimal import Decimal, Inexact

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import (
    EXACT,
    EXPONENTS,
    Money,
    floor_div,
    floor_split,
    from_major,
    largest_remainder,
    minor_exponent,
    round_half_even,
    to_major,
)

DECIMALS = st.decimals("-1e12", "1e12", places=9, allow_nan=False)


@pytest.mark.parametrize(
    ("currency", "exponent"), [("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("UYI", 0), ("EUR", 2), ("MRU", 2)]
)
def test_exponents(currency: str, exponent: int) -> None:
    assert minor_exponent(currency) == exponent


def test_the_table_of_currencies() -> None:
    assert all(len(code) == 3 and code.isupper() for code in EXPONENTS)
    counts = {digits: sum(exponent == digits for exponent in EXPONENTS.values()) for digits in (0, 2, 3, 4)}
    assert counts == {0: 17, 2: 140, 3: 7, 4: 2}
    assert not {"HRK", "SLL", "CUC", "ANG", "XXX", "XAU", "USDC"} & set(EXPONENTS)
    with pytest.raises(ValueError, match="usd"):
        Money(1, "usd")


def test_sums_and_text() -> None:
    assert Money(1230, "USD") - Money(30, "USD") + Money(-200, "USD") == Money(1000, "USD")
    assert str(Money(1230, "USD")) == "12.30 USD"
    assert str(-Money(5, "KWD")) == "-0.005 KWD"
    assert str(Money(500, "JPY")) == "500 JPY"
    with pytest.raises(ValueError, match="mix USD and EUR"):
        _ = Money(1, "USD") + Money(1, "EUR")


def test_major_units_are_exact_or_refused() -> None:
    assert from_major(Decimal("12.3"), "USD") == 1230
    assert to_major(1230, "USD") == Decimal("12.30")
    with pytest.raises(ValueError, match="more digits"):
        from_major(Decimal("0.001"), "USD")
    with pytest.raises(Inexact):
        EXACT.divide(Decimal(1), Decimal(3))


@pytest.mark.parametrize(
    ("value", "whole", "rest"),
    [("2.75", 2, "0.75"), ("-2.75", -3, "0.25"), ("-0.5", -1, "0.5"), ("3", 3, "0"), ("-3", -3, "0"), ("0", 0, "0")],
)
def test_floor_split(value: str, whole: int, rest: str) -> None:
    assert floor_split(Decimal(value)) == (whole, Decimal(rest))
    assert floor_div(-7, 2) == -4


@given(DECIMALS)
def test_floor_split_keeps_everything(value: Decimal) -> None:
    whole, rest = floor_split(value)
    assert whole + rest == value
    assert 0 <= rest < 1


@pytest.mark.parametrize(
    ("value", "rounded"), [("0.5", 0), ("1.5", 2), ("2.5", 2), ("-0.5", 0), ("-1.5", -2), ("2.51", 3), ("-2.49", -2)]
)
def test_round_half_even(value: str, rounded: int) -> None:
    assert round_half_even(Decimal(value)) == rounded


@given(DECIMALS)
def test_round_half_even_as_the_library_does(value: Decimal) -> None:
    assert round_half_even(value) == round(value)


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (10, [Decimal("0.5"), Decimal("1.5"), 0], [3, 7, 0]),
        (1, [Decimal("0.2"), Decimal("0.3")], [0, 1]),
        (0, [3, 4], [0, 0]),
        (5, [Decimal("1e3"), 1000], [3, 2]),
    ],
)
def test_largest_remainder(total: int, weights: list[Decimal | int], parts: list[int]) -> None:
    assert largest_remainder(total, weights) == parts


@given(st.integers(0, 10**12), st.lists(st.decimals(0, 1000, places=6, allow_nan=False), min_size=1, max_size=20))
def test_largest_remainder_adds_up(total: int, weights: list[Decimal]) -> None:
    if sum(weights) == 0:
        with pytest.raises(ValueError, match="positive"):
            largest_remainder(total, weights)
        return
    parts = largest_remainder(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - total * weight / sum(weights)) < 1


def test_largest_remainder_refuses_what_makes_no_sense() -> None:
    for total, weights in ((-1, [1]), (1, [-1]), (1, [0]), (1, [])):
        with pytest.raises(ValueError, match=r"negative|positive"):
            largest_remainder(total, weights)
    with pytest.raises(ValueError, match="finite"):
        largest_remainder(1, [Decimal("Infinity")])
