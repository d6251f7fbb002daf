"""Steps in which money comes through a provider, and goes back through it."""

import json
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from ledger.money import Money
from providers.protocol import InvalidRequest, RefundRequest, TopUpRequest, Unavailable
from providers.simulators.account import Json, Refusal
from providers.simulators.coinbase import checkouts
from providers.simulators.stripe import confirming, disputes, refunds
from tests.simulation.books import Broken
from tests.simulation.boundary import inside
from tests.simulation.outside import Mail
from tests.simulation.simulation import Simulation
from wallet_service.errors import ServiceError
from wallet_service.topups.operations import CardTopUpRequest, CheckoutTopUpRequest

_LATE_MAX: Final = timedelta(days=3)
_WATCHED_SECONDS: Final = 120 * 86_400
GOOD: Final = "pm_card_visa"
CARDS: Final = (
    GOOD,
    GOOD,
    GOOD,
    "pm_card_visa_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_card_createDispute",
    "pm_card_refundFail",
)


async def top_up(sim: Simulation, chance: random.Random) -> None:
    """A top-up by card is started, sometimes twice with one key; the payer pays at once, or later, or never."""
    customer = chance.choice(sim.customers)
    amount, key = chance.randrange(100, 60_000), customer.key()
    wanted = CardTopUpRequest(org_id=customer.org_id, amount_minor=amount, request_key=key)
    answers = [
        await sim.must(lambda service: service.topups.create_by_card(wanted))
        for _ in range(chance.choice((1, 1, 1, 2)))
    ]
    started = answers[-1]
    if started.topup.topup_id != answers[0].topup.topup_id:
        raise Broken(f"one key has started {answers}")
    customer.topups.append(started.topup.topup_id)
    if started.topup.external_id is not None and chance.random() < 0.8:
        _pay(sim, started.topup.external_id, chance.choice(CARDS))


async def check_out(sim: Simulation, chance: random.Random) -> None:
    """The same in USDC."""
    customer = chance.choice([customer for customer in sim.customers if customer.wallet.currency == "USD"])
    amount, key = chance.randrange(500, 60_000), customer.key()
    started = await sim.must(
        lambda service: service.topups.create_by_checkout(
            CheckoutTopUpRequest(org_id=customer.org_id, amount_minor=amount, request_key=key)
        )
    )
    customer.topups.append(started.topup.topup_id)


async def pay(sim: Simulation, chance: random.Random) -> None:
    """The payer of some payment that waits for one does something about it."""
    waiting = [
        intent["id"]
        for intent in sim.outside.stripe.tables["payment_intent"].values()
        if intent["status"] in ("requires_payment_method", "requires_action", "requires_confirmation")
    ]
    if waiting:
        _pay(sim, chance.choice(waiting), chance.choice(CARDS), passed=chance.random() < 0.7)


async def pay_on_chain(sim: Simulation, chance: random.Random) -> None:
    """The payer of some checkout sends the money, or fails to; the chain takes its time."""
    world = sim.outside.coinbase
    active = [row for row in world.tables["checkout"].values() if row["status"] == "ACTIVE"]
    if active:
        after = chance.choice((0, 60, 7200))
        _try(lambda: checkouts.pay(world, chance.choice(active), succeeds=chance.random() < 0.85, after=after))


async def pay_late(sim: Simulation, chance: random.Random) -> None:
    """Money is sent to the address of a checkout that has ended: a chain knows nothing of that."""
    world = sim.outside.coinbase
    rows = world.tables["checkout"].values()
    ended = [row for row in rows if row["status"] in ("EXPIRED", "DEACTIVATED") and _is_young(sim, row["id"])]
    if ended:
        checkout = chance.choice(ended)
        checkout["status"] = "ACTIVE"
        sim.seen["checkout paid late"] += 1
        checkouts.pay(world, checkout, succeeds=True)


