"""The rule of automatic recharging: its table, and generated lives of a wallet that never leave what was agreed to."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from providers.protocol import FailureKind
from wallet_service.accounts.model import BillingAccount, BillingAccountState
from wallet_service.errors import Reason, ServiceError
from wallet_service.recharge import rules
from wallet_service.recharge.model import (
    Attempt,
    AttemptState,
    Charged,
    DisabledReason,
    RechargeConfig,
    SkipReason,
    Standing,
    Terms,
)
from wallet_service.recharge.rules import Charge, Rest, Skip
from wallet_service.topups.model import TopUpFailure

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TERMS = Terms(
    threshold_minor=1000,
    amount_minor=5000,
    payment_method_id="pm_1",
    close_gap_max_minor=0,
    daily_cap_minor=25_000,
    monthly_cap_minor=150_000,
    cooldown=timedelta(minutes=5),
)
DECLINED = TopUpFailure(
    reason=Reason.PAYMENT_DECLINED, code="generic_decline", message="No.", kind=FailureKind.DECLINED_RETRYABLE
)


def config(**fields: Any) -> RechargeConfig:
    base = RechargeConfig(
        org_id=UUID(int=1),
        wallet_id=UUID(int=2),
        is_enabled=True,
        terms=TERMS,
        consent_id=UUID(int=3),
        armed_seq=0,
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(base, **fields)


@pytest.mark.parametrize(
    ("standing", "decision"),
    [
        ({"available_minor": 1000}, Rest()),
        ({"available_minor": 999}, Charge(5000)),
        ({"available_minor": -100_000}, Charge(5000)),
        ({"available_minor": 1000, "is_open": True}, Rest()),
        ({"available_minor": 999, "is_open": True, "pending_minor": 5000}, Skip(SkipReason.IN_FLIGHT)),
        (
            {"available_minor": 999, "pending_minor": 1},
            Skip(SkipReason.PENDING_TOP_UP, NOW + timedelta(minutes=5)),
        ),
        ({"available_minor": -1, "pending_minor": 1000}, Charge(5000)),
        ({"available_minor": 0, "is_account_active": False}, Skip(SkipReason.ACCOUNT_NOT_ACTIVE)),
        ({"available_minor": 0, "has_method": False}, Skip(SkipReason.NO_PAYMENT_METHOD)),
        (
            {"available_minor": 0, "not_before": NOW + timedelta(seconds=1)},
            Skip(SkipReason.BACK_OFF, NOW + timedelta(seconds=1)),
        ),
        ({"available_minor": 0, "not_before": NOW}, Charge(5000)),
        (
            {"available_minor": 0, "last_attempt_at": NOW - timedelta(minutes=4)},
            Skip(SkipReason.COOLDOWN, NOW + timedelta(minutes=1)),
        ),
        ({"available_minor": 0, "last_attempt_at": NOW - timedelta(minutes=5)}, Charge(5000)),
        ({"available_minor": 0, "day": Charged(20_000, NOW)}, Charge(5000)),
        (
            {"available_minor": 0, "day": Charged(20_001, NOW - timedelta(hours=1))},
            Skip(SkipReason.DAILY_CAP, NOW + timedelta(hours=23)),
        ),
        (
            {"available_minor": 0, "month": Charged(145_001, NOW - timedelta(days=1))},
            Skip(SkipReason.MONTHLY_CAP, NOW + timedelta(days=30)),
        ),
    ],
)
def test_the_table_of_decisions(standing, decision):
    assert rules.decide(TERMS, Standing(**standing), NOW) == decision


@pytest.mark.parametrize(
    ("available_minor", "close_gap_max_minor", "day_minor", "charged_minor"),
    [
        (0, 20_000, 0, 5000),
        (-4000, 20_000, 0, 5000),
        (-4001, 20_000, 0, 5001),
        (-9000, 20_000, 0, 10_000),
        (-90_000, 20_000, 0, 20_000),
        (-90_000, 20_000, 15_000, 10_000),
        (-90_000, 20_000, 20_000, 5000),
    ],
)
def test_a_charge_that_closes_the_gap(available_minor, close_gap_max_minor, day_minor, charged_minor):
    terms = replace(TERMS, close_gap_max_minor=close_gap_max_minor)
    standing = Standing(available_minor=available_minor, day=Charged(day_minor, NOW))
    assert rules.decide(terms, standing, NOW) == Charge(charged_minor)


@pytest.mark.parametrize(
    ("kind", "count", "disabled", "hours"),
    [
        (FailureKind.DECLINED_RETRYABLE, 1, None, 1),
        (FailureKind.DECLINED_RETRYABLE, 2, None, 24),
        (FailureKind.DECLINED_RETRYABLE, 3, None, 72),
        (FailureKind.DECLINED_RETRYABLE, 4, DisabledReason.RETRIES_EXHAUSTED, None),
        (None, 1, None, 1),
        (FailureKind.UNAVAILABLE, 2, None, 24),
        (FailureKind.DECLINED_HARD, 1, DisabledReason.CARD_DECLINED, None),
        (FailureKind.AUTHENTICATION_REQUIRED, 1, DisabledReason.AUTHENTICATION_REQUIRED, None),
        (FailureKind.INVALID, 1, DisabledReason.PAYMENT_REFUSED, None),
    ],
)
def test_what_follows_from_a_failure(kind, count, disabled, hours):
    after = rules.failed(config(failure_count=count - 1), replace(DECLINED, kind=kind), NOW)
    assert (after.is_enabled, after.disabled_reason) == (disabled is None, disabled)
    planned = None if hours is None else NOW + timedelta(hours=hours)
    assert after.next_attempt_at == planned
    assert (after.last_error_code, after.last_error, after.last_failed_at) == ("generic_decline", "No.", NOW)
    if planned is not None:
        assert rules.not_before(after) == planned


def test_a_success_forgets_failures_but_turns_nothing_on():
    failed_once = rules.failed(config(), DECLINED, NOW)
    assert rules.not_before(rules.succeeded(failed_once, NOW)) is None
    off = rules.turned_off(failed_once, DisabledReason.DISPUTE, NOW)
    after = rules.succeeded(off, NOW)
    assert (after.is_enabled, after.disabled_reason, after.last_error_code) == (
        False,
        DisabledReason.DISPUTE,
        "generic_decline",
    )


@pytest.mark.parametrize(
    ("state", "reason", "takes"),
    [
        (BillingAccountState.ACTIVE, None, True),
        (BillingAccountState.SUSPENDED, "low_balance", True),
        (BillingAccountState.SUSPENDED, "dispute", False),
        (BillingAccountState.SUSPENDED, "manual", False),
        (BillingAccountState.CLOSED, None, False),
    ],
)
def test_which_accounts_are_charged(state, reason, takes):
    account = BillingAccount(UUID(int=1), "my-org", UUID(int=2), "", state, reason, NOW)
    assert rules.takes_recharges(account) is takes


def test_checks_thin_out_and_never_stop():
    attempt = Attempt(
        org_id=UUID(int=1),
        attempt_id=UUID(int=2),
        wallet_id=UUID(int=3),
        topup_id=UUID(int=4),
        amount_minor=1,
        state=AttemptState.IN_FLIGHT,
        created_at=NOW,
        next_check_at=NOW,
    )
    waits = [rules.next_check(replace(attempt, try_count=count), NOW) - NOW for count in range(1, 40)]
    assert waits[0] == timedelta(seconds=10)
    assert all(first <= second for first, second in pairwise(waits))
    assert waits[-1] == timedelta(minutes=30)
    assert rules.leased_until(NOW) - NOW > timedelta(seconds=80)


@given(
    amount_minor=st.integers(1, 10**9),
    close_gap_max_minor=st.integers(0, 10**9),
    daily_cap_minor=st.integers(1, 10**12),
    monthly_cap_minor=st.integers(1, 10**12),
)
def test_terms_that_are_accepted_can_be_kept(amount_minor, close_gap_max_minor, daily_cap_minor, monthly_cap_minor):
    terms = replace(
        TERMS,
        amount_minor=amount_minor,
        close_gap_max_minor=close_gap_max_minor,
        daily_cap_minor=daily_cap_minor,
        monthly_cap_minor=monthly_cap_minor,
    )
    makes_sense = close_gap_max_minor == 0 or close_gap_max_minor >= amount_minor
    if makes_sense and min(daily_cap_minor, monthly_cap_minor) >= amount_minor:
        rules.check_terms(terms, amount_max_minor=10**9)
        assert f"{daily_cap_minor} USD in 24 hours" in rules.mandate_of(terms, currency="USD", card="visa 4242")
    else:
        with pytest.raises(ServiceError):
            rules.check_terms(terms, amount_max_minor=10**9)


@st.composite
def all_terms(draw: st.DrawFn) -> Terms:
    amount = draw(st.integers(1, 10_000))
    return Terms(
        threshold_minor=draw(st.integers(1, 20_000)),
        amount_minor=amount,
        payment_method_id="pm_1",
        close_gap_max_minor=draw(st.one_of(st.just(0), st.integers(amount, 40_000))),
        daily_cap_minor=draw(st.integers(amount, 60_000)),
        monthly_cap_minor=draw(st.integers(amount, 200_000)),
        cooldown=timedelta(seconds=draw(st.integers(0, 86_400))),
    )


@dataclass
class Made:
    """An attempt of the model; `state` open, paid or failed."""

    at: datetime
    amount_minor: int
    state: str = "open"


@dataclass
class World:
    """What the database would tell the rule."""

    terms: Terms
    now: datetime = NOW
    available_minor: int = 0
    attempts: list[Made] = field(default_factory=list[Made])

    @property
    def open_attempts(self) -> list[Made]:
        return [made for made in self.attempts if made.state == "open"]

    def charged(self, window: timedelta) -> Charged:
        """The same sums as the store's, over (now - window, now]."""
        counted = [made for made in self.attempts if made.state != "failed" and made.at > self.now - window]
        return Charged(sum(made.amount_minor for made in counted), min((made.at for made in counted), default=None))

    def standing(self, config: RechargeConfig) -> Standing:
        return Standing(
            available_minor=self.available_minor,
            is_open=bool(self.open_attempts),
            day=self.charged(rules.DAY),
            month=self.charged(rules.MONTH),
            last_attempt_at=max((made.at for made in self.attempts), default=None),
            not_before=rules.not_before(config),
        )


