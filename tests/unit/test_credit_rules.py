"""What credits show: balances with their fraction, statuses, windows, the automatic top-up, minimums."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.protocol import FailureKind
from wallet_service.credits import rules
from wallet_service.credits.model import TopUpConfig, TopUpStatus
from wallet_service.errors import Reason, ServiceError
from wallet_service.recharge.model import DisabledReason, RechargeConfig, Terms
from wallet_service.recharge.rules import failed, turned_off
from wallet_service.topups.model import TopUp, TopUpFailure, TopUpMethod, TopUpState
from wallet_service.usage.query_rules import Bucket, UsageRow, bucket_start

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
NOBODY = UUID(int=0)
moments = st.datetimes(timezones=st.just(UTC)).filter(lambda at: 1970 < at.year < 9998)

CONFIG = RechargeConfig(
    org_id=NOBODY,
    wallet_id=NOBODY,
    is_enabled=True,
    terms=Terms(
        threshold_minor=500,
        amount_minor=1000,
        payment_method_id="pm",
        close_gap_max_minor=0,
        daily_cap_minor=5000,
        monthly_cap_minor=30_000,
        cooldown=timedelta(minutes=5),
    ),
    consent_id=NOBODY,
    armed_seq=0,
    created_at=NOW,
    updated_at=NOW,
)
DECLINE = TopUpFailure(
    reason=Reason.PAYMENT_DECLINED, code="do_not_honor", message="Declined.", kind=FailureKind.DECLINED_RETRYABLE
)


def topup(state: TopUpState, failure: TopUpFailure | None = None) -> TopUp:
    return TopUp(
        org_id=NOBODY,
        topup_id=NOBODY,
        wallet_id=NOBODY,
        account_id=NOBODY,
        provider="stripe",
        method=TopUpMethod.STRIPE_CARD,
        amount_minor=1000,
        currency="USD",
        state=state,
        provider_key="k",
        created_at=NOW,
        updated_at=NOW,
        failure=failure,
    )


@given(st.integers(-(2**62), 2**62), st.decimals(0, 1, places=12).filter(lambda carry: carry < 1))
def test_the_exact_balance_and_the_carry_make_the_balance(balance_minor: int, carry: Decimal) -> None:
    exact = rules.exact_balance(balance_minor, carry)
    assert exact <= balance_minor < exact + 1
    assert exact + carry == balance_minor


@pytest.mark.parametrize(("check", "least"), [(rules.check_topup, 1000), (rules.check_threshold, 500)])
def test_minimums_are_included(check: object, least: int) -> None:
    assert callable(check)
    check(least)
    for amount in (least - 1, 0, -least):
        with pytest.raises(ServiceError) as refused:
            check(amount)
        assert refused.value.reason is Reason.AMOUNT_TOO_SMALL


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (TopUpState.PENDING, TopUpStatus.PENDING),
        (TopUpState.SUCCEEDED, TopUpStatus.COMPLETED),
        (TopUpState.FAILED, TopUpStatus.FAILED),
        (TopUpState.CANCELED, TopUpStatus.FAILED),
    ],
)
def test_a_status_for_every_state(state: TopUpState, status: TopUpStatus) -> None:
    assert rules.status_of(topup(state)) is status
    assert bool(rules.failure_message(topup(state))) is (status is TopUpStatus.FAILED)


def test_a_failure_is_told_in_the_providers_words_once_it_is_final() -> None:
    assert rules.failure_message(topup(TopUpState.FAILED, DECLINE)) == "Declined."
    assert rules.failure_message(topup(TopUpState.PENDING, DECLINE)) == ""


def test_what_the_service_turned_off_is_told_and_what_the_customer_turned_off_is_gone() -> None:
    assert rules.shown_config(None) == TopUpConfig()
    assert rules.shown_config(CONFIG) == TopUpConfig(1000, 500)
    waiting = failed(CONFIG, DECLINE, NOW)
    assert rules.shown_config(waiting) == TopUpConfig(1000, 500, None, "Declined.", NOW)
    off = turned_off(waiting, DisabledReason.DISPUTE, NOW)
    assert rules.shown_config(off) == TopUpConfig(1000, 500, DisabledReason.DISPUTE, "Declined.", NOW)
    assert rules.shown_config(turned_off(waiting, None, NOW)) == TopUpConfig()
    assert rules.shown_config(replace(CONFIG, is_enabled=False)) == TopUpConfig()


@given(moments)
def test_a_history_begins_with_a_whole_day(end: datetime) -> None:
    start = rules.default_start(end)
    assert start == bucket_start(Bucket.DAY, start)
    assert timedelta(days=30) <= end - start < timedelta(days=31)


@given(moments, moments, st.sampled_from([Bucket.HOUR, Bucket.DAY]))
def test_windows_are_known_by_their_start(one: datetime, other: datetime, bucket: Bucket) -> None:
    first, second = (rules.window_of(row(bucket_start(bucket, at)), bucket) for at in (one, other))
    assert (first.window_id == second.window_id) is (first.start == second.start)
    assert first.start <= one < first.end
    assert first.end - first.start == (timedelta(hours=1) if bucket is Bucket.HOUR else timedelta(days=1))


def test_windows_of_other_currencies_and_widths_are_others() -> None:
    day = datetime(2026, 3, 1, tzinfo=UTC)
    assert rules.window_of(row(day), Bucket.DAY).window_id == "day-2026-03-01-usd"
    assert rules.window_of(row(day), Bucket.HOUR).window_id == "hour-2026-03-01T00-usd"
    assert rules.window_of(replace(row(day), currency="EUR"), Bucket.DAY).window_id == "day-2026-03-01-eur"


def row(start: datetime) -> UsageRow:
    return UsageRow(start, "", "", "", "", "", "USD", Decimal(1), "h", Decimal("1.5"), Decimal(0))