async def pay_twice(sim: Simulation, chance: random.Random) -> None:
    """A second payment that names the same top-up: of a tool of somebody's own, or of a request that was thought lost."""
    is_card = chance.random() < 0.5
    world = sim.outside.stripe if is_card else sim.outside.coinbase
    table, ended = ("payment_intent", "succeeded") if is_card else ("checkout", "COMPLETED")
    paid = [row for row in world.tables[table].values() if row["status"] == ended]
    if not paid:
        return
    first = chance.choice(paid)
    provider = sim.life.service.stripe if is_card else sim.life.service.coinbase
    assert provider is not None
    made = await provider.create_topup(
        TopUpRequest(
            org_id=first["metadata"]["org_id"],
            top_up_id=first["metadata"]["top_up_id"],
            amount=Money(chance.randrange(500, 9_000), first["currency"].upper() if is_card else "USD"),
            idempotency_key=str(chance.getrandbits(64)),
        )
    )
    sim.outside.must_arrive.add(made.external_id)
    if is_card:
        sim.seen["top-up paid twice by card"] += 1
        _pay(sim, made.external_id, chance.choice((GOOD, "pm_card_createDispute", "pm_card_refundFail")))
    else:
        sim.seen["top-up paid twice"] += 1
        checkouts.pay(sim.outside.coinbase, sim.outside.coinbase.checkout(made.external_id), succeeds=True)


async def refund_on_chain(sim: Simulation, chance: random.Random) -> None:
    """The account's owner refunds a checkout, and the money may come back."""
    rows = sim.outside.coinbase.tables["checkout"].values()
    paid = [row for row in rows if row["status"] in ("COMPLETED", "PARTIALLY_REFUNDED")]
    if not paid:
        return
    checkout = chance.choice(paid)
    sim.outside.coinbase.facts[checkout["id"]]["refunds"] = chance.choice(("complete", "complete", "fail"))
    provider = sim.life.service.coinbase
    assert provider is not None
    with suppress(InvalidRequest):
        await provider.refund(
            RefundRequest(
                payment_external_id=checkout["id"],
                idempotency_key=str(chance.getrandbits(64)),
                amount=Money(chance.randrange(100, 6_000), "USD"),
            )
        )


async def give_back(sim: Simulation, chance: random.Random) -> None:
    """The account's owner refunds a payment in the provider's own tools, wholly or in part."""
    world = sim.outside.stripe
    charges = [row for row in _charges(sim) if row["amount_refunded"] < row["amount"]]
    if not charges:
        return
    charge = chance.choice(charges)
    left = charge["amount"] - charge["amount_refunded"]
    amount = chance.choice((left, chance.randrange(1, left + 1)))
    refundable = refunds._refundable_charge  # pyright: ignore[reportPrivateUsage]
    refund = refunds._give_back  # pyright: ignore[reportPrivateUsage]
    _try(lambda: refund(world, refundable(world, charge["id"], None), amount, None, {}))


async def dispute(sim: Simulation, chance: random.Random) -> None:
    """A payer disputes a payment, or the bank decides about one that is disputed."""
    world = sim.outside.stripe
    open_ones = [row["id"] for row in world.tables["dispute"].values() if row["status"] in disputes.OPEN]
    if open_ones and chance.random() < 0.6:
        _try(lambda: disputes.resolve_dispute(world, chance.choice(open_ones), chance.choice(("won", "lost"))))
        return
    charges = [row for row in _charges(sim) if not row["disputed"]]
    if charges:
        charge = chance.choice(charges)
        if charge["amount"] > charge["amount_refunded"]:
            _try(lambda: disputes.open_dispute(world, charge["id"], reason="fraudulent", inquiry=chance.random() < 0.2))


async def post(sim: Simulation, chance: random.Random) -> None:
    """The network: some deliveries arrive, in any order, some of them twice; some are lost; the rest waits."""
    sim.outside.follow_up(chance)
    chosen: list[Mail] = []
    for mail in sim.outside.mail():
        fate = chance.random()
        if fate < 0.1 and not sim.outside.is_needed(mail):
            sim.outside.drop(mail)
            sim.seen["delivery dropped"] += 1
        elif fate < 0.8:
            times = chance.choice((1, 1, 1, 2))
            chosen += [mail] * times
            sim.seen["delivery doubled"] += times > 1
    in_order = list(chosen)
    chance.shuffle(chosen)
    sim.seen["delivery out of order"] += sum(one is not other for one, other in zip(chosen, in_order, strict=True))
    sim.seen["delivery kept for later"] += len(sim.outside.mail()) - len({id(mail.row) for mail in chosen[:12]})

    async def receive(letter: Any) -> int:
        sim.calls["post"] += 1
        life = sim.life
        status = await life.receive(letter)
        if life.boundary.is_dead:
            await sim.restart(life)
        return status

    await sim.outside.deliver(chosen[:12], receive)


