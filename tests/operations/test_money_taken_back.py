"""Refunds and disputes of top-ups: what the wallet, the receivable and the fees look like at every turn."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.money import Money
from tests.operations.payments_lab import DISPUTED, REFUND_FAILS, PaymentsLab, payments_lab
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.topups.model import TopUpState

DISPUTE_FEE = 1500


@pytest.fixture
async def lab(db: Database, clock: ManualClock) -> AsyncIterator[PaymentsLab]:
    async with payments_lab(db, clock) as made:
        yield made


async def customer_side(lab: PaymentsLab) -> tuple[int, int]:
    """(wallet, what the customer owes)."""
    balances = await lab.balances()
    return balances.get("wallet", 0), balances.get("receivable", 0)


class TestRefunds:
    async def test_parts_add_up_to_the_whole(self, lab):
        topup = await lab.credited(5000)
        await lab.refund(topup, 2000)
        await lab.settle_everything()
        assert await customer_side(lab) == (3000, 0)
        await lab.refund(topup)
        await lab.settle_everything()
        assert await customer_side(lab) == (0, 0)
        assert (await lab.stored(topup)).state is TopUpState.SUCCEEDED

    async def test_what_was_spent_becomes_a_debt(self, lab):
        topup = await lab.credited(5000)
        await lab.spend(4000)
        await lab.refund(topup)
        await lab.settle_everything()
        assert await customer_side(lab) == (0, 4000)

    async def test_a_refund_that_fails_comes_back_to_where_it_was_taken_from(self, lab):
        topup = await lab.credited(5000, REFUND_FAILS)
        await lab.spend(4000)
        await lab.refund(topup)
        await lab.sync.sync(topup.org_id, topup.topup_id)
        assert await customer_side(lab) == (0, 4000)
        await lab.settle_everything()
        assert await customer_side(lab) == (1000, 0)

    async def test_a_dispute_of_nothing_keeps_nothing_else_from_being_followed(self, lab):
        topup = await lab.credited(5000)
        await lab.refund(topup, 2000)
        await lab.dispute(topup, amount=0)
        await lab.settle_everything()
        assert await customer_side(lab) == (3000, 0)

    async def test_a_refund_seen_before_the_success_ends_the_same(self, lab):
        topup = await lab.paid(5000)
        await lab.refund(topup, 2000)
        await lab.settle_everything()
        assert await customer_side(lab) == (3000, 0)
        assert (await lab.stored(topup)).state is TopUpState.SUCCEEDED

    async def test_the_entries_name_top_up_and_refund(self, lab):
        topup = await lab.credited(5000)
        refund_id = await lab.refund(topup, 2000)
        await lab.settle_everything()
        [(description, metadata)] = await lab.rows(
            "SELECT description, metadata FROM ledger_entries WHERE kind = 'draw'"
        )
        assert description == "Refund of a top-up"
        assert metadata == {
            "purpose": "refund",
            "top_up": str(topup.topup_id),
            "provider": "stripe",
            "external_id": topup.external_id,
            "refund": refund_id,
        }


class TestDisputes:
    async def test_take_the_money_and_their_fee(self, lab):
        topup = await lab.credited(5000)
        await lab.dispute(topup)
        await lab.settle_everything()
        assert await customer_side(lab) == (0, 0)
        fees = (await lab.stored(topup)).fee
        assert fees is not None
        assert (await lab.balances())["fees"] == fees.amount_minor + DISPUTE_FEE

    async def test_a_card_that_is_disputed_by_itself(self, lab):
        await lab.credited(5000, DISPUTED)
        await lab.settle_everything()
        assert await customer_side(lab) == (0, 0)

    @pytest.mark.parametrize("spent", [0, 1, 3000, 5000])
    async def test_won_gives_everything_back(self, lab, spent):
        topup = await lab.credited(5000)
        if spent:
            await lab.spend(spent)
        dispute_id = await lab.dispute(topup)
        await lab.settle_everything()
        assert await customer_side(lab) == (0, spent)
        await lab.resolve(dispute_id, "won")
        await lab.settle_everything()
        assert await customer_side(lab) == (5000 - spent, 0)

    async def test_lost_stays_lost(self, lab):
        topup = await lab.credited(5000)
        dispute_id = await lab.dispute(topup)
        await lab.resolve(dispute_id, "lost")
        await lab.settle_everything()
        assert await customer_side(lab) == (0, 0)

    async def test_an_inquiry_moves_nothing(self, lab):
        topup = await lab.credited(5000)
        await lab.dispute(topup, inquiry=True)
        await lab.settle_everything()
        assert await customer_side(lab) == (5000, 0)

    async def test_an_inquiry_that_takes_the_money_in_another_currency_without_a_fee(self, lab):
        """An inquiry names its fee of nothing in its own currency, a withdrawal in that of the settlement."""
        topup = await lab.credited(5000)
        await lab.dispute(topup, inquiry=True)
        await lab.settle_everything()
        snapshot = await lab.provider.sync(topup.external_id)
        [inquiry] = snapshot.disputes
        withdrawn = replace(inquiry, withdrawn=Money(4500, "EUR"), fee=Money(0, "EUR"))
        seen = await lab.stored(topup)
        await lab.sync.store_answer(seen, replace(snapshot, disputes=(withdrawn,)), is_complete=True)
        assert await customer_side(lab) == (0, 0)

    async def test_won_after_the_wallet_was_closed_is_owed_to_the_customer(self, lab):
        topup = await lab.credited(5000)
        dispute_id = await lab.dispute(topup)
        await lab.sync.sync(topup.org_id, topup.topup_id)
        await lab.execute("UPDATE ledger_wallets SET closed_at = now()")
        await lab.resolve(dispute_id, "won")
        await lab.settle_everything()
        assert await customer_side(lab) == (0, -5000)

    async def test_a_wallet_that_was_closed_before_leaves_all_of_it_as_a_debt(self, lab):
        topup = await lab.credited(5000)
        await lab.spend(5000)
        await lab.execute("UPDATE ledger_wallets SET closed_at = now()")
        await lab.dispute(topup)
        await lab.settle_everything()
        assert await customer_side(lab) == (0, 5000)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_an_answer_that_is_older_than_the_stored_one_changes_nothing(lab, order):
    topup = await lab.credited(5000, REFUND_FAILS)
    before = await lab.stored(topup)
    answers = [await lab.provider.sync(topup.external_id)]
    await lab.refund(topup)
    answers.append(await lab.provider.sync(topup.external_id))
    await lab.flush()
    answers.append(await lab.provider.sync(topup.external_id))
    for index in order:
        await lab.sync.store_answer(before, answers[index], is_complete=True)
    await lab.sync.sync(topup.org_id, topup.topup_id)
    assert await customer_side(lab) == (5000, 0)


async def test_settling_again_and_again_adds_nothing(lab):
    topup = await lab.credited(5000)
    await lab.refund(topup, 1000)
    dispute_id = await lab.dispute(topup, amount=4000)
    await lab.resolve(dispute_id, "won")
    await lab.settle_everything()
    entries = await lab.entry_count()
    for _ in range(3):
        lab.clock.advance(timedelta(hours=3))
        await lab.sync.sync(topup.org_id, topup.topup_id)
    assert await lab.entry_count() == entries
    assert await customer_side(lab) == (4000, 0)
