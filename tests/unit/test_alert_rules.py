"""When alerts fire: the published figures, and a fold over generated balances as the other opinion."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.alerts import rules
from wallet_service.alerts.model import BalanceAlert, DaysAlert
from wallet_service.watching.model import Move

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ORG, WALLET = UUID(int=1), UUID(int=2)
BALANCES = st.integers(min_value=-3_000, max_value=3_000)


def moves(balances: list[int], *, first_seq: int = 1) -> list[Move]:
    return [
        Move(seq, NOW + timedelta(seconds=seq), balance, balance)
        for seq, balance in enumerate(balances, start=first_seq)
    ]


def armed(threshold_minor: int, *, from_seq: int = 0) -> BalanceAlert:
    return BalanceAlert(threshold_minor, from_seq, has_fired=False, last_fired_at=None)


def fired_at(balances: list[int], threshold: int, *, has_fired: bool = False) -> list[tuple[int, bool]]:
    """The definition, naively: position and direction of each crossing."""
    found: list[tuple[int, bool]] = []
    for position, balance in enumerate(balances, start=1):
        if (balance < threshold) != has_fired:
            has_fired = not has_fired
            found.append((position, has_fired))
    return found


def test_the_worked_figures_of_the_balance_alert():
    alert, turns = rules.replay(armed(1000), moves([1200, 900, 800, 1500, 999]))
    assert [(turn.balance_minor, turn.has_fired) for turn in turns] == [(900, True), (1500, False), (999, True)]
    assert alert.has_fired
    assert alert.last_fired_at == NOW + timedelta(seconds=5)


def test_a_balance_at_the_threshold_is_not_below_it():
    assert rules.replay(armed(1000), moves([1000]))[1] == []
    assert [turn.has_fired for turn in rules.replay(armed(1000), moves([999, 1000]))[1]] == [True, False]


@given(balances=st.lists(BALANCES), threshold=st.integers(min_value=1, max_value=2_000), cut=st.integers(min_value=0))
def test_turns_are_those_of_a_naive_fold_however_the_moves_are_cut(balances: list[int], threshold: int, cut: int):
    shown = moves(balances)
    cut = cut % (len(shown) + 1)
    alert, first = rules.replay(armed(threshold), shown[:cut])
    alert, second = rules.replay(alert, shown[cut:])
    assert [(turn.entry_seq, turn.has_fired) for turn in (*first, *second)] == fired_at(balances, threshold)


@given(balances=st.lists(BALANCES), from_seq=st.integers(min_value=0, max_value=20))
def test_moves_of_before_the_threshold_do_not_count(balances: list[int], from_seq: int):
    whole = rules.replay(armed(1000, from_seq=from_seq), moves(balances))
    assert whole == rules.replay(armed(1000, from_seq=from_seq), moves(balances)[from_seq:])


def test_a_threshold_that_stays_keeps_what_it_knows_and_another_one_forgets_it():
    first = rules.configured(
        rules.no_alerts(ORG, WALLET), balance_alert_minor=1000, days_remaining_alert=7, entry_seq=5, now=NOW
    )
    assert first.balance == BalanceAlert(1000, 5, False, None)
    assert first.days == DaysAlert(7, False, None, NOW)
    balance, turn = rules.judged(first.balance, balance_minor=999, now=NOW)
    assert turn is not None
    fired = rules.WalletAlerts(ORG, WALLET, balance, first.days)
    same = rules.configured(fired, balance_alert_minor=1000, days_remaining_alert=7, entry_seq=9, now=NOW)
    assert same == fired
    other = rules.configured(fired, balance_alert_minor=2000, days_remaining_alert=None, entry_seq=9, now=NOW)
    assert other.balance == BalanceAlert(2000, 9, False, NOW)
    assert other.days == DaysAlert(None, False, None, None)


@pytest.mark.parametrize("nothing", [None, 0])
def test_nothing_turns_an_alert_off(nothing: int | None):
    alerts = rules.configured(
        rules.no_alerts(ORG, WALLET), balance_alert_minor=1000, days_remaining_alert=7, entry_seq=5, now=NOW
    )
    cleared = rules.configured(alerts, balance_alert_minor=nothing, days_remaining_alert=nothing, entry_seq=6, now=NOW)
    assert (cleared.balance.threshold_minor, cleared.days.threshold_days) == (None, None)
    assert rules.replay(cleared.balance, moves([-5])) == (cleared.balance, [])
    assert rules.judged(cleared.balance, balance_minor=-5, now=NOW) == (cleared.balance, None)


def days(threshold_days: int, *, has_fired: bool = False) -> DaysAlert:
    return DaysAlert(threshold_days, has_fired, None, NOW)


def test_the_worked_figures_of_the_days_alert():
    """7 days at 200 a day: fires below 1400, also when the burn of an hour is a number without an end."""
    burn = Decimal(200) / 24
    assert rules.estimated(days(7), balance_minor=1400, burn_per_hour=burn, now=NOW)[1] is None
    alert, turn = rules.estimated(days(7), balance_minor=1399, burn_per_hour=burn, now=NOW)
    assert turn == rules.Turn(True, NOW, 1399, None)
    assert (alert.has_fired, alert.last_fired_at, alert.check_at) == (True, NOW, NOW + timedelta(hours=6))
    assert rules.daily_burn_minor(burn) == 200
    assert rules.whole_days_remaining(balance_minor=1400, burn_per_hour=burn) == 7
    assert rules.whole_days_remaining(balance_minor=1399, burn_per_hour=burn) == 6


def test_days_recover_a_tenth_above_the_threshold():
    burn = Decimal(200) / 24
    assert rules.estimated(days(7, has_fired=True), balance_minor=1539, burn_per_hour=burn, now=NOW)[1] is None
    alert, turn = rules.estimated(days(7, has_fired=True), balance_minor=1540, burn_per_hour=burn, now=NOW)
    assert turn is not None
    assert not alert.has_fired


@given(balance_minor=st.integers(min_value=0, max_value=2**63 - 1), threshold=st.integers(min_value=1, max_value=3650))
def test_what_burns_nothing_lasts_for_ever(balance_minor: int, threshold: int):
    nothing = Decimal(0)
    assert rules.estimated(days(threshold), balance_minor=balance_minor, burn_per_hour=nothing, now=NOW)[1] is None
    assert rules.whole_days_remaining(balance_minor=balance_minor, burn_per_hour=nothing) is None


@given(
    balance_minor=st.integers(min_value=-(2**63), max_value=2**63 - 1),
    burn=st.decimals(min_value=0, max_value=10**15, places=28),
    threshold=st.integers(min_value=1, max_value=3650),
)
def test_an_alert_that_fired_is_never_recovered_at_the_same_balance(balance_minor: int, burn: Decimal, threshold: int):
    alert, turn = rules.estimated(days(threshold), balance_minor=balance_minor, burn_per_hour=burn, now=NOW)
    if turn is not None:
        again, second = rules.estimated(alert, balance_minor=balance_minor, burn_per_hour=burn, now=NOW)
        assert second is None
        assert again.has_fired
    remaining = rules.whole_days_remaining(balance_minor=balance_minor, burn_per_hour=burn)
    assert remaining is None or remaining >= 0
