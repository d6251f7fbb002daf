"""Failures that users of other billing systems have reported about money coming in, and why they do not happen here.

The numbers are those of the list that the other files of this name use.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from ledger.accounts import AccountKind, chart_account_id
from ledger.model import Transfer
from tests.operations.payments_lab import AUTHENTICATE, PaymentsLab, payments_lab
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Reason, ServiceError
from wallet_service.topups.model import TopUpState


@pytest.fixture
async def lab(db: Database, clock: ManualClock) -> AsyncIterator[PaymentsLab]:
    async with payments_lab(db, clock) as made:
        yield made


@pytest.mark.parametrize("is_crypto", [False, True])
async def test_pain_1_a_repeated_top_up_is_one_top_up(lab, is_crypto):
    async def start(amount_minor: int = 5000):
        return await (lab.checkout if is_crypto else lab.start)(amount_minor, request_key="order-7")

    first = await start()
    assert (await start()).topup.topup_id == first.topup.topup_id
    with pytest.raises(ServiceError) as refused:
        await start(5001)
    assert refused.value.reason is Reason.IDEMPOTENCY_KEY_REUSED
    assert len(lab.intents()) + len(lab.coinbase.world.tables["checkout"]) == 1


async def test_pain_2_retries_over_timeouts_and_3d_secure_charge_once(lab):
    card = await lab.saved_card(AUTHENTICATE)
    for fault in ("disconnect_before", "disconnect_after"):
        await lab.fault(fault)
        with pytest.raises(ServiceError) as unknown:
            await lab.start(5000, payment_method_id=card, request_key="order-7")
        assert unknown.value.reason is Reason.OUTCOME_UNKNOWN
    waiting = await lab.start(5000, payment_method_id=card, request_key="order-7")
    await lab.authenticate(waiting.topup, passed=True)
    answers = await asyncio.gather(*(lab.start(5000, payment_method_id=card, request_key="order-7") for _ in range(4)))
    assert {answer.topup.state for answer in answers} == {TopUpState.SUCCEEDED}
    await lab.settle_everything()
    assert len(lab.intents()) == 1
    assert (await lab.balances())["wallet"] == 5000


@pytest.mark.parametrize("is_crypto", [False, True])
async def test_pain_10_a_duplicate_webhook_mints_no_credit(lab, is_crypto):
    await lab.deliver("duplicate")
    await lab.chain("delivery", mode="duplicate")
    if is_crypto:
        started = await lab.checkout(5000)
        await lab.chain(f"checkouts/{started.topup.external_id}/pay")
    else:
        await lab.paid(5000)
    await lab.settle_everything(random.Random(10))
    # The same again, as if the inbox had forgotten that it had worked on them.
    await lab.execute("UPDATE provider_events SET processed_at = NULL")
    await asyncio.gather(*(lab.work_events(random.Random(number)) for number in range(3)))
    assert (await lab.balances())["wallet"] == 5000
    assert (await lab.event_types()).count("wallet.topup.succeeded") == 1


@pytest.mark.parametrize("is_crypto", [False, True])
async def test_pain_11_what_was_charged_is_credited_though_no_webhook_came(lab, is_crypto):
    await lab.deliver("drop")
    await lab.chain("delivery", mode="drop")
    if is_crypto:
        started = await lab.checkout(5000)
        await lab.chain(f"checkouts/{started.topup.external_id}/pay")
    else:
        await lab.paid(5000)
    lab.clock.advance(timedelta(minutes=5))
    await lab.reconcile()
    assert (await lab.balances())["wallet"] == 5000


async def test_pain_11_what_was_charged_for_an_ended_top_up_is_credited_too(lab):
    topup = await lab.paid(5000)
    await lab.execute("UPDATE topups SET state = 'FAILED', settled_at = created_at")
    await lab.settle_everything()
    assert (await lab.stored(topup)).state is TopUpState.FAILED
    assert (await lab.balances())["wallet"] == 5000
    assert "wallet.topup.payment_unmatched" in await lab.event_types()


async def test_pain_13_a_refund_or_dispute_leaves_nothing_to_spend(lab):
    first, second = await lab.credited(5000), await lab.credited(3000)
    await lab.spend(4000)
    await lab.refund(first)
    dispute = await lab.dispute(second)
    await lab.settle_everything()
    balances = await lab.balances()
    assert (balances.get("wallet", 0), balances["receivable"]) == (0, 4000)
    spent = await lab.ledger.post(
        Transfer(
            org_id=lab.org_id,
            key="after",
            debit_account=lab.wallet.account_id,
            credit_account=chart_account_id(lab.org_id, "USD", AccountKind.REVENUE),
            amount_minor=1,
        )
    )
    assert type(spent).__name__ == "InsufficientFunds"
    await lab.resolve(dispute, "won")
    await lab.settle_everything()
    balances = await lab.balances()
    assert balances.get("wallet", 0) - balances.get("receivable", 0) == -1000


async def test_pain_14_a_settled_top_up_is_never_edited_only_reversed(lab):
    topup = await lab.credited(5000)
    settled = await lab.stored(topup)
    entries = await lab.rows("SELECT * FROM ledger_entries ORDER BY entry_seq")
    await lab.refund(topup)
    await lab.settle_everything()
    later = await lab.stored(topup)
    assert (later.state, later.entry_id, later.amount_minor) == (settled.state, settled.entry_id, settled.amount_minor)
    after = await lab.rows("SELECT * FROM ledger_entries ORDER BY entry_seq")
    assert after[: len(entries)] == entries
    assert len(after) > len(entries)


@pytest.mark.parametrize(("currency", "amount_minor"), [("JPY", 5000), ("USD", 5000), ("KWD", 5000)])
async def test_pain_16_minor_units_are_those_of_the_currency(lab, currency, amount_minor):
    await lab.open(f"org-{currency.lower()}", currency)
    await lab.credited(amount_minor)
    [intent] = lab.intents()
    assert (intent["amount"], intent["currency"]) == (amount_minor, currency.lower())
    assert (await lab.balances())["wallet"] == amount_minor
