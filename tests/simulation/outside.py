"""The payment providers, behind HTTP, and the network between them and the service.

In one seed of ten (`is_wired`) their APIs are on sockets. In the others a request of the providers' own clients ends in the
simulator's application without a socket, which is several times cheaper.

The simulators' own couriers deliver in the background, whenever they get to it. Here deliveries wait until a step of the
run takes them, so that it decides on which, in which order, how often, and when.
"""

import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from unittest.mock import patch

import httpx
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from providers.simulators.account import EVENTS, Account, Fault, Json
from providers.simulators.coinbase import api as coinbase_api
from providers.simulators.coinbase import checkouts
from providers.simulators.coinbase import courier as coinbase_courier
from providers.simulators.coinbase import server as coinbase_server
from providers.simulators.coinbase import world as coinbase_world
from providers.simulators.courier import Letter, Sender
from providers.simulators.serving import listen, serving
from providers.simulators.stripe import api as stripe_api
from providers.simulators.stripe import app as stripe_app
from providers.simulators.stripe import courier as stripe_courier
from providers.simulators.stripe import world as stripe_world
from wallet_service.clock import Clock

STRIPE_SECRET: Final = "whsec_simulation"
COINBASE_SECRET: Final = "hook0-simulation"
BASE: Final = "http://wallet.simulated"
_LATER: Final = 10**9
"""Seconds; a followup is due when a step says so."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A delivery that is on its way."""

    account: Account[Any]
    sender: Sender
    row: Json

    def letter(self) -> Letter | None:
        """Signed now; None when its event is gone."""
        return self.sender.letter(self.row["event"], self.row["endpoint"])


@dataclass(frozen=True, slots=True)
class Outside:
    """Both providers' books, open to whoever checks ours against them."""

    stripe: stripe_world.World
    coinbase: coinbase_world.World
    stripe_url: str
    coinbase_url: str
    must_arrive: set[str] = field(default_factory=set[str])
    """Payments that nobody knows of yet but their provider: what names a top-up that has another payment."""

    def mail(self) -> list[Mail]:
        """What waits to be delivered, oldest first, Stripe's before Coinbase's."""
        stripe, coinbase = stripe_courier.StripeSender(self.stripe), coinbase_courier.CoinbaseSender(self.coinbase)
        found = [Mail(self.stripe, stripe, row) for row in self.stripe.deliveries]
        return found + [Mail(self.coinbase, coinbase, row) for row in self.coinbase.deliveries]

    def is_needed(self, mail: Mail) -> bool:
        """Whether nothing but this delivery tells."""
        event = mail.account.tables[EVENTS].get(mail.row["event"], {})
        subject = event["data"]["object"] if "data" in event else event.get("body", {})
        return subject.get("id") in self.must_arrive

    async def deliver(self, chosen: list[Mail], receive: Callable[[Letter], Awaitable[int]]) -> int:
        """Deliver in this order; what is not answered by 2xx stays on its way. How many were taken."""
        count = 0
        for mail in chosen:
            letter = mail.letter()
            if letter is None or 200 <= await receive(letter) < 300:
                self.drop(mail)
                count += 1
        return count

    def drop(self, mail: Mail) -> None:
        """It is lost for ever, or has arrived."""
        if mail.row in mail.account.deliveries:
            mail.account.deliveries.remove(mail.row)

    def follow_up(self, chance: random.Random, *, everything: bool = False) -> int:
        """Some of what was going to happen later happens now; how many things did."""
        sender = stripe_courier.StripeSender(self.stripe), coinbase_courier.CoinbaseSender(self.coinbase)
        for account in (self.stripe, self.coinbase):
            for row in account.followups:
                if everything or chance.random() < 0.5:
                    row["due"] = 0
        return sum(one.run_due(everything=False) for one in sender)

    def tick(self) -> None:
        """What happens at the providers by the clock alone: checkouts that nobody has paid in time expire."""
        checkouts.expire_due(self.coinbase)

    def misbehave(self, kind: str, *, times: int) -> None:
        """The next requests meet a fault of the simulators' own, at both providers."""
        self.calm()
        for account in (self.stripe, self.coinbase):
            account.faults.append(Fault(kind=kind, method="*", path="/", times=times, seconds=0))

    def calm(self) -> None:
        self.stripe.faults.clear()
        self.coinbase.faults.clear()


def is_wired(seed: int) -> bool:
    """Whether this seed talks to the providers through sockets."""
    return seed % 10 == 0


@asynccontextmanager
async def providers(clock: Clock, chance: random.Random, *, wired: bool) -> AsyncGenerator[Outside, None]:
    """Both providers serve until the block ends."""
    async with AsyncExitStack() as stack:
        listeners = [listen("127.0.0.1", 0) for _ in range(2)] if wired else []
        stripe_url, coinbase_url = [url for _, url in listeners] or (
            "http://stripe.simulated",
            "http://coinbase.simulated",
        )
        stripe, coinbase = _worlds(clock, chance, stripe_url, coinbase_url)
        apps = (
            Starlette(routes=list(stripe_api.Api(stripe).routes())),
            Starlette(routes=list(coinbase_api.Api(coinbase).routes())),
        )
        for app, (listener, _) in zip(apps, listeners, strict=False):
            await stack.enter_async_context(serving(app, listener))
        if not wired:
            hosts = (httpx.URL(stripe_url).host, httpx.URL(coinbase_url).host)
            stack.enter_context(_unwired(dict(zip(hosts, apps, strict=True))))
        yield Outside(stripe, coinbase, stripe_url, f"{coinbase_url}/api/v1")


def _worlds(
    clock: Clock, chance: random.Random, stripe_url: str, coinbase_url: str
) -> tuple[stripe_world.World, coinbase_world.World]:
    stripe = stripe_app.make_world(
        stripe_world.Settings(
            base_url=stripe_url,
            webhook_url=f"{BASE}/webhooks/stripe",
            webhook_secret=STRIPE_SECRET,
            followup_delay=_LATER,
        ),
        clock=clock.now,
        ids=stripe_world.random_ids(random.Random(chance.getrandbits(64))),
    )
    settings = coinbase_world.Settings(
        webhook_url=f"{BASE}/webhooks/coinbase", webhook_secret=COINBASE_SECRET, followup_delay=_LATER
    )
    coinbase = coinbase_server.make_world(
        replace(settings, base_url=coinbase_url),
        clock=clock.now,
        ids=coinbase_world.random_ids(random.Random(chance.getrandbits(64))),
    )
    return stripe, coinbase


@contextmanager
def _unwired(apps: Mapping[str, ASGIApp]) -> Generator[None]:
    """Have requests to these hosts end in their applications."""
    transports = {host: httpx.ASGITransport(app=_as_heard(app)) for host, app in apps.items()}
    send = httpx.AsyncHTTPTransport.handle_async_request

    async def handle(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        transport = transports.get(request.url.host)
        return await (send(self, request) if transport is None else transport.handle_async_request(request))

    with patch.object(httpx.AsyncHTTPTransport, "handle_async_request", handle):
        yield


def _as_heard(app: ASGIApp) -> ASGIApp:
    """An answer that stops in the middle is to its caller a connection that broke."""

    async def heard(scope: Scope, receive: Receive, send: Send) -> None:
        is_complete = False

        async def sending(message: Message) -> None:
            nonlocal is_complete
            is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        await app(scope, receive, sending)
        if not is_complete:
            raise httpx.RemoteProtocolError("the provider hung up")

    return heard
