"""Rating: exact decimals, their text, and the rate in force."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import EXACT, floor_split, round_half_even
from wallet_service.rating.rules import (
    RatePoint,
    cost_minor,
    parse_decimal,
    parse_quantity,
    parse_unit_price,
    plain_text,
    rate_in_force,
    total,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
quantities = st.integers(-(10**30) + 1, 10**30 - 1).map(lambda n: Decimal(n).scaleb(-12, EXACT))
prices = st.integers(0, 10**33 - 1).map(lambda n: Decimal(n).scaleb(-18, EXACT))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.000", "0"),
        ("1.50", "1.5"),
        ("007.0", "7"),
        ("100", "100"),
        ("-12.000000000001", "-12.000000000001"),
        ("999999999999999999.999999999999", "999999999999999999.999999999999"),
        ("0000000000000000000000001", "1"),
        ("1.000000000000000000000", "1"),
        ("0.10000000000000000", "0.1"),
    ],
)
def test_decimal_text_is_read_exactly(text: str, expected: str) -> None:
    value = parse_quantity(text)
    assert value is not None
    assert plain_text(value) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "+1",
        "1.",
        ".5",
        "1e3",
        "1E-13",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        "1_000",
        "1,5",
        "0x10",
        "--1",
        "١٢",
        "1\n",
        "1000000000000000000",
        "0.0000000000001",
    ],
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    assert parse_quantity(text) is None


def test_a_price_is_never_negative() -> None:
    assert parse_unit_price("-0.1") is None
    assert parse_unit_price("0.342466") == Decimal("0.342466")
    assert parse_unit_price("1" + "0" * 15) is None


@given(quantities)
def test_text_and_number_are_the_same(value: Decimal) -> None:
    text = plain_text(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert not ("." in text and text.endswith("0"))
    assert parse_decimal(text, whole_digits=18, scale=12) == value


@given(st.text(max_size=20))
def test_whatever_is_read_is_the_number_that_was_written(text: str) -> None:
    value = parse_quantity(text)
    assert value is None or value == Decimal(text)


@given(quantities, prices)
def test_a_cost_is_the_exact_product(quantity: Decimal, price: Decimal) -> None:
    assert Fraction(cost_minor(quantity, price)) == Fraction(quantity) * Fraction(price)
    assert cost_minor(quantity.copy_negate(), price) == cost_minor(quantity, price).copy_negate()


@given(st.lists(st.tuples(quantities, prices), max_size=30), st.randoms(use_true_random=False))
def test_a_total_does_not_depend_on_order(pairs: list[tuple[Decimal, Decimal]], random: object) -> None:
    costs = [cost_minor(quantity, price) for quantity, price in pairs]
    shuffled = list(costs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert total(shuffled) == total(costs)
    assert Fraction(total(costs)) == sum((Fraction(cost) for cost in costs), Fraction(0))


@given(
    st.lists(st.integers(-(10**15), 10**15).map(lambda n: Decimal(n).scaleb(-9)), max_size=40),
    st.data(),
)
def test_any_split_into_batches_debits_the_same(costs: list[Decimal], data: st.DataObject) -> None:
    """The carry rule of the ledger over any cut of the events into batches: debit = floor of the exact sum."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(costs)))) | {0, len(costs)})
    debited, carry = 0, Decimal(0)
    for begin, end in pairwise(cuts):
        whole, carry = floor_split(carry + total(costs[begin:end]))
        debited += whole
        assert 0 <= carry < 1
    assert (debited, carry) == floor_split(total(costs))


def test_sub_cent_rates_add_up_and_round_once() -> None:
    """730 hours at 0.342466 cents are 250.00018 cents; the rate itself shows as 0."""
    price = Decimal("0.342466")
    assert plain_text(cost_minor(Decimal(730), price)) == "250.00018"
    assert round_half_even(cost_minor(Decimal(730), price)) == 250
    assert round_half_even(price) == 0


def test_a_rate_is_in_force_from_its_time_on() -> None:
    rates = [RatePoint(START, Decimal(1)), RatePoint(START + timedelta(days=1), Decimal(2))]
    microsecond = timedelta(microseconds=1)
    assert rate_in_force(rates, START - microsecond) is None
    assert rate_in_force(rates, START) == 1
    assert rate_in_force(rates, START + timedelta(days=1) - microsecond) == 1
    assert rate_in_force(rates, START + timedelta(days=1)) == 2
    assert rate_in_force((), START) is None


@given(st.lists(st.integers(0, 100), unique=True, min_size=1).map(sorted), st.integers(0, 100))
def test_the_latest_rate_that_has_begun_is_in_force(days: list[int], at: int) -> None:
    rates = [RatePoint(START + timedelta(days=day), Decimal(day)) for day in days]
    begun = [day for day in days if day <= at]
    assert rate_in_force(rates, START + timedelta(days=at)) == (Decimal(max(begun)) if begun else None)