async def work(sim: Simulation, chance: random.Random) -> None:
    """A worker takes some of the jobs that are queued, in any order. One that fails stays in the queue."""
    await work_queue(sim, chance, limit=chance.choice((2, 5, 15)))


async def reconcile(sim: Simulation, chance: random.Random) -> None:
    """The reconciler hands out what is due, while the providers are not always well."""
    if chance.random() < 0.3:
        kinds = ("error_before", "error_after", "rate_limit", "disconnect_before", "disconnect_after")
        sim.misbehave(chance.choice(kinds), times=chance.randrange(1, 5))
    await sim.must(lambda service: service.topups.run_due(None))
    await work_queue(sim, chance, limit=6)


async def work_queue(sim: Simulation, chance: random.Random, *, limit: int) -> int:
    """Take jobs from the queue as PgQueuer does: each is gone when it is done, and only then. How many were done."""
    rows = list(
        await sim.rows("SELECT id, entrypoint, convert_from(payload, 'UTF8') AS payload FROM pgqueuer ORDER BY id")
    )
    chance.shuffle(rows)
    done = 0
    for row in rows[:limit]:
        if await _worked(sim, row["entrypoint"], row["payload"]):
            await sim.admin.execute("DELETE FROM pgqueuer WHERE id = $1", row["id"])
            done += 1
    return done


async def _worked(sim: Simulation, name: str, payload: str) -> bool:
    life, struck = sim.life, len(sim.life.boundary.struck)
    sim.calls["job"] += 1
    try:
        with inside(life.boundary):
            await life.jobs[name].work(json.loads(payload))
    except (ServiceError, Unavailable) as error:
        if len(life.boundary.struck) == struck and not sim.outside_is_faulty:
            raise Broken(f"{name} {payload}: {error!r} without a fault") from error
        return False
    except Exception as error:
        if not life.boundary.is_dead:
            raise Broken(f"{name} {payload}: {error!r}") from error
        return False
    finally:
        if life.boundary.is_dead:
            await sim.restart(life)
    return not life.boundary.is_dead


def _pay(sim: Simulation, intent_id: str, card: str, *, passed: bool = True) -> None:
    """What the payer's browser does."""
    world = sim.outside.stripe
    intent = world.get("payment_intent", intent_id)

    def go() -> None:
        if intent["status"] == "requires_action":
            sim.seen["3-D Secure passed" if passed else "3-D Secure failed"] += 1
            confirming.finish_challenge(world, intent, passed=passed)
        elif intent["status"] in ("requires_payment_method", "requires_confirmation"):
            confirming.confirm(world, intent, confirming.Confirmation(method_id=card, return_url="http://127.0.0.1/"))
            sim.seen["3-D Secure asked for"] += world.get("payment_intent", intent_id)["status"] == "requires_action"

    _try(go)


def _is_young(sim: Simulation, checkout_id: str) -> bool:
    """Whether its address is still looked at."""
    made_at = datetime.fromisoformat(sim.outside.coinbase.checkout(checkout_id)["createdAt"])
    return sim.clock.now() - made_at < _LATE_MAX


def _charges(sim: Simulation) -> list[Json]:
    """Charges that were paid and are young enough for the reconciler to look at what becomes of them."""
    since = sim.clock.now().timestamp() - _WATCHED_SECONDS
    return [row for row in sim.outside.stripe.tables["charge"].values() if row["paid"] and row["created"] > since]


def _try(go: Callable[[], Any]) -> None:
    """Something happens at a provider, which may refuse it."""
    try:
        go()
    except Refusal:
        return
