"""One run: customers, the service's present life, the providers, a clock, and what every step is checked against."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import make_url

from providers.protocol import Unavailable
from tests.simulation.books import Book, Books, Broken, Live
from tests.simulation.boundary import Fault, Side, Strike, inside, watched_http
from tests.simulation.life import Life, settings_of
from tests.simulation.model import Customer, Terms
from tests.simulation.outside import Outside, is_wired, providers
from tests.simulation.prices import CATALOG
from tests.simulation.randomness import seeded, without_waits
from tests.simulation.steps import Step
from wallet_service.accounts import steps as accounts
from wallet_service.config import Settings
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.service import Service
from wallet_service.tenancy import Reach, within

T = TypeVar("T")

START: Final = datetime(2026, 1, 28, 22, 15, tzinfo=UTC)
CURRENCIES: Final = ("USD", "USD", "USD", "EUR", "JPY", "USD")
CUSTOMER_COUNT: Final = 24
AUDITED_EVERY: Final = 250
"""Steps between two audits of everything, each by the service's own code."""

_ASKING: Final = frozenset({"top_up", "check_out", "save_card", "drop_card", "charge_card", "work", "reconcile"})
"""Steps that ask the providers."""

_ATTEMPTS_MAX: Final = 12
AGAIN: Final = frozenset({Code.UNAVAILABLE, Code.ABORTED, Code.RESOURCE_EXHAUSTED})


class JumpingClock:
    """Stands still until it is moved, forward by any time, back by a little."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def move(self, by: timedelta) -> None:
        self._now += by


@dataclass(frozen=True, slots=True)
class Refused:
    """A definite no."""

    reason: Reason
    error: ServiceError


@dataclass
class Simulation:
    """`calls`: of operations, each repetition counted; `struck`: faults that found something to strike;
    `seen`: what happened, by `coverage.WANTED`.
    """

    clock: JumpingClock
    outside: Outside
    settings: Settings
    admin: "asyncpg.Connection[asyncpg.Record]"
    life: Life
    books: Books
    customers: list[Customer]
    calls: Counter[str] = field(default_factory=Counter[str])
    refusals: Counter[str] = field(default_factory=Counter[str])
    struck: Counter[str] = field(default_factory=Counter[str])
    seen: Counter[str] = field(default_factory=Counter[str])
    live: dict[UUID, Live] = field(default_factory=dict[UUID, Live])
    codes: list[str] = field(default_factory=list[str])
    kind: str = ""
    taken: int = 0
    campaigns: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    owners: dict[str, str] = field(default_factory=dict[str, str])

    async def take(self, step: Step, actions: "Actions") -> None:
        """One step, and what must hold after it. Raises Broken."""
        chance = step.chance()
        self.kind = step.kind
        self.clock.move(timedelta(milliseconds=chance.randrange(60_000)))
        self.life.boundary.arm(*faults_of(step, chance))
        try:
            await actions[step.kind](self, chance)
        except ServiceError as error:
            raise Broken(f"{step}: an answer that must not be: {error!r} {error.metadata}") from error
        finally:
            self.life.boundary.arm()
            self.outside.calm()
        if self.life.boundary.is_dead:
            await self.restart(self.life)
        self.taken += 1
        await self.check()
        if self.taken % AUDITED_EVERY == 0:
            await self.audit()

    async def ask(self, make: Callable[[Service], Awaitable[T]]) -> T | Refused:
        """Ask until the answer is definite, as a client does that sends the same request with the same key."""
        for _ in range(_ATTEMPTS_MAX):
            life, struck_before = self.life, len(self.life.boundary.struck)
            self.calls[self.kind] += 1
            try:
                with inside(life.boundary):
                    answer = await make(life.service)
            except ServiceError as error:
                if not life.boundary.is_dead and error.code not in AGAIN:
                    self.refusals[error.reason.value] += 1
                    return Refused(error.reason, error)
                self._expected(life, struck_before, error)
            except Unavailable as error:
                self._expected(life, struck_before, error)
            except Exception as error:
                if not life.boundary.is_dead:
                    raise Broken(f"{self.kind}: {error!r}") from error
            else:
                if not life.boundary.is_dead:
                    return answer
            if life.boundary.is_dead:
                await self.restart(life)
        raise Broken(f"{self.kind}: no definite answer after {_ATTEMPTS_MAX} attempts")

    async def must(self, make: Callable[[Service], Awaitable[T]]) -> T:
        """The same, of what nothing may refuse."""
        answer = await self.ask(make)
        if isinstance(answer, Refused):
            raise answer.error
        return answer

    def _expected(self, life: Life, struck_before: int, error: Exception) -> None:
        """Being unavailable needs a fault. A wait that is over by the clock on the wall needs nothing but a busy machine."""
        if isinstance(error, ServiceError) and error.reason is Reason.OVERLOADED:
            self.refusals[error.reason.value] += 1
            return
        if not life.boundary.is_dead and len(life.boundary.struck) == struck_before and not self.outside_is_faulty:
            raise Broken(f"{self.kind}: {error!r} without a fault") from error

    @property
    def outside_is_faulty(self) -> bool:
        return self._misbehaving > 0

    _misbehaving: int = 0

    def misbehave(self, kind: str, times: int) -> None:
        """The providers answer badly until this step is over."""
        self._misbehaving = times
        self.seen["provider answered badly"] += times
        self.outside.misbehave(kind, times=times)

    async def restart(self, life: Life) -> None:
        """`life` ends, if nobody has ended it yet; another begins."""
        async with self.turn:
            if self.life is not life:
                return
            self.struck["restart"] += 1
            self.struck.update(str(fault) for fault in life.boundary.struck)
            planned = life.boundary.planned
            await life.end()
            self.life = await Life(self.settings, self.clock).begin()
            self.life.boundary.arm(*planned)

    async def check(self) -> None:
        """The laws of the journal, and each wallet against what its customer has done."""
        self._misbehaving = 0
        self.live = await self.books.read()
        if self.outside.must_arrive:
            arrived = {payment for book in self.books.by_org.values() for _, payment in book.arrived}
            self.outside.must_arrive.difference_update(arrived)
        for customer in self.customers:
            customer.check(self.book(customer), self.live[customer.org_id])

    async def audit(self) -> None:
        """Every law, by the service's own audit."""
        found = await self.life.service.audit.verify(None)
        if found.violations:
            raise Broken(f"audit: {found.violations[0]}")

    def book(self, customer: Customer) -> Book:
        return self.books.by_org[customer.org_id]

    async def rows(self, statement: str, *values: object) -> Sequence[Any]:
        """What the database holds, read outside of the service."""
        return await self.admin.fetch(statement, *values)


