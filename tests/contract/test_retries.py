"""Every provider: a request whose outcome is unknown is sent again with its key, and acts once."""

import asyncio
from datetime import timedelta

import pytest

from providers.protocol import FailureKind, InvalidRequest, PaymentState, RefundRequest, Unavailable
from tests.contract.labs import Lab, SimulatedLab, top_up, usd


async def test_same_key_same_request_is_one_payment(lab: Lab) -> None:
    request = top_up(lab)
    first = await lab.provider.create_topup(request)
    second = await lab.provider.create_topup(request)
    assert second.external_id == first.external_id
    assert (second.client_secret, second.hosted_url) == (first.client_secret, first.hosted_url)


async def test_same_key_other_amount_is_refused(lab: Lab) -> None:
    request = top_up(lab)
    await lab.provider.create_topup(request)
    with pytest.raises(InvalidRequest) as refused:
        await lab.provider.create_topup(top_up(lab, idempotency_key=request.idempotency_key, amount=usd(6000)))
    assert refused.value.failure.code == "idempotency_error"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_lost_connection_then_same_key(simulated: SimulatedLab, when: str) -> None:
    lab = simulated
    request = top_up(lab)
    await lab.fault(f"disconnect_{when}")
    with pytest.raises(Unavailable) as lost:
        await lab.provider.create_topup(request)
    assert lost.value.failure.outcome_unknown is True
    assert lost.value.failure.kind is FailureKind.UNAVAILABLE
    assert lab.payment_count() == (1 if when == "after" else 0)
    assert (await lab.provider.create_topup(request)).state is PaymentState.AWAITING_PAYER
    assert lab.payment_count() == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_payment_behind_an_internal_error_is_found_by_its_top_up(simulated: SimulatedLab, when: str) -> None:
    lab = simulated
    await lab.fault(f"error_{when}")
    with pytest.raises(Unavailable) as lost:
        await lab.provider.create_topup(top_up(lab, top_up_id="top-500"))
    assert lost.value.failure.outcome_unknown is True
    interval = {"created_from": lab.now(), "created_until": lab.now() + timedelta(seconds=1)}
    found = await lab.provider.find_topup(top_up_id="top-500", **interval)
    assert (found is not None) == (when == "after")


async def test_a_lost_connection_is_retried_at_once(simulated: SimulatedLab) -> None:
    lab = simulated
    provider = lab.other_provider(network_retries_max=1)
    await lab.fault("disconnect_after")
    made = await provider.create_topup(top_up(lab))
    await provider.aclose()
    assert made.state is PaymentState.AWAITING_PAYER
    assert lab.payment_count() == 1


async def test_deadline_then_same_key(simulated: SimulatedLab) -> None:
    lab = simulated
    hasty = lab.other_provider(deadline=timedelta(milliseconds=200))
    request = top_up(lab)
    await lab.fault("slow_after", seconds=1)
    with pytest.raises(Unavailable) as late:
        await hasty.create_topup(request)
    await hasty.aclose()
    assert late.value.failure.code == "deadline_exceeded"
    assert late.value.failure.outcome_unknown is True
    assert (await lab.provider.create_topup(request)).state is PaymentState.AWAITING_PAYER
    assert lab.payment_count() == 1


async def test_a_key_in_progress_conflicts_and_ends_as_one_payment(simulated: SimulatedLab) -> None:
    lab = simulated
    request = top_up(lab)
    await lab.fault("slow_before", seconds=2)
    first = asyncio.create_task(lab.provider.create_topup(request))
    while not lab.account.idempotency:  # noqa: ASYNC110 the simulator has no event for it
        await asyncio.sleep(0.01)
    with pytest.raises(Unavailable) as conflict:
        await lab.provider.create_topup(request)
    assert conflict.value.failure.code == "idempotency_key_in_use"
    assert conflict.value.failure.outcome_unknown is True
    made = await first
    assert (await lab.provider.create_topup(request)).external_id == made.external_id


async def test_a_rate_limit_has_certainly_done_nothing(simulated: SimulatedLab) -> None:
    lab = simulated
    await lab.fault("rate_limit")
    with pytest.raises(Unavailable) as limited:
        await lab.provider.create_topup(top_up(lab))
    assert limited.value.failure.outcome_unknown is False
    assert lab.payment_count() == 0


async def test_a_wrong_credential_is_nobodys_decline(simulated: SimulatedLab) -> None:
    stranger = simulated.stranger()
    with pytest.raises(Unavailable) as refused:
        await stranger.create_topup(top_up(simulated))
    await stranger.aclose()
    assert refused.value.failure.outcome_unknown is False


async def test_a_failed_read_leaves_nothing_unknown(simulated: SimulatedLab) -> None:
    lab = simulated
    made = await lab.provider.create_topup(top_up(lab))
    await lab.fault("disconnect_before", method="GET")
    with pytest.raises(Unavailable) as lost:
        await lab.provider.sync(made.external_id)
    assert lost.value.failure.outcome_unknown is False


async def test_a_refund_with_a_lost_answer_is_made_once(simulated: SimulatedLab) -> None:
    lab = simulated
    made = await lab.provider.create_topup(top_up(lab))
    await lab.pay(made.external_id, "good")
    request = RefundRequest(payment_external_id=made.external_id, idempotency_key=lab.key(), amount=usd(1000))
    await lab.fault("disconnect_after", lab.refund_path(made.external_id))
    with pytest.raises(Unavailable):
        await lab.provider.refund(request)
    refund = await lab.provider.refund(request)
    after = await lab.provider.sync(made.external_id)
    assert [row.refund_id for row in after.refunds] == [refund.refund_id]
    assert after.amount_refunded == usd(1000)
