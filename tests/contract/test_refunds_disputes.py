"""Every provider: money going back, by our will or by the bank's."""

import pytest

from providers.protocol import DisputeState, InvalidRequest, PaymentState, RefundRequest, RefundState
from tests.contract.labs import Lab, StripeSimulatorLab, usd
from tests.contract.test_payments import top_up


async def paid_top_up(lab: Lab, behaviour: str = "good") -> str:
    made = await lab.provider.create_topup(top_up(lab))
    await lab.pay(made.external_id, behaviour)
    return made.external_id


async def test_partial_refunds_add_up_and_never_exceed_the_payment(lab: Lab) -> None:
    external_id = await paid_top_up(lab)
    first = await lab.provider.refund(
        RefundRequest(
            payment_external_id=external_id,
            idempotency_key=lab.key(),
            amount=usd(2000),
            metadata={"ticket": "T-1"},
        )
    )
    assert first.state is RefundState.SUCCEEDED
    assert first.amount == usd(2000)
    assert first.payment_external_id == external_id
    assert first.metadata == {"ticket": "T-1"}

    with pytest.raises(InvalidRequest):
        await lab.provider.refund(
            RefundRequest(payment_external_id=external_id, idempotency_key=lab.key(), amount=usd(3001))
        )
    rest = await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    assert rest.amount == usd(3000)
    after = await lab.provider.sync(external_id)
    assert after.state is PaymentState.SUCCEEDED
    assert after.amount_refunded == usd(5000)
    assert {row.refund_id for row in after.refunds} == {first.refund_id, rest.refund_id}

    with pytest.raises(InvalidRequest) as refused:
        await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    assert refused.value.failure.code == "charge_already_refunded"


async def test_refund_of_an_unpaid_payment_is_refused(lab: Lab) -> None:
    made = await lab.provider.create_topup(top_up(lab))
    with pytest.raises(InvalidRequest):
        await lab.provider.refund(RefundRequest(payment_external_id=made.external_id, idempotency_key=lab.key()))


async def test_a_refund_can_fail_after_it_seemed_done(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    external_id = await paid_top_up(lab, "refund_fails")
    refund = await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    assert refund.state is RefundState.SUCCEEDED
    await lab.flush()
    after = await lab.provider.sync(external_id)
    assert after.amount_refunded == usd(0)
    (failed,) = after.refunds
    assert (failed.refund_id, failed.state) == (refund.refund_id, RefundState.FAILED)
    assert failed.failure_reason


async def test_a_pending_refund_counts_as_refunded_until_it_is_done(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    external_id = await paid_top_up(lab, "refund_pending")
    refund = await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    assert refund.state is RefundState.PENDING
    assert (await lab.provider.sync(external_id)).amount_refunded == usd(5000)
    await lab.flush()
    (done,) = (await lab.provider.sync(external_id)).refunds
    assert done.state is RefundState.SUCCEEDED


async def test_sync_shows_more_refunds_than_fit_into_a_charge(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    external_id = await paid_top_up(lab)
    for _ in range(12):
        await lab.provider.refund(
            RefundRequest(payment_external_id=external_id, idempotency_key=lab.key(), amount=usd(100))
        )
    after = await lab.provider.sync(external_id)
    assert len(after.refunds) == 12
    assert after.amount_refunded == usd(1200)


@pytest.mark.parametrize(
    ("outcome", "state", "reinstated"),
    [("won", DisputeState.WON, 5000), ("lost", DisputeState.LOST, 0)],
)
async def test_dispute_takes_the_money_and_a_won_one_brings_it_back(
    simulated: StripeSimulatorLab, outcome: str, state: DisputeState, reinstated: int
) -> None:
    lab = simulated
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


async def test_an_inquiry_takes_no_money(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    external_id = await paid_top_up(lab, "inquired")
    await lab.flush()
    (inquiry,) = (await lab.provider.sync(external_id)).disputes
    assert inquiry.state is DisputeState.INQUIRY
    assert not inquiry.funds_away
    await lab.resolve(inquiry.dispute_id, "won")
    (closed,) = (await lab.provider.sync(external_id)).disputes
    assert closed.state is DisputeState.CLOSED


async def test_dispute_of_what_a_refund_left(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    external_id = await paid_top_up(lab)
    await lab.provider.refund(
        RefundRequest(payment_external_id=external_id, idempotency_key=lab.key(), amount=usd(1500))
    )
    await lab.dispute(external_id)
    after = await lab.provider.sync(external_id)
    assert after.disputes[0].withdrawn == usd(3500)
    assert after.amount_refunded == usd(1500)


async def test_a_disputed_payment_cannot_be_refunded(simulated: StripeSimulatorLab) -> None:
    lab = simulated
    external_id = await paid_top_up(lab, "disputed")
    await lab.flush()
    with pytest.raises(InvalidRequest) as refused:
        await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    assert refused.value.failure.code == "charge_disputed"
