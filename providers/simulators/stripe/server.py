"""The simulator on a real socket, inside this process: how tests and dev mode start it."""

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from providers.simulators.serving import listen, serving
from providers.simulators.stripe.api import Exchange
from providers.simulators.stripe.app import make_app, make_world
from providers.simulators.stripe.world import Clock, IdSource, Settings, World


@dataclass(frozen=True, slots=True)
class StripeSimulator:
    """A running simulator: its base URL, and its world for inspection in the same process."""

    url: str
    world: World


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    clock: Clock,
    ids: IdSource | None = None,
    rng: random.Random | None = None,
    on_exchange: Callable[[Exchange], None] | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncGenerator[StripeSimulator, None]:
    """Serve until the block ends; port 0 takes a free one. The listening socket is open before the block begins."""
    listener, url = listen(host, port)
    world = make_world(replace(settings, base_url=url), clock=clock, ids=ids)
    async with serving(make_app(world, rng=rng, on_exchange=on_exchange), listener):
        yield StripeSimulator(url, world)
