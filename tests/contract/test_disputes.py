"""Every provider of cards: money that the bank takes back, and what only card refunds have."""

import pytest

from providers.protocol import DisputeState, InvalidRequest, RefundRequest, RefundState
from tests.contract.labs import paid_top_up, usd
from tests.contract.stripe_lab import StripeSimulatorLab


@pytest.mark.parametrize(
    ("outcome", "state", "reinstated"),
    [("won", DisputeState.WON, 5000), ("lost", DisputeState.LOST, 0)],
)
async def test_dispute_takes_the_money_and_a_won_one_brings_it_back(
    stripe_lab: StripeSimulatorLab, outcome: str, state: DisputeState, reinstated: int
) -> None:
    lab = stripe_lab
    external_id = await paid_top_up(lab)
    dispute_id = await lab.dispute(external_id, reason="product_not_received")
    (opened,) = (await lab.provider.sync(external_id)).disputes
    assert (opened.dispute_id, opened.state) == (dispute_id, DisputeState.NEEDS_RESPONSE)
    assert opened.reason == "product_not_received"
    assert opened.payment_external_id == external_id
    assert (opened.amount, opened.withdrawn, opened.reinstated) == (usd(5000), usd(5000), usd(0))
    assert opened.fee == usd(1500)
    assert opened.funds_away
    assert opened.evidence_due_at is not None

    await lab.resolve(dispute_id, outcome)
    (closed,) = (await lab.provider.sync(external_id)).disputes
    assert closed.state is state
    assert closed.reinstated == usd(reinstated)
    assert closed.funds_away == (outcome == "lost")


async def test_an_inquiry_takes_no_money(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    external_id = await paid_top_up(lab, "inquired")
    await lab.flush()
    (inquiry,) = (await lab.provider.sync(external_id)).disputes
    assert inquiry.state is DisputeState.INQUIRY
    assert not inquiry.funds_away
    await lab.resolve(inquiry.dispute_id, "won")
    (closed,) = (await lab.provider.sync(external_id)).disputes
    assert closed.state is DisputeState.CLOSED


async def test_dispute_of_what_a_refund_left(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    external_id = await paid_top_up(lab)
    await lab.provider.refund(
        RefundRequest(payment_external_id=external_id, idempotency_key=lab.key(), amount=usd(1500))
    )
    await lab.dispute(external_id)
    after = await lab.provider.sync(external_id)
    assert after.disputes[0].withdrawn == usd(3500)
    assert after.amount_refunded == usd(1500)


async def test_a_disputed_payment_cannot_be_refunded(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    external_id = await paid_top_up(lab, "disputed")
    await lab.flush()
    with pytest.raises(InvalidRequest) as refused:
        await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    assert refused.value.failure.code == "charge_disputed"


async def test_a_refund_keeps_its_metadata_and_says_why_it_failed(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    external_id = await paid_top_up(lab, "refund_fails")
    request = RefundRequest(payment_external_id=external_id, idempotency_key=lab.key(), metadata={"ticket": "T-1"})
    refund = await lab.provider.refund(request)
    assert refund.state is RefundState.SUCCEEDED
    assert refund.metadata == {"ticket": "T-1"}
    with pytest.raises(InvalidRequest) as refused:
        await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    assert refused.value.failure.code == "charge_already_refunded"
    await lab.flush()
    (failed,) = (await lab.provider.sync(external_id)).refunds
    assert failed.failure_reason
