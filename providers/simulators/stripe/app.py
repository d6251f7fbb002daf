"""The ASGI application of one simulated account. It runs under any server with lifespan support."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from providers.simulators.stripe import events
from providers.simulators.stripe.api import Api, Exchange, not_found
from providers.simulators.stripe.control import Control
from providers.simulators.stripe.courier import Courier
from providers.simulators.stripe.pages import Pages
from providers.simulators.stripe.world import (
    Clock,
    IdSource,
    Settings,
    World,
    random_ids,
)


def make_world(settings: Settings, *, clock: Clock, ids: IdSource | None = None) -> World:
    """A world with what its state file holds, and with the configured webhook endpoint."""
    world = World(settings=settings, clock=clock, ids=ids or random_ids(random.Random()))
    world.load()
    if settings.webhook_url is not None:
        for endpoint in list(world.tables["webhook_endpoint"].values()):
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
    """Everything on one port: the API, the control endpoints and the pages. The courier lives with the lifespan."""
    courier = Courier(world, rng or random.Random())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
        task = asyncio.create_task(courier.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            world.save()

    async def missing(request: Request, error: Exception) -> Response:
        return not_found(request)

    routes = [
        *Api(world, on_exchange).routes(),
        *Control(world, courier).routes(),
        *Pages(world).routes(),
    ]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={404: missing, 405: missing},
    )
