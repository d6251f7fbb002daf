"""Several Envoys with the application on one port: the kernel gives each new connection to one of them.

Each has a Python of its own, with its own pool of connections to the database, and shares nothing with the others but the
port and the files of its metrics. One that ends is started again, sooner at first and later when it keeps ending; the
others take the new connections meanwhile, since a process that is not ready does not listen. One that hangs goes on getting
its share of the connections and answers none: nobody outside can tell which it is, so it is killed here, and replaced.
"""

import asyncio
import socket
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from typing import Final, Literal

import structlog
from prometheus_client.multiprocess import mark_process_dead  # pyright: ignore[reportUnknownVariableType]

from wallet_service.background import pause
from wallet_service.serving.entry import BEAT_SECONDS
from wallet_service.serving.envoy import EnvoyServer
from wallet_service.serving.folders import PrivateFolder
from wallet_service.serving.options import ServerFailed, ServerOptions
from wallet_service.serving.replacements import Replacements

_METRICS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The folder in which the Prometheus client keeps its numbers, so that each process can tell those of all."""

_PAUSE_MIN: Final = timedelta(milliseconds=500)
_PAUSE_MAX: Final = timedelta(seconds=30)
_STEADY_SECONDS: Final = 60
"""A process that has served for so long and ends is started again as if for the first time."""

_log: Final = structlog.get_logger("wallet.serving")


@dataclass(frozen=True, slots=True)
class _End:
    """Of a process, by itself or because it hung and was killed; not that of a fleet that is stopped."""

    why: Literal["ended", "hung"]
    reason: str


class EnvoyFleet:
    """As many processes as the options say. Start it from the main thread, which then has to outlive it."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._folder = PrivateFolder()
        self._replacements = Replacements(self._folder.path)
        self._reserved: socket.socket | None = None
        self._stopping = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self) -> int:
        """Start all and wait until every one accepts calls; returns the port. Raises ServerFailed when one does not."""
        # Bound alone, so that a port in use is an error; then open to those who say that they share it.
        self._reserved = self._options.bind()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        port: int = self._reserved.getsockname()[1]
        environment = {**self._options.environment, _METRICS_VARIABLE: str(self._folder.path)}
        self._options = replace(self._options, port=port, environment=environment)
        servers = [EnvoyServer(self._options) for _ in range(self._options.workers)]
        try:
            outcomes = await asyncio.gather(*(server.start() for server in servers), return_exceptions=True)
            for failure in outcomes:
                if isinstance(failure, BaseException):
                    raise failure
        except BaseException:
            await asyncio.gather(*(server.stop() for server in servers))
            raise
        self._keepers = [asyncio.create_task(self._keep(number, server)) for number, server in enumerate(servers)]
        return port

    async def wait(self) -> str:
        """Returns after `stop`: a fleet does not end by itself."""
        await asyncio.gather(*self._keepers)
        return "the server was stopped"

    async def stop(self) -> None:
        """Drain all of them at once, bounded, then terminate. Safe to call at any time."""
        self._stopping.set()
        await asyncio.gather(*self._keepers)
        if self._reserved is not None:
            self._reserved.close()
        self._replacements.close()
        self._folder.close()

    async def _keep(self, number: int, server: EnvoyServer) -> None:
        loop = asyncio.get_running_loop()
        ending, delay, began = self._served(server), _PAUSE_MIN, loop.time()
        while True:
            end = await self._until_end(server, ending)
            if end is None:
                return
            event = "server_process_hung" if end.why == "hung" else "server_process_ended"
            _log.error(event, process=number, reason=end.reason, restarted_in=delay.total_seconds())
            self._replacements.count(end.why)
            await pause(delay, unless=self._stopping)
            delay = _PAUSE_MIN if loop.time() - began >= _STEADY_SECONDS else min(2 * delay, _PAUSE_MAX)
            if self._stopping.is_set():
                return
            server, began = EnvoyServer(self._options), loop.time()
            ending = self._started_and_served(number, server)

    async def _until_end(self, server: EnvoyServer, ending: Awaitable[_End]) -> _End | None:
        """How the process ended, or None: the fleet is stopped, and the process is drained and gone."""
        ended = asyncio.ensure_future(ending)
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        ended.cancel()
        pid = server.pid
        await server.stop()
        if pid is not None:
            mark_process_dead(pid, str(self._folder.path))
        if self._stopping.is_set():
            return None
        try:
            return await ended
        except (ServerFailed, OSError) as error:
            return _End("ended", str(error))

    async def _started_and_served(self, number: int, server: EnvoyServer) -> _End:
        await server.start()
        _log.warning("server_process_started_again", process=number, pid=server.pid)
        return await self._served(server)

    async def _served(self, server: EnvoyServer) -> _End:
        """Watch one that has started, until it ends; one that says nothing for too long is killed.

        Looks are counted, not seconds, so that a machine that was asleep has not hung.
        """
        looks_max = ceil(self._options.silence.total_seconds() / BEAT_SECONDS)
        looks_left = looks_max
        ending = asyncio.create_task(server.wait())
        try:
            while looks_left:
                ended, _ = await asyncio.wait({ending}, timeout=BEAT_SECONDS)
                if ended:
                    return _End("ended", ending.result())
                looks_left = looks_max if server.has_beaten() else looks_left - 1
            server.kill()
            await ending
            return _End("hung", f"it did nothing for {self._options.silence.total_seconds():g} s, and was killed")
        finally:
            ending.cancel()
