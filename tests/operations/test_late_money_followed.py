"""Payments that came late, twice or wrong: what is taken back of them later is followed, though no webhook tells of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.money import Money
from providers.protocol import DisputeState, RefundRequest, TopUpRequest
from tests.operations.payments_lab import GOOD, REFUND_FAILS, PaymentsLab, payments_lab
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.journal.audit_operations import Audit

DAY = timedelta(days=1)
RECEIVABLES = """
    SELECT a.currency, sum(p.amount_minor)::bigint FROM ledger_postings p
    JOIN ledger_accounts a ON a.org_id = p.org_id AND a.account_id = p.account_id
    WHERE a.kind = 'receivable' GROUP BY a.currency
"""


@pytest.fixture
async def lab(db: Database, clock: ManualClock) -> AsyncIterator[PaymentsLab]:
    """Every delivery is lost; a test tells of a payment itself."""
    async with payments_lab(db, clock) as made:
        await made.deliver("drop")
        await made.chain("delivery", mode="drop")
        yield made


async def late_checkout(lab: PaymentsLab) -> str:
    """A checkout that was paid after its top-up had ended."""
    started = await lab.checkout(2500)
    await lab.execute("UPDATE topups SET state = 'CANCELED', settled_at = :at", at=lab.clock.now())
    await lab.chain(f"checkouts/{started.topup.external_id}/pay")
    return str(started.topup.external_id)


async def other_amount(lab: PaymentsLab) -> str:
    topup = await lab.paid(2500)
    await lab.execute("UPDATE topups SET amount_minor = 2501")
    return str(topup.external_id)


async def closed_wallet(lab: PaymentsLab) -> str:
    topup = await lab.paid(2500)
    await lab.execute("UPDATE ledger_wallets SET closed_at = now()")
    return str(topup.external_id)


async def second_checkout(lab: PaymentsLab) -> str:
    first = await lab.checkout(500)
    made = await lab.crypto.create_topup(
        TopUpRequest(
            org_id=str(lab.org_id),
            top_up_id=str(first.topup.topup_id),
            amount=Money(2500, "USD"),
            idempotency_key="another",
        )
    )
    await lab.chain(f"checkouts/{made.external_id}/pay")
    return made.external_id


async def second_card(lab: PaymentsLab, card: str = GOOD) -> str:
    topup = (await lab.start(500)).topup
    return await lab.another_payment(topup, card)


async def booked(lab: PaymentsLab, payment: str) -> None:
    """The last that is heard of the payment: that it came."""
    provider = "stripe" if payment.startswith("pi_") else "coinbase"
    await lab.sync.sync_payment(provider, payment)
    assert await lab.rows("SELECT external_id FROM unmatched_payments") == [(payment,)]


async def refund(lab: PaymentsLab, payment: str) -> None:
    if payment.startswith("pi_"):
        await lab.stripe("/v1/refunds", {"payment_intent": payment})
    else:
        await lab.crypto.refund(RefundRequest(payment_external_id=payment, idempotency_key=payment))


async def days_pass(lab: PaymentsLab, *days: int) -> int:
    """The reconciler runs after each of these numbers of days; how many checks it has handed out."""
    count = 0
    for number in days:
        lab.clock.advance(number * DAY)
        count += await lab.reconcile()
    return count


async def only_payments_are_due(lab: PaymentsLab) -> None:
    await lab.execute("UPDATE topups SET next_check_at = NULL")


async def owned(lab: PaymentsLab) -> int:
    """What the customer has, in the wallet or to their credit."""
    balances = await lab.balances()
    return balances.get("wallet", 0) - balances.get("receivable", 0)


@pytest.mark.parametrize("pay", [late_checkout, other_amount, closed_wallet, second_checkout, second_card])
async def test_a_refund_after_months_is_followed(lab, pay):
    payment = await pay(lab)
    await booked(lab, payment)
    assert await owned(lab) == 2500
    await only_payments_are_due(lab)
    assert await days_pass(lab, 1, 7, 92) == 3
    await refund(lab, payment)
    await days_pass(lab, 7)
    assert await owned(lab) == 0
    entries = await lab.entry_count()
    assert await days_pass(lab, 7, 66, 7, 7) == 2, "the check at half a year is the last one"
    assert await lab.entry_count() == entries


async def test_a_refund_that_fails_comes_back(lab):
    payment = await second_card(lab, REFUND_FAILS)
    await booked(lab, payment)
    await days_pass(lab, 1, 29)
    await refund(lab, payment)
    await days_pass(lab, 7)
    assert await owned(lab) == 0
    await lab.flush()
    await days_pass(lab, 7)
    assert await owned(lab) == 2500


@pytest.mark.parametrize(("outcome", "left"), [("won", 2500), ("lost", 0)])
async def test_a_dispute_is_followed_to_its_end(lab, outcome, left):
    payment = await second_card(lab)
    await booked(lab, payment)
    await days_pass(lab, 1, 29)
    dispute = (await lab.control("disputes", payment_intent=payment)).json()["id"]
    await days_pass(lab, 7)
    assert await owned(lab) == 0
    await lab.resolve(dispute, outcome)
    await days_pass(lab, 7)
    assert await owned(lab) == left


async def test_in_another_currency_it_is_taken_back_from_where_it_was_put(lab):
    topup = await lab.credited(500)
    payment = await lab.another_payment(topup, currency="eur")
    await booked(lab, payment)
    assert (await lab.balances())["receivable"] == -2500
    await refund(lab, payment)
    await only_payments_are_due(lab)
    await days_pass(lab, 7)
    assert await lab.rows(RECEIVABLES) == [("EUR", 0)]
    assert (await lab.balances())["wallet"] == 500
    [(told,)] = await lab.rows("SELECT data FROM events WHERE type = 'wallet.topup.refunded'")
    assert (told["external_id"], told["amount_minor"], told["currency"]) == (payment, 2500, "EUR")
    assert (await lab.stored(topup)).taken_back_minor == 0, "of the top-up itself nothing was given back"
    assert (await Audit(lab.db).verify(None)).violations == ()


async def test_a_dispute_in_another_currency_that_is_won_comes_back(lab):
    topup = await lab.credited(500)
    payment = await lab.another_payment(topup, currency="eur")
    await booked(lab, payment)
    dispute = (await lab.control("disputes", payment_intent=payment)).json()["id"]
    await only_payments_are_due(lab)
    await days_pass(lab, 7)
    assert await lab.rows(RECEIVABLES) == [("EUR", 0)]
    await lab.resolve(dispute, "won")
    await days_pass(lab, 7)
    assert await lab.rows(RECEIVABLES) == [("EUR", -2500)]


async def test_an_inquiry_that_becomes_a_dispute_of_less_takes_less(lab):
    topup = await lab.credited(5000)
    await lab.dispute(topup, inquiry=True)
    await lab.sync.sync(topup.org_id, topup.topup_id)
    snapshot = await lab.provider.sync(topup.external_id)
    [inquiry] = snapshot.disputes
    less = replace(inquiry, amount=Money(2000, "USD"), withdrawn=Money(2000, "USD"), state=DisputeState.NEEDS_RESPONSE)
    seen = await lab.stored(topup)
    await lab.sync.store_answer(seen, replace(snapshot, disputes=(less,)), is_complete=True)
    assert await owned(lab) == 3000
    assert (await lab.stored(topup)).taken_back_minor == 2000


async def test_a_fee_that_was_not_known_is_booked_when_it_is(lab):
    payment = await second_card(lab)
    await booked(lab, payment)
    await lab.flush()
    await days_pass(lab, 1)
    fee = (await lab.provider.sync(payment)).fee
    assert fee is not None
    assert (await lab.balances())["fees"] == fee.amount_minor


async def test_a_late_payment_of_a_checkout_is_asked_for_once_at_a_time(lab):
    await booked(lab, await late_checkout(lab))
    assert await lab.rows("SELECT next_check_at FROM topups") == [(None,)]
    lab.clock.advance(DAY)
    assert await lab.topups.run_due(None) == 1
    assert await lab.topups.run_due(None) == 0
    assert len(await lab.queued("payment-sync")) == 1


async def test_two_reconcilers_hand_a_check_out_once(lab):
    await booked(lab, await second_card(lab))
    await only_payments_are_due(lab)
    lab.clock.advance(DAY)
    assert sum(await asyncio.gather(*(lab.topups.run_due(None) for _ in range(3)))) == 1


async def test_a_run_hands_out_no_more_than_it_may(lab, monkeypatch):
    topup = (await lab.start(500)).topup
    for _ in range(3):
        await lab.sync.sync_payment("stripe", await lab.another_payment(topup))
    await only_payments_are_due(lab)
    lab.clock.advance(DAY)
    monkeypatch.setattr("wallet_service.topups.operations.DUE_MAX", 2)
    assert [await lab.topups.run_due(None) for _ in range(3)] == [2, 1, 0]


async def test_by_a_test_clock_they_are_due_work_too(lab):
    await booked(lab, await second_card(lab))
    await only_payments_are_due(lab)
    [(due_at,)] = await lab.rows("SELECT next_check_at FROM unmatched_payments")
    assert await lab.topups.next_due([lab.org_id]) == {lab.org_id: due_at}
    lab.clock.advance(due_at - lab.clock.now())
    assert await lab.topups.run_due(lab.org_id) == 1
    assert (await lab.topups.next_due([lab.org_id]))[lab.org_id] > due_at


async def test_a_provider_that_is_away_is_asked_again(lab):
    payment = await second_card(lab)
    await booked(lab, payment)
    await refund(lab, payment)
    await only_payments_are_due(lab)
    await lab.fault("error_before", path="/v1/payment_intents", method="GET", times=1)
    lab.clock.advance(DAY)
    await lab.topups.run_due(lab.org_id)
    assert await owned(lab) == 2500
    await days_pass(lab, 2)
    assert await owned(lab) == 0
