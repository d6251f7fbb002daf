"""A simulator on a real socket: its application with the courier's life, inside this process or as a process."""

import argparse
import asyncio
import signal
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve  # pyright: ignore[reportUnknownVariableType]
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from providers.simulators.account import Account
from providers.simulators.courier import Courier

BACKLOG = 128
_SAVE_SECONDS = 0.25


def application(
    account: Account[Any],
    courier: Courier,
    routes: list[Route],
    not_found: Callable[[Request], Response],
) -> Starlette:
    """Everything on one port: the API, the control endpoints and the pages. The courier lives with the lifespan."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
        tasks = [asyncio.create_task(courier.run()), asyncio.create_task(_keep_saved(account))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            account.save_now()

    async def missing(request: Request, error: Exception) -> Response:
        return not_found(request)

    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: missing, 405: missing})


async def _keep_saved(account: Account[Any]) -> None:
    """Write what `save` has put off."""
    while True:
        await asyncio.sleep(_SAVE_SECONDS)
        if account.is_unsaved:
            account.save()


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """An open listening socket and the base URL of what will serve on it; port 0 takes a free one."""
    listener = socket.create_server((host, port), backlog=BACKLOG)
    return listener, f"http://{host}:{listener.getsockname()[1]}"


@asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncGenerator[None, None]:
    """Serve on the socket until the block ends; the socket is closed then."""
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 1
    stop = asyncio.Event()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        stop.set()
        await server


def arguments(program: str, *, port: int, webhook_secret: str) -> argparse.ArgumentParser:
    """The command line of a simulator as a process; a vendor may add to it."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}", description="The simulator as a process, until SIGINT or SIGTERM."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--webhook-url", help="where events go; none are delivered without it")
    parser.add_argument("--webhook-secret", default=webhook_secret)
    parser.add_argument("--state-file", type=Path, help="keep the state here across restarts")
    parser.add_argument("--followup-delay", type=int, default=1, help="seconds from a request to what follows from it")
    parser.add_argument("--seed", type=int, help="repeat ids and shuffles; not with a state file")
    return parser


async def run_until_stopped(name: str, simulator: AbstractAsyncContextManager[str]) -> None:
    """Serve until SIGINT or SIGTERM; prints the base URL that entering `simulator` gave."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with simulator as url:
        print(f"{name} on {url}", flush=True)
        await stop.wait()


def system_time() -> datetime:
    """The machine's time, for a simulator that runs as a process."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time.time_ns() // 1_000)
