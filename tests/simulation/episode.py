"""Runs of steps, each on an empty database of its own, and the shrinking of one that failed."""

import random
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Final

from tests.simulation import choosing, crowds, passing, paying, spending
from tests.simulation.agreement import check_agreement, check_arrived
from tests.simulation.coverage import outcomes
from tests.simulation.passing import settle
from tests.simulation.recharges import check_recharges
from tests.simulation.report import Report
from tests.simulation.simulation import CUSTOMER_COUNT, Action, Actions, Simulation, simulation
from tests.simulation.statements import check_statements
from tests.simulation.steps import Step, steps_of
from wallet_service.errors import Reason


def of_one(action: crowds.OwnAction) -> Action:
    """A step of one customer."""

    async def step(sim: Simulation, chance: random.Random) -> None:
        await action(sim, chance.choice(sim.customers), chance)

    return step


WEIGHTS: Final[dict[str, tuple[int, Action]]] = {
    "crowd": (40, crowds.crowd),
    "use": (20, of_one(spending.use)),
    "use_at_once": (16, crowds.use_at_once),
    "use_again": (4, of_one(spending.use_again)),
    "buy_together": (6, crowds.buy_together),
    "deposit": (10, of_one(spending.deposit)),
    "hold": (14, of_one(spending.hold)),
    "hold_at_once": (6, crowds.hold_at_once),
    "capture": (12, of_one(spending.capture)),
    "release": (5, of_one(spending.release)),
    "extend": (3, of_one(spending.extend)),
    "expire": (2, passing.expire),
    "buy": (8, of_one(spending.buy)),
    "take_back": (5, of_one(spending.take_back)),
    "look": (12, of_one(spending.look)),
    "top_up": (4, paying.top_up),
    "check_out": (2, paying.check_out),
    "pay": (2, paying.pay),
    "pay_on_chain": (2, paying.pay_on_chain),
    "give_back": (1, paying.give_back),
    "dispute": (1, paying.dispute),
    "post": (4, paying.post),
    "work": (4, paying.work),
    "reconcile": (2, paying.reconcile),
    "pay_late": (1, paying.pay_late),
    "pay_twice": (1, paying.pay_twice),
    "refund_on_chain": (1, paying.refund_on_chain),
    "limit": (3, choosing.limit),
    "alert": (1, choosing.alert),
    "account": (2, choosing.account),
    "save_card": (2, choosing.save_card),
    "drop_card": (1, choosing.drop_card),
    "charge_card": (2, choosing.charge_card),
    "recharge": (2, choosing.recharge),
    "campaign": (1, choosing.campaign),
    "redeem": (1, choosing.redeem),
    "jump": (3, passing.jump),
    "die": (1, passing.die),
    "watch": (3, passing.watch),
    "sweep": (2, passing.sweep),
    "housekeeping": (1, passing.housekeeping),
}
ACTIONS: Final[Actions] = {kind: action for kind, (_, action) in WEIGHTS.items()}
RECHARGING: Final = frozenset({"watch", "sweep", "work", "reconcile"})
SHARES: Final = {kind: share for kind, (share, _) in WEIGHTS.items()}


async def run(
    database_url: str,
    seed: int,
    indexes: Sequence[int],
    *,
    shares: Mapping[str, int] = SHARES,
    customer_count: int = CUSTOMER_COUNT,
) -> Report:
    """Take the steps of these numbers, then let everything settle and compare. Never raises for what it finds."""
    report = Report(seed)
    started = time.perf_counter()
    async with simulation(database_url, seed, customer_count=customer_count) as sim:
        step: Step | None = None
        try:
            await sim.check()
            for step in steps_of(seed, indexes, shares):
                await sim.take(step, ACTIONS)
                check_arrived(sim)
                if step.kind in RECHARGING:
                    await check_recharges(sim)
                report.steps += 1
            await settle(sim)
            check_agreement(sim)
            report.recharges = await check_recharges(sim)
            sim.seen["month closed"] = await check_statements(sim)
        except Exception as error:
            report.failure = f"{type(error).__name__}: {error}"
            report.failed_at = len(indexes) if step is None or report.steps == len(indexes) else step.index
            report.trace = traceback.format_exc()
        _fill(report, sim)
    report.seconds = time.perf_counter() - started
    return report


def _fill(report: Report, sim: Simulation) -> None:
    sim.struck.update(str(fault) for fault in sim.life.boundary.struck)
    report.calls, report.refusals, report.struck = sim.calls, sim.refusals, sim.struck
    sim.seen["recharge"] = report.recharges
    sim.seen["refused by a limit"] = sim.refusals[Reason.SPENDING_LIMIT_EXCEEDED.value]
    report.seen = sim.seen + outcomes(sim)
    report.shapes = tuple(sim.book(customer).shape.hex() for customer in sim.customers)
    report.events, report.entries = sim.books.event_types, sim.books.entry_count
