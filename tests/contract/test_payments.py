"""Every provider: top-ups, cancelling, finding."""

from datetime import timedelta

import pytest

from providers.protocol import InvalidRequest, PaymentState
from tests.contract.labs import Lab, SimulatedLab, top_up, usd


async def test_top_up_without_saved_method_waits_for_the_payer(lab: Lab) -> None:
    made = await lab.provider.create_topup(top_up(lab, description="Wallet top-up"))
    assert made.state is PaymentState.AWAITING_PAYER
    assert made.client_secret or made.hosted_url, "the payer needs something to go on with"
    assert made.amount == usd(5000)
    assert made.amount_received == usd(0)
    assert made.metadata == {"org_id": "org-1", "top_up_id": "top-1"}

    await lab.pay(made.external_id, "good")
    paid = await lab.provider.sync(made.external_id)
    assert paid.state is PaymentState.SUCCEEDED
    assert paid.amount_received == usd(5000)
    assert paid.amount_refunded == usd(0)
    assert paid.charge_id
    assert (paid.refunds, paid.disputes) == ((), ())


async def test_cancel_is_final_and_repeatable(lab: Lab) -> None:
    made = await lab.provider.create_topup(top_up(lab))
    canceled = await lab.provider.cancel(made.external_id, idempotency_key=lab.key())
    assert canceled.state is PaymentState.CANCELED
    again = await lab.provider.cancel(made.external_id, idempotency_key=lab.key())
    assert again.state is PaymentState.CANCELED


async def test_cancel_of_a_paid_payment_is_refused(lab: Lab) -> None:
    made = await lab.provider.create_topup(top_up(lab))
    await lab.pay(made.external_id, "good")
    with pytest.raises(InvalidRequest):
        await lab.provider.cancel(made.external_id, idempotency_key=lab.key())


async def test_unknown_payment_is_invalid(lab: Lab) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await lab.provider.sync(lab.unknown_id)
    assert refused.value.failure.code == "resource_missing"


async def test_amount_below_the_minimum_is_refused_before_any_call(lab: Lab) -> None:
    minimum = lab.provider.minimum("USD")
    assert minimum is not None
    with pytest.raises(InvalidRequest) as refused:
        await lab.provider.create_topup(top_up(lab, amount=minimum - usd(1)))
    assert refused.value.failure.code == "amount_too_small"
    assert (await lab.provider.create_topup(top_up(lab, amount=minimum))).amount == minimum


async def test_payments_are_listed_and_found_by_top_up(simulated: SimulatedLab) -> None:
    lab = simulated
    start = lab.now()
    made: list[str] = []
    for number in range(3):
        request = top_up(lab, top_up_id=f"top-{number}")
        made.append((await lab.provider.create_topup(request)).external_id)
        lab.clock.advance(timedelta(seconds=10))
    references = [
        reference.external_id
        async for reference in lab.provider.list_payments(
            created_from=start + timedelta(seconds=10), created_until=lab.now()
        )
    ]
    assert references == [made[2], made[1]], "half-open interval, newest first"
    found = await lab.provider.find_topup(top_up_id="top-0", created_from=start, created_until=lab.now())
    assert found is not None
    assert found.external_id == made[0]
    assert await lab.provider.find_topup(top_up_id="top-9", created_from=start, created_until=lab.now()) is None


async def test_a_long_list_is_walked_page_by_page_and_bounded(simulated: SimulatedLab) -> None:
    lab = simulated
    for number in range(101):
        await lab.provider.create_topup(top_up(lab, top_up_id=f"top-{number}"))
    interval = {"created_from": lab.now(), "created_until": lab.now() + timedelta(seconds=1)}
    assert len([row async for row in lab.provider.list_payments(**interval)]) == 101
    short = lab.other_provider(list_pages_max=1)
    with pytest.raises(InvalidRequest, match="too_many_payments"):
        [row async for row in short.list_payments(**interval)]
    await short.aclose()
