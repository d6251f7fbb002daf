"""What happens a while after a request, by its name: the one place that knows them all."""

from collections.abc import Callable
from typing import Any

from providers.simulators.stripe import charges, disputes, funds, refunds
from providers.simulators.stripe.world import World

ACTIONS: dict[str, Callable[..., Any]] = {
    "settle_charge": charges.settle_charge,
    "warn_of_fraud": charges.warn_of_fraud,
    "fail_refund": refunds.fail_refund,
    "finish_refund": refunds.finish_refund,
    "open_dispute": disputes.open_dispute,
    "resolve_dispute": disputes.resolve_dispute,
    "pay_payout": funds.pay_payout,
}


def run_due(world: World, *, everything: bool = False) -> int:
    """Run what is due by the clock, or all; returns how many ran. Their events have no request as their cause."""
    count = 0
    while (due := world.take_due(everything=everything)) is not None:
        world.begin()
        ACTIONS[due["action"]](world, due["id"], **due["arguments"])
        count += 1
    return count
