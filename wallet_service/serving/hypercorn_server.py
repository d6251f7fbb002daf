"""hypercorn in this process: slower than pyvoy, the same protocols, nothing but Python."""

import asyncio
import os
import socket
from typing import Final

from hypercorn.asyncio import serve as hypercorn_serve  # pyright: ignore[reportUnknownVariableType]
from hypercorn.config import Config

from wallet_service.serving import hypercorn_flow
from wallet_service.serving.entry import load_factory
from wallet_service.serving.options import ServerFailed, ServerOptions

_POLL_SECONDS: Final = 0.02
_STOP_SECONDS_MAX: Final = 20
_REQUESTS_OF_CONNECTION_MAX: Final = 2**31
"""hypercorn's default of 1000 would cut every busy HTTP/2 connection."""


class HypercornServer:
    """One hypercorn worker on the running event loop."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._draining = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Start and wait until the application has started and the listener accepts; returns the port.

        Raises ServerFailed.
        """
        hypercorn_flow.install()
        os.environ.update(self._options.environment)
        app = load_factory(self._options.factory)(self._draining)
        with self._options.bind() as listener:
            port: int = listener.getsockname()[1]
            self._task = asyncio.create_task(
                hypercorn_serve(
                    app,  # pyright: ignore[reportArgumentType]
                    self._config(listener),
                    shutdown_trigger=self._draining.wait,
                )
            )
            try:
                async with asyncio.timeout(self._options.startup.total_seconds()):
                    await _wait_until_listening(self._task, listener)
            except TimeoutError as error:
                raise ServerFailed("the server was not ready in time") from error
        return port

    async def wait(self) -> str:
        """How the server ended, once it has."""
        assert self._task is not None, "start comes first"
        await asyncio.wait({self._task})
        return _ending(self._task)

    async def stop(self) -> None:
        """Drain, bounded, and end. Safe to call at any time, also when the server has failed."""
        self._draining.set()
        if self._task is None:
            return
        bound = self._options.drain.total_seconds() + _STOP_SECONDS_MAX
        await asyncio.wait({self._task}, timeout=bound)
        self._task.cancel()

    def _config(self, listener: socket.socket) -> Config:
        config = Config()
        # hypercorn closes the descriptor it is given; this one tells when it listens.
        config.bind = [f"fd://{os.dup(listener.fileno())}"]
        config.loglevel = "WARNING"
        config.accesslog = None
        config.include_server_header = False
        config.keep_alive_max_requests = _REQUESTS_OF_CONNECTION_MAX
        config.keep_alive_timeout = 75
        config.graceful_timeout = self._options.drain.total_seconds()
        config.shutdown_timeout = _STOP_SECONDS_MAX
        config.startup_timeout = self._options.startup.total_seconds()
        if self._options.tls_cert_file and self._options.tls_key_file:
            config.certfile = str(self._options.tls_cert_file)
            config.keyfile = str(self._options.tls_key_file)
        return config


async def _wait_until_listening(task: asyncio.Task[None], listener: socket.socket) -> None:
    while not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        if task.done():
            raise ServerFailed(f"the server did not start: {_ending(task)}")
        await asyncio.sleep(_POLL_SECONDS)


def _ending(task: asyncio.Task[None]) -> str:
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    return "hypercorn ended" if error is None else f"hypercorn failed: {error}"
