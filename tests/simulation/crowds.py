"""Steps in which many call at the same time.

What each of them is answered does not depend on the order in which the machine takes the calls; who is hit by a fault does.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, TypeVar

from tests.simulation import spending
from tests.simulation.books import Broken
from tests.simulation.model import Customer, Hold
from tests.simulation.simulation import AGAIN, Refused, Simulation
from tests.simulation.spending import believe, bought, justify, legs_of_purchase, new_event, reasons_against, room_of
from wallet_service.errors import Reason, ServiceError
from wallet_service.journal.bulk_operations import EntryResult, NewEntry
from wallet_service.service import Service
from wallet_service.usage.model import EventResult, NewEvent

T = TypeVar("T")
OwnAction = Callable[[Simulation, Customer, random.Random], Awaitable[None]]

OWN: Final[dict[OwnAction, int]] = {
    spending.use: 30,
    spending.use_again: 4,
    spending.deposit: 5,
    spending.hold: 20,
    spending.capture: 20,
    spending.release: 8,
    spending.extend: 4,
    spending.buy: 10,
    spending.take_back: 4,
    spending.look: 8,
}
"""What a customer does by itself, and how often."""


async def crowd(sim: Simulation, chance: random.Random) -> None:
    """Many customers at the same time, each with some things to do one after the other."""
    busy = chance.sample(sim.customers, min(len(sim.customers), chance.choice((8, 16, 24))))

    async def one(customer: Customer, own: random.Random) -> None:
        for action in own.choices(list(OWN), list(OWN.values()), k=own.randrange(2, 9)):
            await action(sim, customer, own)

    await all_of([one(customer, random.Random(chance.getrandbits(64))) for customer in busy])


async def use_at_once(sim: Simulation, chance: random.Random) -> None:
    """Many calls of several customers at the same time, each of one event."""
    calls = [
        (customer, new_event(sim, customer, chance))
        for customer in chance.choices(sim.customers, k=chance.choice((8, 24, 64, 128)))
    ]

    async def one(customer: Customer, event: NewEvent) -> Sequence[EventResult]:
        return await sim.must(lambda service: service.usage.record(customer.org_id, [event]))

    answers = await all_of([one(*call) for call in calls])
    for (customer, event), results in zip(calls, answers, strict=True):
        believe(sim, customer, [event], results)


async def hold_at_once(sim: Simulation, chance: random.Random) -> None:
    """Holds that race for what is there: as many are granted as it is enough for, whoever they are."""
    customer = chance.choice(sim.customers)
    count = chance.randrange(4, 33)
    available = customer.available
    amount = max(1, available // chance.randrange(2, 12))
    expires_at = sim.clock.now() + timedelta(hours=chance.randrange(1, 72))
    keys = [customer.key() for _ in range(count)]
    room = room_of(sim, customer)

    async def one(key: str) -> Hold | Refused:
        made = await sim.ask(
            lambda service: service.holds.create(
                customer.org_id, amount_minor=amount, currency="", expires_at=expires_at, description="", key=key
            )
        )
        return made if isinstance(made, Refused) else Hold(made.hold_id, made.remaining_minor, 0, expires_at)

    answers = await all_of([one(key) for key in keys])
    granted = [answer for answer in answers if isinstance(answer, Hold)]
    refused = [answer.reason for answer in answers if isinstance(answer, Refused)]
    sim.seen["hold granted"] += len(granted)
    sim.seen["hold refused"] += len(refused)
    if Reason.BILLING_ACCOUNT_SUSPENDED not in refused:
        most = min(available, room if room is not None else available) // amount
        if len(granted) != min(count, max(0, most)):
            raise Broken(f"{len(granted)} of {count} holds of {amount} were granted with {available}, room {room}")
    for made in granted:
        customer.holds[made.hold_id] = made


async def buy_together(sim: Simulation, chance: random.Random) -> None:
    """One call with purchases of many customers: each is granted or refused for itself, and those granted are paid for.

    Balances only sink in it, so what is too much for one at the end is the least that may be refused.
    """
    buying = [
        (customer, 1 + max(customer.available, 0) // chance.choice((2, 30, 100)), customer.key())
        for customer in chance.choices(sim.customers, k=chance.choice((5, 40, 200)))
    ]
    entries = [
        NewEntry(customer.wallet.org_slug, legs_of_purchase(amount), "Prepaid", key) for customer, amount, key in buying
    ]
    rooms = {customer.org_id: room_of(sim, customer) for customer, _, _ in buying}

    async def record(service: Service) -> list[EntryResult]:
        results = await service.bulk_journal.record(entries)
        for result in results:
            if isinstance(result, ServiceError) and result.code in AGAIN:
                raise result
        return results

    results = await sim.must(record)
    before = {customer.org_id: customer.bought for customer, _, _ in buying}
    for (customer, amount, _), result in zip(buying, results, strict=True):
        sim.seen["entry in bulk"] += 1
        if not isinstance(result, ServiceError):
            assert result.entry_id is not None
            bought(customer, result.entry_id, amount)
    for (customer, amount, _), result in zip(buying, results, strict=True):
        room = rooms[customer.org_id]
        left = None if room is None else room - (customer.bought - before[customer.org_id])
        if isinstance(result, ServiceError):
            justify(Refused(result.reason, result), reasons_against(amount, customer.available, left))
        elif customer.available < 0 or (left is not None and left < 0):
            raise Broken(
                f"{customer.wallet.org_slug} has {customer.available} and room {left} after {amount} were granted"
            )


async def all_of(work: Sequence[Awaitable[T]]) -> list[T]:
    """All at the same time; when one fails, the others end before its error goes on."""
    answers = await asyncio.gather(*work, return_exceptions=True)
    found: list[T] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        found.append(answer)
    return found
