"""Codes as people type them, the windows that they grant, and the discount of a charge."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import EXACT
from wallet_service.errors import Reason, ServiceError
from wallet_service.promotions.model import NewCampaign, Promotion
from wallet_service.promotions.rules import CODE_BYTES, check_campaign, code_of, granted, hash_of_code, prefix_of
from wallet_service.rating.rules import DiscountWindow, charge, discount_in_force

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MONTH = NewCampaign("spring", "Spring", 20, None, None, 30 * DAY, True, False, None)
SECRETS = st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES)


def redeemed(terms: NewCampaign, now: datetime = NOW) -> Promotion:
    return granted(terms, org_id=uuid.UUID(int=1), code_id=uuid.UUID(int=2), now=now)


@given(first=SECRETS, second=SECRETS)
def test_a_code_keeps_all_its_bits(first: bytes, second: bytes) -> None:
    codes = code_of(first), code_of(second)
    assert (first == second) == (codes[0] == codes[1]) == (hash_of_code(codes[0]) == hash_of_code(codes[1]))
    assert [len(part) for part in codes[0].split("-")] == [4] * 6
    assert codes[0].startswith(prefix_of(codes[0]))


@given(secret=SECRETS)
def test_a_code_is_read_however_it_is_typed(secret: bytes) -> None:
    code = code_of(secret)
    for typed in (
        code.lower(),
        code.replace("-", ""),
        f" {code.replace('-', ' ')} ",
        code.replace("0", "o").replace("1", "L"),
        code.replace("1", "i"),
    ):
        assert hash_of_code(typed) == hash_of_code(code)


@given(text=st.text(max_size=64))
def test_any_text_is_a_code_that_nobody_has(text: str) -> None:
    assert len(hash_of_code(text)) == 32


@pytest.mark.parametrize(
    ("changes", "start", "end"),
    [
        ({}, NOW, NOW + 30 * DAY),
        ({"lasts": None, "ends_at": NOW + DAY}, NOW, NOW + DAY),
        ({"lasts": None, "starts_at": NOW - DAY, "ends_at": NOW + DAY}, NOW, NOW + DAY),
        ({"lasts": None, "starts_at": NOW + DAY, "ends_at": NOW + 2 * DAY}, NOW + DAY, NOW + 2 * DAY),
        ({"starts_at": NOW + DAY}, NOW + DAY, NOW + 31 * DAY),
        ({"starts_at": NOW - DAY}, NOW, NOW + 29 * DAY),
        ({"redeem_before": NOW + timedelta(microseconds=1)}, NOW, NOW + 30 * DAY),
    ],
)
def test_the_window_that_a_code_grants(changes: dict[str, object], start: datetime, end: datetime) -> None:
    made = redeemed(replace(MONTH, **changes))  # type: ignore[arg-type]
    assert (made.starts_at, made.ends_at) == (start, end)


@pytest.mark.parametrize(
    "changes",
    [
        {"redeem_before": NOW},
        {"lasts": None, "ends_at": NOW},
        {"starts_at": NOW - 30 * DAY},
    ],
)
def test_a_code_of_what_is_over_grants_nothing(changes: dict[str, object]) -> None:
    with pytest.raises(ServiceError) as caught:
        redeemed(replace(MONTH, **changes))  # type: ignore[arg-type]
    assert caught.value.reason is Reason.PROMOTION_CODE_INVALID


@pytest.mark.parametrize(
    "changes",
    [
        {"campaign_id": "Spring"},
        {"display_name": "a" * 201},
        {"display_name": "a\0"},
        {"percent": 0},
        {"percent": 101},
        {"applies_to_usage": False},
        {"lasts": None},
        {"ends_at": NOW},
        {"lasts": timedelta(minutes=59)},
        {"lasts": 4000 * DAY},
        {"lasts": timedelta(hours=1, microseconds=1)},
        {"lasts": None, "starts_at": NOW, "ends_at": NOW},
    ],
)
def test_terms_that_make_no_sense_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ServiceError) as caught:
        check_campaign(replace(MONTH, **changes))  # type: ignore[arg-type]
    assert caught.value.reason is Reason.INVALID_FIELD


def test_terms_that_make_sense_are_taken() -> None:
    check_campaign(MONTH)
    check_campaign(replace(MONTH, percent=100, lasts=None, starts_at=NOW, ends_at=NOW + DAY))


QUANTITIES = st.decimals(min_value=-(10**9), max_value=10**9, places=12)
PRICES = st.decimals(min_value=0, max_value=1000, places=18)


@given(quantity=QUANTITIES, price=PRICES, percent=st.integers(0, 100))
def test_cost_and_discount_are_the_list_price_exactly(quantity: Decimal, price: Decimal, percent: int) -> None:
    charged = charge(quantity, price, discount_percent=percent)
    listed = EXACT.multiply(quantity, price)
    assert EXACT.add(charged.cost_minor, charged.discount_minor) == listed
    assert EXACT.multiply(charged.discount_minor, Decimal(100)) == EXACT.multiply(listed, Decimal(percent))
    # A discount of usage is never below 0, one of a correction never above.
    assert charged.discount_minor * quantity >= 0


@given(quantity=QUANTITIES, price=PRICES, percent=st.integers(0, 100))
def test_a_correction_mirrors_what_it_takes_back(quantity: Decimal, price: Decimal, percent: int) -> None:
    charged = charge(quantity, price, discount_percent=percent)
    back = charge(-quantity, price, discount_percent=percent)
    assert (back.cost_minor, back.discount_minor) == (
        charged.cost_minor.copy_negate(),
        charged.discount_minor.copy_negate(),
    )


def test_without_a_discount_a_cost_is_written_as_ever() -> None:
    assert str(charge(Decimal("730"), Decimal("0.342466")).cost_minor) == "250.000180"


def test_windows_of_discounts_are_half_open() -> None:
    windows = (DiscountWindow(NOW, NOW + DAY, 20), DiscountWindow(NOW + DAY, NOW + 2 * DAY, 50))
    tick = timedelta(microseconds=1)
    moments = [NOW - tick, NOW, NOW + DAY - tick, NOW + DAY, NOW + 2 * DAY - tick, NOW + 2 * DAY]
    assert [discount_in_force(windows, at) for at in moments] == [0, 20, 20, 50, 50, 0]
    assert discount_in_force((), NOW) == 0
