"""Serve until told to stop."""

import asyncio
import signal
from collections.abc import Callable

import uvloop

from wallet_service.serving.envoy import EnvoyServer
from wallet_service.serving.fleet import EnvoyFleet
from wallet_service.serving.hypercorn_server import HypercornServer
from wallet_service.serving.options import ServerFailed, ServerOptions


async def serve(
    options: ServerOptions,
    *,
    stop: asyncio.Event,
    on_ready: Callable[[str], None],
) -> None:
    """Serve until `stop` is set, then drain and return. `on_ready` gets the base URL once calls are accepted.

    Call it from the main thread. Raises ServerFailed when the server cannot start or ends by itself.
    """
    server = _server(options)
    try:
        on_ready(options.url(await server.start()))
        stopping = asyncio.create_task(stop.wait())
        ended = asyncio.create_task(server.wait())
        await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            stopping.cancel()
            raise ServerFailed(f"the server ended by itself: {ended.result()}")
    finally:
        await server.stop()
    await ended


def _server(options: ServerOptions) -> EnvoyServer | EnvoyFleet | HypercornServer:
    if options.server == "hypercorn":
        return HypercornServer(options)
    return EnvoyServer(options) if options.workers == 1 else EnvoyFleet(options)


def run(options: ServerOptions, *, on_ready: Callable[[str], None]) -> None:
    """Serve in this process until SIGTERM or SIGINT, on uvloop. Raises ServerFailed."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await serve(options, stop=stop, on_ready=on_ready)

    uvloop.run(main())
