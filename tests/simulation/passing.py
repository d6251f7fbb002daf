"""Steps in which time passes, the service's schedule runs, and processes end."""

import random
from datetime import timedelta

from tests.simulation.books import Broken
from tests.simulation.paying import work_queue
from tests.simulation.simulation import Simulation

_BEHIND = """
    SELECT b.org_id, b.entry_seq, c.entry_seq FROM ledger_books b LEFT JOIN watch_cursors c ON c.org_id = b.org_id
    WHERE b.entry_seq > coalesce(c.entry_seq, 0)
"""
_JUMPS = (
    timedelta(minutes=7),
    timedelta(hours=1),
    timedelta(hours=9),
    timedelta(days=1),
    timedelta(days=3),
    timedelta(days=11),
)


async def jump(sim: Simulation, chance: random.Random) -> None:
    """The clock jumps: mostly ahead by minutes to days, sometimes back by what a clock is set back."""
    if chance.random() < 0.15:
        sim.seen["clock back"] += 1
        sim.clock.move(-timedelta(seconds=chance.randrange(1, 45)))
    else:
        sim.seen["clock ahead"] += 1
        sim.clock.move(chance.choices(_JUMPS, [8, 8, 4, 3, 1, 1])[0])
    sim.outside.tick()


async def die(sim: Simulation, chance: random.Random) -> None:
    """The process is stopped in an orderly way, or killed between two steps."""
    if chance.random() < 0.5:
        sim.life.boundary.kill()
    sim.seen["killed between steps" if sim.life.boundary.is_dead else "stopped between steps"] += 1
    await sim.restart(sim.life)


async def watch(sim: Simulation, chance: random.Random) -> None:
    """The watch over balances catches up; alerts, limits, account states and recharges follow from it."""
    del chance
    await sim.must(lambda service: service.watch.run_due(None))


async def sweep(sim: Simulation, chance: random.Random) -> None:
    """One of the schedules runs, at most as far as a fault lets it."""
    names = ("limit_marks", "alerts", "account_states", "statement_closing", "recharge_work")
    name = chance.choice(names)
    await sim.must(lambda service: getattr(service, name).run_due(None))


async def housekeeping(sim: Simulation, chance: random.Random) -> None:
    """What runs by the hour."""
    choice = chance.randrange(3)
    if choice == 0:
        await sim.must(lambda service: service.inbox.clean())
    elif choice == 1:
        await sim.must(lambda service: service.missing_receipts.issue_missing())
    else:
        await sim.must(lambda service: service.notifications.dispatch())


async def expire(sim: Simulation, chance: random.Random) -> None:
    """The sweep of holds whose time is over."""
    del chance
    now = sim.clock.now()
    await sim.must(lambda service: service.holds.run_due(None))
    # A fault may have kept a hold from its turn: the next run takes it.
    sim.life.boundary.arm()
    await sim.must(lambda service: service.holds.run_due(None))
    for customer in sim.customers:
        sim.seen["hold expired"] += customer.expire(now)


async def settle(sim: Simulation) -> None:
    """The end of a run: no more faults, what was dropped stays dropped, and time passes until nothing is due any more."""
    chance = random.Random(0)
    sim.kind = "settle"
    sim.life.boundary.arm()
    sim.outside.calm()
    for hours in (1, 24, 24 * 8, 24 * 8, 24 * 8):
        sim.clock.move(timedelta(hours=hours))
        sim.outside.follow_up(chance, everything=True)
        for mail in sim.outside.mail():
            if not sim.outside.is_needed(mail):
                sim.outside.drop(mail)
        await sim.outside.deliver(sim.outside.mail(), sim.life.receive)
        await rest(sim, chance)
    await sim.check()
    await sim.audit()


async def rest(sim: Simulation, chance: random.Random) -> None:
    """Everything that is due now is done."""
    for _ in range(20):
        done = await sim.must(lambda service: service.watch.run_due(None))
        done += await sim.must(lambda service: service.recharge_work.run_due(None))
        done += await sim.must(lambda service: service.topups.run_due(None))
        done += await work_queue(sim, chance, limit=10_000)
        if not done:
            break
    for name in ("limit_marks", "alerts", "account_states", "statement_closing"):
        await sim.must(lambda service, name=name: getattr(service, name).run_due(None))
    behind = await sim.rows(_BEHIND)
    if behind:
        raise Broken(f"the watch stands still: {behind}")
    await sim.must(lambda service: service.holds.run_due(None))
    for customer in sim.customers:
        sim.seen["hold expired"] += customer.expire(sim.clock.now())
