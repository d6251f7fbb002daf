"""What a customer does by itself: use, set aside, take, give back, buy. Each is one step, or a part of a `crowd`."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from uuid import UUID

from tests.simulation.books import Broken
from tests.simulation.model import KEPT, Customer, Hold, Movement, Used
from tests.simulation.prices import CPU, EGRESS, GPU, METERS, cost
from tests.simulation.simulation import Refused, Simulation
from wallet_service.errors import Reason
from wallet_service.journal.rules import OperatorLeg
from wallet_service.usage.model import DuplicateEvent, EventResult, NewEvent, Recorded

_WALLET, _REVENUE = "CUSTOMER_PREPAY_LIABILITY", "USAGE_REVENUE"
_SPAN = {CPU: 400, GPU: 3, EGRESS: 900}


async def use(sim: Simulation, customer: Customer, chance: random.Random) -> None:
    """A batch of usage: new events, some told before, some corrections, of now and of the days before."""
    events = [new_event(sim, customer, chance) for _ in range(chance.choice((1, 1, 1, 1, 2, 5, 20, 60)))]
    results = await sim.must(lambda service: service.usage.record(customer.org_id, events))
    believe(sim, customer, events, results)


async def use_again(sim: Simulation, customer: Customer, chance: random.Random) -> None:
    """Events that were recorded before are told again, and one of them with another content."""
    known = chance.sample(customer.used, min(5, len(customer.used)))
    if not known:
        return
    results = await sim.must(lambda service: service.usage.record(customer.org_id, [used.event for used in known]))
    for used, result in zip(known, results, strict=True):
        if not isinstance(result, DuplicateEvent) or Fraction(result.cost_minor) != used.cost:
            raise Broken(f"an event that was told again: {result}, its cost was {used.cost}")
    sim.seen["usage told again"] += len(known)
    other = known[0].event._replace(quantity="123456")
    (answer,) = await sim.must(lambda service: service.usage.record(customer.org_id, [other]))
    if getattr(answer, "reason", None) is not Reason.IDEMPOTENCY_KEY_REUSED:
        raise Broken(f"a key with another content: {answer}")


async def deposit(sim: Simulation, customer: Customer, chance: random.Random) -> None:
    """An operator credits a wallet; sometimes the same is sent again."""
    amount, key = chance.randrange(1, 120_000), customer.key()
    made = [
        await sim.must(
            lambda service: service.journal.deposit(
                customer.org_id, amount_minor=amount, currency="", description="", key=key
            )
        )
        for _ in range(chance.choice((1, 1, 1, 2)))
    ]
    entry, _balance = made[0]
    if made[-1][0].entry_id != entry.entry_id:
        raise Broken(f"one key has made {made}")
    customer.deposited += amount
    _remember(customer, Movement(entry.entry_id, amount, amount))


async def hold(sim: Simulation, customer: Customer, chance: random.Random) -> None:
    """A hold, granted exactly when the money and the limit allow it."""
    amount = _amount(customer, chance)
    available, room = customer.available, room_of(sim, customer)
    expires_at = sim.clock.now() + timedelta(minutes=chance.randrange(1, 20_000))
    key = customer.key()
    answers = [
        await sim.ask(
            lambda service: service.holds.create(
                customer.org_id, amount_minor=amount, currency="", expires_at=expires_at, description="", key=key
            )
        )
        for _ in range(chance.choice((1, 1, 1, 2)))
    ]
    answer = answers[-1]
    if _granted(answer, amount, available, room):
        assert not isinstance(answer, Refused)
        customer.holds[answer.hold_id] = Hold(answer.hold_id, amount, 0, expires_at)
    sim.seen["hold refused" if isinstance(answer, Refused) else "hold granted"] += 1


async def capture(sim: Simulation, customer: Customer, chance: random.Random) -> None:
    """A part of a hold, or more than it, or all of it."""
    held = _some_hold(customer, chance)
    if held is None:
        return
    amount = chance.choice((0, chance.randrange(1, held.remaining + 1), chance.randrange(1, 2 * held.remaining + 2)))
    keeps, key = chance.random() < 0.5, customer.key()
    room = room_of(sim, customer, counts_held=False)
    answer = await sim.ask(
        lambda service: service.holds.capture(
            customer.org_id, held.hold_id, amount_minor=amount, keep_remaining=keeps, description="", key=key
        )
    )
    wanted = amount or held.remaining
    is_over = held.expires_at <= sim.clock.now()
    fits = room is None or wanted <= room
    if isinstance(answer, Refused):
        reasons = {
            Reason.HOLD_NOT_OPEN: is_over,
            Reason.EXCEEDS_REMAINING: wanted > held.remaining,
            Reason.SPENDING_LIMIT_EXCEEDED: not fits,
        }
        justify(answer, reasons)
        return
    if is_over or wanted > held.remaining or not fits:
        raise Broken(f"{wanted} of {held} were captured at {sim.clock.now()}, room {room}")
    sim.seen["hold captured in part" if wanted < held.remaining else "hold captured"] += 1
    customer.captured += wanted
    held.captured += wanted
    held.remaining = held.remaining - wanted if keeps else 0
    view, _entry = answer
    if (view.remaining_minor, view.captured_minor) != (held.remaining, held.captured):
        raise Broken(f"{view} after the capture, expected {held}")
    if not held.remaining:
        del customer.holds[held.hold_id]


async def release(sim: Simulation, customer: Customer, chance: random.Random) -> None:
    """What is left of a hold goes back, once."""
    held = _some_hold(customer, chance)
    if held is None:
        return
    key = customer.key()
    for _ in range(chance.choice((1, 2))):
        view = await sim.must(lambda service: service.holds.release(customer.org_id, held.hold_id, key=key))
        if view.remaining_minor:
            raise Broken(f"{view} after it was released")
    del customer.holds[held.hold_id]


async def extend(sim: Simulation, customer: Customer, chance: random.Random) -> None:
    """Another expiry, unless the time of the hold is over."""
    held = _some_hold(customer, chance)
    if held is None:
        return
    expires_at, key = sim.clock.now() + timedelta(minutes=chance.randrange(1, 10_000)), customer.key()
    answer = await sim.ask(
        lambda service: service.holds.extend(customer.org_id, held.hold_id, expires_at=expires_at, key=key)
    )
    is_over = held.expires_at <= sim.clock.now()
    if isinstance(answer, Refused) != is_over:
        raise Broken(f"{held} was extended at {sim.clock.now()}: {answer}")
    if not is_over:
        held.expires_at = expires_at


async def buy(sim: Simulation, customer: Customer, chance: random.Random) -> None:
    """A prepaid debit, granted exactly when the money and the limit allow it."""
    amount, key = _amount(customer, chance), customer.key()
    available, room = customer.available, room_of(sim, customer)
    legs = legs_of_purchase(amount)
    answer = await sim.ask(
        lambda service: service.journal.record(customer.org_id, legs=legs, description="Prepaid", key=key)
    )
    if _granted(answer, amount, available, room):
        assert isinstance(answer, UUID)
        bought(customer, answer, amount)


def legs_of_purchase(amount: int) -> tuple[OperatorLeg, OperatorLeg]:
    return (
        OperatorLeg(_WALLET, amount, "", is_debit=True),
        OperatorLeg(_REVENUE, amount, "", is_debit=False),
    )


def bought(customer: Customer, entry_id: UUID, amount: int) -> None:
    customer.bought += amount
    _remember(customer, Movement(entry_id, -amount, amount))


async def take_back(sim: Simulation, customer: Customer, chance: random.Random) -> None:
    """A deposit or a purchase is taken back, in parts, never more than it was."""
    if not customer.movements:
        return
    place = chance.randrange(len(customer.movements))
    movement = customer.movements[place]
    amount = chance.choice((0, chance.randrange(1, max(2, abs(movement.amount)))))
    key, available = customer.key(), customer.available
    answer = await sim.ask(
        lambda service: service.journal.refund(
            customer.org_id, movement.entry_id, amount_minor=amount, description="", key=key
        )
    )
    wanted = amount or movement.left
    lacks = movement.amount > 0 and wanted > max(available, 0)
    if isinstance(answer, Refused):
        justify(
            answer,
            {
                Reason.EXCEEDS_REMAINING: wanted > movement.left or not movement.left,
                Reason.INSUFFICIENT_FUNDS: lacks,
            },
        )
        return
    if lacks or not 0 < wanted <= movement.left:
        raise Broken(f"{wanted} of {movement} were taken back with {available}")
    if movement.amount > 0:
        customer.taken_back -= wanted
    else:
        customer.taken_back += wanted
        customer.unbought += wanted
    customer.movements[place] = Movement(movement.entry_id, movement.amount, movement.left - wanted)


async def look(sim: Simulation, customer: Customer, chance: random.Random) -> None:
    """What a customer is shown is what the journal says."""
    del chance
    shown = await sim.must(lambda service: service.balances.balance(customer.org_id))
    expected = (customer.available, customer.held, customer.exact - floor(customer.exact))
    if shown is None or (shown.available_minor, shown.held_minor, Fraction(shown.carry)) != expected:
        raise Broken(f"{customer.wallet.org_slug} is shown {shown}, and has {expected}")


def new_event(sim: Simulation, customer: Customer, chance: random.Random) -> NewEvent:
    at: datetime | None = None
    if chance.random() < 0.3:
        at = sim.clock.now() - timedelta(seconds=chance.randrange(20 * 86_400))
    if customer.used and chance.random() < 0.1:
        taken = chance.choice(customer.used)
        quantity = f"-{taken.event.quantity}".replace("--", "")
        return taken.event._replace(key=customer.key(), quantity=quantity, event_time=taken.at)
    meter = chance.choice(METERS)
    quantity = f"{chance.randrange(_SPAN[meter])}.{chance.randrange(10**6):06}"
    return NewEvent(
        chance.choice(("", f"{customer.wallet.org_slug}-main")),
        meter,
        quantity,
        customer.key(),
        event_time=at,
        resource=f"vm-{chance.randrange(3)}",
    )


def believe(sim: Simulation, customer: Customer, events: Sequence[NewEvent], results: Sequence[EventResult]) -> None:
    now = sim.clock.now()
    for event, result in zip(events, results, strict=True):
        if not isinstance(result, Recorded | DuplicateEvent):
            if event.event_time is not None and event.event_time < now - timedelta(days=35):
                continue
            raise Broken(f"{event} was refused: {result}")
        at = event.event_time or now
        currency = customer.wallet.currency
        percent = customer.percent_at(at)
        due = cost(event.meter, currency, event.quantity, at, percent)
        sim.seen["usage event"] += 1
        sim.seen["usage correction"] += event.quantity.startswith("-")
        sim.seen["discounted usage"] += percent > 0
        if Fraction(result.cost_minor) != due:
            raise Broken(f"{event} was rated {result.cost_minor}, not {due}")
        customer.exact += due
        customer.used.append(Used(event, at, due))
    del customer.used[:-KEPT]


def _granted(answer: object, amount: int, available: int, room: int | None) -> bool:
    """Whether it was granted; Broken when that is not as it has to be."""
    fits = room is None or amount <= room
    if isinstance(answer, Refused):
        justify(answer, reasons_against(amount, available, room))
        return False
    if amount > available or not fits:
        raise Broken(f"{amount} were granted with {available} available, room {room}")
    return True


def reasons_against(amount: int, available: int, room: int | None) -> dict[Reason, bool]:
    """Why an amount may be refused to a wallet that has so much, and room for so much under its limit."""
    return {
        Reason.INSUFFICIENT_FUNDS: amount > available,
        Reason.SPENDING_LIMIT_EXCEEDED: room is not None and amount > room,
        Reason.BILLING_ACCOUNT_SUSPENDED: True,
    }


def justify(answer: Refused, reasons: dict[Reason, bool]) -> None:
    if not reasons.get(answer.reason, False):
        raise Broken(f"refused without cause: {answer.error!r} {answer.error.metadata}")


def room_of(sim: Simulation, customer: Customer, *, counts_held: bool = True) -> int | None:
    """What the limit allows beside what was spent in its window and is held; None without one."""
    limit = customer.limit
    if limit is None:
        return None
    spent = customer.spent_since(limit.window_start(sim.clock.now()), sim.book(customer))
    return limit.amount - spent - (customer.held if counts_held else 0)


def _amount(customer: Customer, chance: random.Random) -> int:
    """A part of what is available; sometimes exactly that, sometimes more."""
    available = max(customer.available, 0)
    amounts = (1 + available // 40, 1 + available // 11, 1 + available // 3, max(available, 1), available + 1, 1_000)
    return chance.choices(amounts, (6, 6, 3, 1, 1, 3))[0]


def _some_hold(customer: Customer, chance: random.Random) -> Hold | None:
    holds = list(customer.holds.values())
    return chance.choice(holds) if holds else None


def _remember(customer: Customer, movement: Movement) -> None:
    customer.movements.append(movement)
    del customer.movements[:-KEPT]