Action = Callable[[Simulation, random.Random], Awaitable[None]]
Actions = dict[str, Action]


def faults_of(step: Step, chance: random.Random) -> list[Fault]:
    """What goes wrong in a step, if anything; early crossings are more likely than late ones. A crowd crosses often."""
    if step.kind == "crowd":
        return [_fault(chance, Side.DATABASE, 60) for _ in range(chance.randrange(4))]
    if step.kind in _ASKING and chance.random() < 0.25:
        return [_fault(chance, Side.PROVIDER, 2)]
    return [_fault(chance, Side.DATABASE, 12)] if chance.random() < 0.08 else []


def _fault(chance: random.Random, side: Side, crossings: int) -> Fault:
    strikes = [Strike.LOST, Strike.CRASH] + [Strike.SERIALIZATION] * (side is Side.DATABASE)
    strike = chance.choices(strikes, [6, 2, 4][: len(strikes)])[0]
    return Fault(strike, side, 1 + int(chance.expovariate(1 / crossings)), is_after=chance.random() < 0.5)


@asynccontextmanager
async def simulation(
    database_url: str, seed: int, *, customer_count: int = CUSTOMER_COUNT
) -> AsyncGenerator[Simulation]:
    """A world with customers, on an empty database."""
    chance = random.Random(f"world/{seed}")
    clock = JumpingClock(START)
    parts = make_url(database_url)
    with seeded(seed), without_waits(), watched_http(), within(Reach.EVERYONE):
        async with providers(clock, chance, wired=is_wired(seed)) as outside:
            settings = settings_of(database_url, outside)
            admin = await asyncpg.connect(host=str(parts.query["host"]), user=parts.username, database=parts.database)
            life = await Life(settings, clock).begin()
            try:
                customers = [await _customer(life.service, index, chance) for index in range(customer_count)]
                await life.service.catalog.apply(CATALOG)
                await Books.prepare(admin)
                books = Books(admin, [customer.wallet for customer in customers])
                made = Simulation(clock, outside, settings, admin, life, books, customers)
                try:
                    yield made
                finally:
                    life = made.life
            finally:
                await life.end()
                await admin.close()


async def _customer(service: Service, index: int, chance: random.Random) -> Customer:
    slug = f"customer-{index}"
    made = await service.organizations.create(slug=slug, currency=CURRENCIES[index % len(CURRENCIES)])
    await service.projects.create(made.org_id, slug=f"{slug}-main", display_name="", request_id="")
    wallet = await service.db.read(lambda conn: accounts.open_wallet(conn, made.org_id))
    daily_cap = chance.randrange(6_000, 30_000)
    cooldown = timedelta(minutes=chance.choice((5, 60, 600)))
    return Customer(wallet, Terms(daily_cap, daily_cap * chance.randrange(2, 5), cooldown))
