"""What follows from a provider's answer about a top-up: the table of verdicts, and when to ask again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from providers.protocol import (
    DisputeSnapshot,
    DisputeState,
    Failure,
    FailureKind,
    PaymentSnapshot,
    PaymentState,
    RefundSnapshot,
    RefundState,
)
from wallet_service.errors import Code, Reason
from wallet_service.topups import rules
from wallet_service.topups.model import (
    Origin,
    TopUp,
    TopUpFailure,
    TopUpMethod,
    TopUpState,
    UnmatchedPayment,
    UnmatchedReason,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AFTER = timedelta(seconds=20)
USD_50 = Money(5000, "USD")
DECLINED = TopUpFailure(reason=Reason.PAYMENT_DECLINED, code="generic_decline", message="Your card was declined.")


def topup(**fields: Any) -> TopUp:
    base = TopUp(
        org_id=UUID(int=1),
        topup_id=UUID(int=2),
        wallet_id=UUID(int=3),
        account_id=UUID(int=3),
        provider="stripe",
        method=TopUpMethod.STRIPE_CARD,
        amount_minor=5000,
        currency="USD",
        state=TopUpState.PENDING,
        provider_key="key",
        created_at=NOW,
        updated_at=NOW,
        external_id="pi_1",
    )
    return replace(base, **fields)


def answer(state: PaymentState, **fields: Any) -> PaymentSnapshot:
    received = USD_50 if state is PaymentState.SUCCEEDED else Money(0, "USD")
    base = PaymentSnapshot(
        external_id="pi_1",
        state=state,
        amount=USD_50,
        amount_received=received,
        amount_refunded=Money(0, "USD"),
        created_at=NOW,
    )
    return replace(base, **fields)


@pytest.mark.parametrize(
    ("failure", "payment", "expected"),
    [
        (None, PaymentState.AWAITING_PAYER, TopUpState.PENDING),
        (None, PaymentState.AWAITING_AUTHENTICATION, TopUpState.PENDING),
        (None, PaymentState.PROCESSING, TopUpState.PENDING),
        (None, PaymentState.SUCCEEDED, TopUpState.SUCCEEDED),
        (None, PaymentState.FAILED, TopUpState.FAILED),
        (None, PaymentState.CANCELED, TopUpState.CANCELED),
        (DECLINED, PaymentState.AWAITING_PAYER, TopUpState.PENDING),
        (DECLINED, PaymentState.CANCELED, TopUpState.FAILED),
        (DECLINED, PaymentState.SUCCEEDED, TopUpState.SUCCEEDED),
    ],
)
def test_a_pending_top_up_follows_its_payment(failure, payment, expected):
    verdict = rules.judge(topup(failure=failure), answer(payment))
    assert (verdict.state, verdict.unmatched) == (expected, None)
    assert (verdict.failure == failure) or verdict.state is TopUpState.SUCCEEDED


@pytest.mark.parametrize("ended", [TopUpState.SUCCEEDED, TopUpState.FAILED, TopUpState.CANCELED])
@pytest.mark.parametrize("payment", list(PaymentState))
def test_an_ended_top_up_stays_as_it_ended(ended, payment):
    verdict = rules.judge(topup(state=ended), answer(payment))
    assert verdict.state is ended
    late = payment is PaymentState.SUCCEEDED and ended is not TopUpState.SUCCEEDED
    assert verdict.unmatched is (UnmatchedReason.LATE if late else None)


@pytest.mark.parametrize("received", [Money(4999, "USD"), Money(5001, "USD"), Money(5000, "EUR"), Money(0, "USD")])
def test_only_the_exact_amount_is_credited(received):
    verdict = rules.judge(topup(), answer(PaymentState.SUCCEEDED, amount_received=received))
    reason = UnmatchedReason.OTHER_AMOUNT if received.amount_minor else None
    assert (verdict.state, verdict.unmatched) == (TopUpState.FAILED, reason)
    assert verdict.failure is not None
    known = topup(state=TopUpState.FAILED, failure=verdict.failure)
    assert rules.judge(known, answer(PaymentState.SUCCEEDED, amount_received=received)).unmatched is reason


def test_another_payment_changes_nothing():
    verdict = rules.judge(topup(), answer(PaymentState.SUCCEEDED, external_id="pi_2"))
    assert (verdict.state, verdict.unmatched) == (TopUpState.PENDING, UnmatchedReason.SECOND_PAYMENT)
    assert rules.judge(topup(external_id=None), answer(PaymentState.SUCCEEDED)).state is TopUpState.SUCCEEDED


@given(age=st.timedeltas(timedelta(0), timedelta(days=400)), has_fee=st.booleans(), state=st.sampled_from(TopUpState))
def test_checks_are_never_in_the_past_and_end_with_the_watch(age, has_fee, state):
    ended_at = None if state is TopUpState.PENDING else NOW
    row = topup(state=state, settled_at=ended_at, fee=Money(30, "USD") if has_fee else None)
    found = rules.next_check(row, NOW + age, AFTER)
    if state in (TopUpState.FAILED, TopUpState.CANCELED):
        assert found is None
    elif state is TopUpState.PENDING:
        assert found is not None
        assert AFTER <= found - (NOW + age) <= timedelta(hours=6)
    elif age >= rules.WATCHED_FOR:
        assert found is None
    else:
        assert found is not None
        assert AFTER <= found - (NOW + age) <= timedelta(days=7)


def test_by_a_test_clock_what_is_settled_is_asked_for_twice_as_late_each_time():
    row = topup(state=TopUpState.SUCCEEDED, settled_at=NOW)
    asked, at = list[int](), NOW
    while (found := rules.next_check(row, at, AFTER, is_hurried=True)) is not None:
        at = found
        asked.append((at - NOW).days)
    assert asked == [1, 2, 4, 8, 16, 32, 64, 128, 256]


def payment(*, fee: Money | None) -> UnmatchedPayment:
    return UnmatchedPayment(
        org_id=UUID(int=1),
        provider="stripe",
        external_id="pi_2",
        topup_id=UUID(int=2),
        reason=UnmatchedReason.SECOND_PAYMENT,
        amount=Money(5000, "USD"),
        entry_id=UUID(int=3),
        is_in_wallet=True,
        fee=fee,
        created_at=NOW,
    )


@given(
    age=st.timedeltas(timedelta(0), timedelta(days=400)),
    fee=st.sampled_from((None, Money(30, "USD"))),
    is_hurried=st.booleans(),
)
def test_a_payment_without_a_top_up_is_watched_as_one_that_was_credited(age, fee, is_hurried):
    credited = topup(state=TopUpState.SUCCEEDED, settled_at=NOW, fee=fee)
    found = rules.next_look(payment(fee=fee), NOW + age, AFTER, is_hurried=is_hurried)
    assert found == rules.next_check(credited, NOW + age, AFTER, is_hurried=is_hurried)


def test_the_looks_at_a_payment_thin_out_and_end():
    at: datetime | None = NOW
    looks = list[datetime]()
    while (at := rules.next_look(payment(fee=Money(30, "USD")), at, AFTER)) is not None:
        looks.append(at)
    assert len(looks) < 40
    assert timedelta(0) <= looks[-1] - (NOW + rules.WATCHED_FOR) < timedelta(days=7)


@pytest.mark.parametrize(("days", "is_asked"), [(0, True), (6, True), (7, False)])
def test_an_unpaid_checkout_is_watched_for_a_week_after_its_end(days, is_asked):
    ended = topup(
        provider="coinbase",
        method=TopUpMethod.COINBASE,
        state=TopUpState.CANCELED,
        settled_at=NOW,
    )
    assert (rules.next_check(ended, NOW + timedelta(days=days), AFTER) is not None) is is_asked
    assert rules.next_check(replace(ended, external_id=None), NOW, AFTER) is None


@pytest.mark.parametrize(
    ("origin", "state", "kind", "waits"),
    [
        (Origin.MANUAL, PaymentState.AWAITING_AUTHENTICATION, None, True),
        (Origin.AUTO, PaymentState.AWAITING_PAYER, FailureKind.AUTHENTICATION_REQUIRED, True),
        (Origin.AUTO, PaymentState.AWAITING_PAYER, FailureKind.DECLINED_RETRYABLE, False),
        (Origin.MANUAL, PaymentState.AWAITING_PAYER, FailureKind.AUTHENTICATION_REQUIRED, False),
        (Origin.AUTO, PaymentState.PROCESSING, None, False),
    ],
)
def test_who_waits_for_their_bank(origin, state, kind, waits):
    refused = None if kind is None else Failure(kind=kind, code="authentication_required", message="why")
    assert rules.waits_for_bank(topup(origin=origin), answer(state, last_failure=refused)) is waits
    ended = topup(origin=origin, state=TopUpState.CANCELED)
    assert not rules.waits_for_bank(ended, answer(state, last_failure=refused))


@pytest.mark.parametrize(
    ("failure_code", "reason"),
    [
        (None, UnmatchedReason.LATE),
        ("generic_decline", UnmatchedReason.LATE),
        (rules.AMOUNT_MISMATCH, UnmatchedReason.OTHER_AMOUNT),
        (rules.WALLET_CLOSED, UnmatchedReason.WALLET_CLOSED),
    ],
)
def test_why_money_is_unmatched_stays_the_same(failure_code, reason):
    failure = None if failure_code is None else replace(DECLINED, code=failure_code)
    ended = topup(state=TopUpState.FAILED, failure=failure)
    assert rules.judge(ended, answer(PaymentState.SUCCEEDED)).unmatched is reason


@pytest.mark.parametrize(
    ("state", "is_away"),
    [
        (RefundState.PENDING, True),
        (RefundState.SUCCEEDED, True),
        (RefundState.FAILED, False),
        (RefundState.CANCELED, False),
    ],
)
def test_a_refund_is_away_until_it_fails(state, is_away):
    refund = RefundSnapshot(refund_id="re_1", amount=Money(100, "USD"), state=state, created_at=NOW)
    [claim] = rules.claims_of(answer(PaymentState.SUCCEEDED, refunds=[refund]))
    assert (claim.reference, claim.amount, claim.is_away, claim.fee) == ("re_1", Money(100, "USD"), is_away, None)


@pytest.mark.parametrize(
    ("withdrawn", "reinstated", "is_away"), [(None, None, False), (5000, 0, True), (5000, 5000, False)]
)
def test_a_dispute_is_away_while_the_provider_holds_its_money(withdrawn, reinstated, is_away):
    dispute = DisputeSnapshot(
        dispute_id="du_1",
        amount=USD_50,
        state=DisputeState.UNDER_REVIEW,
        reason="fraudulent",
        created_at=NOW,
        withdrawn=None if withdrawn is None else Money(withdrawn, "USD"),
        reinstated=None if reinstated is None else Money(reinstated, "USD"),
        fee=Money(1500, "USD"),
    )
    [claim] = rules.claims_of(answer(PaymentState.SUCCEEDED, disputes=[dispute]))
    assert (claim.is_away, claim.fee) == (is_away, Money(1500, "USD"))


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        (FailureKind.INVALID, "amount_too_small", Reason.AMOUNT_TOO_SMALL),
        (FailureKind.INVALID, "amount_too_large", Reason.AMOUNT_TOO_LARGE),
        (FailureKind.INVALID, "resource_missing", Reason.PAYMENT_METHOD_INVALID),
        (FailureKind.INVALID, "parameter_unknown", Reason.PROVIDER_REFUSED),
        (FailureKind.DECLINED_HARD, "card_declined", Reason.PAYMENT_DECLINED),
        (FailureKind.DECLINED_RETRYABLE, "card_declined", Reason.PAYMENT_DECLINED),
    ],
)
def test_a_failure_has_a_published_reason(kind, code, reason):
    failure = rules.failure_of(Failure(kind=kind, code=code, message="why"))
    assert (failure.reason, failure.code) == (reason, code)


def test_the_refusal_of_too_small_an_amount_tells_the_minimum():
    failure = TopUpFailure(reason=Reason.AMOUNT_TOO_SMALL, code="amount_too_small", message="Too small.")
    refusal = rules.refusal_of(topup(state=TopUpState.FAILED, failure=failure), minimum=Money(50, "USD"))
    assert refusal is not None
    assert (refusal.code, refusal.metadata["minimum_minor"]) == (Code.INVALID_ARGUMENT, "50")
    assert rules.refusal_of(topup(), minimum=None) is None
