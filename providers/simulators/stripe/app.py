"""The ASGI application of one simulated account. It runs under any server with lifespan support."""

import random
from collections.abc import Callable

from starlette.applications import Starlette

from providers.simulators.account import ENDPOINTS
from providers.simulators.courier import Courier
from providers.simulators.serving import application
from providers.simulators.stripe import events
from providers.simulators.stripe.api import Api, Exchange, not_found
from providers.simulators.stripe.control import Control
from providers.simulators.stripe.courier import StripeSender
from providers.simulators.stripe.pages import Pages
from providers.simulators.stripe.world import Clock, IdSource, Settings, World, random_ids


def make_world(settings: Settings, *, clock: Clock, ids: IdSource | None = None) -> World:
    """A world with what its state file holds, and with the configured webhook endpoint."""
    world = World(settings=settings, clock=clock, ids=ids or random_ids(random.Random()))
    world.load()
    if settings.webhook_url is not None:
        for endpoint in list(world.tables[ENDPOINTS].values()):
            if endpoint["url"] == settings.webhook_url:
                world.facts[endpoint["id"]]["secret"] = settings.webhook_secret
                return world
        events.add_endpoint(world, settings.webhook_url, settings.webhook_secret, ["*"])
    return world


def make_app(
    world: World,
    *,
    rng: random.Random | None = None,
    on_exchange: Callable[[Exchange], None] | None = None,
) -> Starlette:
    """The API, the control endpoints and the pages on one port."""
    courier = Courier(world, StripeSender(world), rng or random.Random())
    routes = [
        *Api(world, on_exchange).routes(),
        *Control(world, courier).routes(),
        *Pages(world).routes(),
    ]
    return application(world, courier, routes, not_found)