class Life(RuleBasedStateMachine):
    """A wallet that is used, looked at, charged, declined and left alone, in any order."""

    @initialize(terms=all_terms())
    def begin(self, terms: Terms) -> None:
        self.world = World(terms)
        self.config = config(terms=terms)

    @rule(amount_minor=st.integers(1, 50_000))
    def use(self, amount_minor: int) -> None:
        self.world.available_minor -= amount_minor

    @rule(amount_minor=st.integers(1, 50_000))
    def deposit(self, amount_minor: int) -> None:
        self.world.available_minor += amount_minor

    @rule(minutes=st.sampled_from([0, 1, 5, 59, 60, 719, 1440, 4320, 44_640]))
    def wait(self, minutes: int) -> None:
        self.world.now += timedelta(minutes=minutes)

    @rule()
    def look(self) -> None:
        if not self.config.is_enabled:
            return
        world, terms = self.world, self.world.terms
        decision = rules.decide(terms, world.standing(self.config), world.now)
        match decision:
            case Charge(amount_minor):
                assert world.available_minor < terms.threshold_minor
                assert not world.open_attempts
                assert amount_minor >= terms.amount_minor
                assert amount_minor <= max(terms.amount_minor, terms.close_gap_max_minor)
                gap_minor = terms.threshold_minor - world.available_minor
                assert amount_minor <= max(terms.amount_minor, gap_minor)
                world.attempts.append(Made(world.now, amount_minor))
            case Skip(_, until):
                assert world.available_minor < terms.threshold_minor
                assert until is None or until > world.now
            case Rest():
                assert world.available_minor >= terms.threshold_minor

    @precondition(lambda self: self.world.open_attempts)
    @rule()
    def succeed(self) -> None:
        [made] = self.world.open_attempts
        made.state = "paid"
        self.world.available_minor += made.amount_minor
        self.config = rules.succeeded(self.config, self.world.now)

    @precondition(lambda self: self.world.open_attempts)
    @rule(kind=st.sampled_from([FailureKind.DECLINED_RETRYABLE, FailureKind.DECLINED_HARD, None]))
    def decline(self, kind: FailureKind | None) -> None:
        [made] = self.world.open_attempts
        made.state = "failed"
        self.config = rules.failed(self.config, replace(DECLINED, kind=kind), self.world.now)

    @rule()
    def turn_on_again(self) -> None:
        self.config = config(terms=self.world.terms)

    @invariant()
    def one_at_a_time(self) -> None:
        assert len(self.world.open_attempts) <= 1

    @invariant()
    def never_above_the_caps(self) -> None:
        """Of any 24 hours and any 31 days that end with an attempt, not only of those that end now."""
        for window, cap_minor in (
            (rules.DAY, self.world.terms.daily_cap_minor),
            (rules.MONTH, self.world.terms.monthly_cap_minor),
        ):
            assert most_in(self.world.attempts, window) <= cap_minor

    @invariant()
    def never_twice_within_the_cooldown(self) -> None:
        times = [made.at for made in self.world.attempts]
        assert all(later - earlier >= self.world.terms.cooldown for earlier, later in pairwise(times))


def most_in(attempts: Sequence[Made], window: timedelta) -> int:
    counted = [made for made in attempts if made.state != "failed"]
    return max(
        (sum(each.amount_minor for each in counted if last.at - window < each.at <= last.at) for last in counted),
        default=0,
    )


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
