"""The simulator on a real socket, inside this process: how tests and dev mode start it."""

import asyncio
import random
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from hypercorn.asyncio import serve  # pyright: ignore[reportUnknownVariableType]
from hypercorn.config import Config

from providers.simulators.stripe.api import Exchange
from providers.simulators.stripe.app import make_app, make_world
from providers.simulators.stripe.world import Clock, IdSource, Settings, World

BACKLOG = 128


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
    listener = socket.create_server((host, port), backlog=BACKLOG)
    url = f"http://{host}:{listener.getsockname()[1]}"
    world = make_world(replace(settings, base_url=url), clock=clock, ids=ids)
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 1
    stop = asyncio.Event()
    app = make_app(world, rng=rng, on_exchange=on_exchange)
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))  # pyright: ignore[reportArgumentType]
    try:
        yield StripeSimulator(url, world)
    finally:
        stop.set()
        await server
