"""Every provider: money that we give back."""

import pytest

from providers.protocol import InvalidRequest, PaymentState, RefundRequest, RefundState
from tests.contract.labs import Lab, SimulatedLab, paid_top_up, top_up, usd

UNDER_WAY = (RefundState.PENDING, RefundState.SUCCEEDED)
"""Whether a refund is done when it is asked for, or a while later, is the vendor's."""


async def test_partial_refunds_add_up_and_never_exceed_the_payment(lab: Lab) -> None:
    external_id = await paid_top_up(lab)
    first = await lab.provider.refund(
        RefundRequest(
            payment_external_id=external_id,
            idempotency_key=lab.key(),
            amount=usd(2000),
        )
    )
    assert first.state in UNDER_WAY
    assert first.amount == usd(2000)
    assert first.payment_external_id == external_id

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

    with pytest.raises(InvalidRequest):
        await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))


async def test_refund_of_an_unpaid_payment_is_refused(lab: Lab) -> None:
    made = await lab.provider.create_topup(top_up(lab))
    with pytest.raises(InvalidRequest):
        await lab.provider.refund(RefundRequest(payment_external_id=made.external_id, idempotency_key=lab.key()))


async def test_a_refund_can_fail_after_it_seemed_done(simulated: SimulatedLab) -> None:
    lab = simulated
    external_id = await paid_top_up(lab, "refund_fails")
    refund = await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    assert refund.state in UNDER_WAY
    await lab.flush()
    after = await lab.provider.sync(external_id)
    assert after.amount_refunded == usd(0)
    (failed,) = after.refunds
    assert (failed.refund_id, failed.state) == (refund.refund_id, RefundState.FAILED)


async def test_a_pending_refund_counts_as_refunded_until_it_is_done(simulated: SimulatedLab) -> None:
    lab = simulated
    external_id = await paid_top_up(lab, "refund_pending")
    refund = await lab.provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key=lab.key()))
    assert refund.state is RefundState.PENDING
    assert (await lab.provider.sync(external_id)).amount_refunded == usd(5000)
    await lab.flush()
    (done,) = (await lab.provider.sync(external_id)).refunds
    assert done.state is RefundState.SUCCEEDED


async def test_sync_shows_more_refunds_than_fit_into_a_charge(simulated: SimulatedLab) -> None:
    lab = simulated
    external_id = await paid_top_up(lab)
    for _ in range(12):
        await lab.provider.refund(
            RefundRequest(payment_external_id=external_id, idempotency_key=lab.key(), amount=usd(100))
        )
    after = await lab.provider.sync(external_id)
    assert len(after.refunds) == 12
    assert after.amount_refunded == usd(1200)
