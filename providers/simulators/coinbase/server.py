"""The simulator on a real socket, inside this process: how tests and dev mode start it."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from starlette.applications import Starlette

from providers.simulators.account import ENDPOINTS
from providers.simulators.coinbase.api import Api, not_found
from providers.simulators.coinbase.control import Control
from providers.simulators.coinbase.courier import CoinbaseSender
from providers.simulators.coinbase.pages import Pages
from providers.simulators.coinbase.world import Clock, IdSource, Settings, World, random_ids
from providers.simulators.courier import Courier
from providers.simulators.serving import application, listen, serving


@dataclass(frozen=True, slots=True)
class CoinbaseSimulator:
    """A running simulator: its base URL, and its world for inspection in the same process."""

    url: str
    world: World

    @property
    def api_base(self) -> str:
        """What the module is told as its API's address."""
        return f"{self.url}/api/v1"


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    clock: Clock,
    ids: IdSource | None = None,
    rng: random.Random | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncGenerator[CoinbaseSimulator, None]:
    """Serve until the block ends; port 0 takes a free one. The listening socket is open before the block begins."""
    listener, url = listen(host, port)
    world = make_world(replace(settings, base_url=url), clock=clock, ids=ids)
    async with serving(make_app(world, rng=rng), listener):
        yield CoinbaseSimulator(url, world)


def make_world(settings: Settings, *, clock: Clock, ids: IdSource | None = None) -> World:
    """A world with what its state file holds, and with the configured webhook endpoint."""
    world = World(settings=settings, clock=clock, ids=ids or random_ids(random.Random()))
    world.load()
    if settings.webhook_url is not None:
        for endpoint in list(world.tables[ENDPOINTS].values()):
            if endpoint["url"] == settings.webhook_url:
                world.facts[endpoint["id"]]["secret"] = settings.webhook_secret
                return world
        world.add_endpoint(settings.webhook_url, settings.webhook_secret)
    return world


def make_app(world: World, *, rng: random.Random | None = None) -> Starlette:
    """The API, the control endpoints and the pages on one port."""
    courier = Courier(world, CoinbaseSender(world), rng or random.Random())
    routes = [*Api(world).routes(), *Control(world, courier).routes(), *Pages(world).routes()]
    return application(world, courier, routes, not_found)
