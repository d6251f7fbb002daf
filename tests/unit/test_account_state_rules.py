"""Standings of billing accounts: what a balance, a forecast and an operator make of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.account_states import rules
from wallet_service.account_states.model import AccountStanding, Policy, PolicyChoice
from wallet_service.accounts.model import BillingAccountState
from wallet_service.errors import ServiceError

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLICY = Policy(warn_hours=(72, 24, 1), grace=24 * HOUR, suspends=True)
FRESH = AccountStanding(org_id=UUID(int=1))

balances = st.integers(-(10**9), 10**9)
hours = st.lists(st.integers(1, rules.WARN_HOURS_MAX), min_size=1, max_size=rules.WARNINGS_MAX, unique=True)


@given(balances, st.integers(0, 500), st.integers(0, 500))
def test_grace_begins_at_nothing_and_suspends_at_its_end(balance, grace_hours, waited_hours):
    policy = replace(POLICY, grace=grace_hours * HOUR)
    begun = rules.with_balance(FRESH, policy, balance, NOW)
    later = rules.with_balance(begun, policy, balance, NOW + waited_hours * HOUR)
    assert later.is_out_of_money == (balance <= 0 and waited_hours >= grace_hours)
    assert (later.suspend_at is not None) == (balance <= 0 and waited_hours < grace_hours)
    if later.suspend_at is not None:
        assert later.suspend_at == NOW + grace_hours * HOUR


@given(st.lists(st.tuples(balances, st.integers(0, 48)), max_size=12))
def test_money_always_ends_it(steps):
    standing, now = FRESH, NOW
    for balance, waited_hours in steps:
        now += waited_hours * HOUR
        standing = rules.with_balance(standing, POLICY, balance, now)
        assert rules.with_balance(standing, POLICY, balance, now) == standing
        assert standing.suspend_at is None or standing.suspend_at > now
    assert rules.state_of(rules.with_balance(standing, POLICY, 1, now)) == (BillingAccountState.ACTIVE, None)


@given(hours, st.lists(st.integers(0, 800 * 60), min_size=1, max_size=20))
def test_as_time_runs_out_each_warning_is_given_once_the_longest_first(warn_hours, minutes):
    policy = replace(POLICY, warn_hours=tuple(sorted(warn_hours, reverse=True)))
    standing, given_hours = FRESH, []
    for left in sorted(minutes, reverse=True):
        standing, due = rules.with_forecast(
            standing, policy, empty_at=NOW + timedelta(minutes=left), available_minor=100, now=NOW
        )
        assert standing.next_check_at is not None
        assert standing.next_check_at > NOW
        given_hours += [] if due is None else [due]
    assert given_hours == sorted(set(given_hours), reverse=True)
    least = min(minutes)
    if least <= max(warn_hours) * 60:
        assert given_hours[-1] == min(each for each in warn_hours if least <= each * 60)
    else:
        assert given_hours == []


@pytest.mark.parametrize(
    ("left_hours", "expected"),
    [((73, 71, 73, 71), [72]), ((71, 91, 71), [72, 72]), ((20, 40, 20), [24, 24]), ((20, 29, 20), [24]), ((0,), [1])],
)
def test_a_forecast_that_wavers_repeats_no_warning(left_hours, expected):
    standing, given_hours = FRESH, []
    for left in left_hours:
        standing, due = rules.with_forecast(standing, POLICY, empty_at=NOW + left * HOUR, available_minor=100, now=NOW)
        given_hours += [] if due is None else [due]
    assert given_hours == expected


def test_no_end_in_sight_arms_all_warnings_and_looks_again_in_a_day():
    standing, due = rules.with_forecast(
        replace(FRESH, warned_hours=1), POLICY, empty_at=None, available_minor=5, now=NOW
    )
    assert (standing.warned_hours, standing.next_check_at, due) == (None, NOW + 24 * HOUR, None)


@pytest.mark.parametrize(
    ("checked_minor", "available_minor", "wanted"), [(100, 90, False), (100, 89, True), (100, 200, False)]
)
def test_the_forecast_is_asked_early_when_a_tenth_is_gone(checked_minor, available_minor, wanted):
    standing = replace(FRESH, next_check_at=NOW, checked_minor=checked_minor)
    found = rules.wants_forecast(standing, available_minor=available_minor, balance_minor=available_minor)
    assert found is wanted


@given(st.booleans(), st.booleans(), st.booleans())
def test_of_several_reasons_the_gravest_is_shown(is_manual, is_disputed, is_out_of_money):
    standing = replace(FRESH, is_manual=is_manual, is_disputed=is_disputed, is_out_of_money=is_out_of_money)
    state, reason = rules.state_of(standing)
    expected = "manual" if is_manual else "dispute" if is_disputed else "low_balance" if is_out_of_money else None
    assert reason == expected
    assert (state is BillingAccountState.SUSPENDED) == (expected is not None)
    assert rules.state_of(rules.resumed(standing, NOW)) == (BillingAccountState.ACTIVE, None)


@pytest.mark.parametrize(
    "choice",
    [
        PolicyChoice(warn_hours=(0,)),
        PolicyChoice(warn_hours=(721,)),
        PolicyChoice(warn_hours=(5, 5)),
        PolicyChoice(warn_hours=tuple(range(1, 10))),
        PolicyChoice(grace_hours=-1),
        PolicyChoice(grace_hours=8761),
    ],
)
def test_a_policy_out_of_bounds_is_refused(choice):
    with pytest.raises(ServiceError):
        rules.check_choice(choice)


@given(hours, st.none() | st.integers(0, rules.GRACE_HOURS_MAX), st.none() | st.booleans())
def test_what_is_not_chosen_is_the_default(warn_hours, grace_hours, suspends):
    choice = PolicyChoice(tuple(warn_hours), grace_hours, suspends)
    rules.check_choice(choice)
    policy = rules.policy_of(choice, POLICY)
    assert policy.warn_hours == tuple(sorted(warn_hours, reverse=True))
    assert policy.grace == (POLICY.grace if grace_hours is None else grace_hours * HOUR)
    assert policy.suspends == (suspends is not False)
    assert rules.policy_of(PolicyChoice(), POLICY) == POLICY
