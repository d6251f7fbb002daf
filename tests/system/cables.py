"""Cables between processes and the database: TCP on this machine that a test can cut and heal."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import make_url

T = TypeVar("T")


class Cable:
    """One way to a server on a Unix socket. `port` is where it begins, on the loopback address."""

    def __init__(self, room: "CableRoom", target: Path) -> None:
        self._room = room
        self._target = target
        self._ends: set[asyncio.WriteTransport] = set()
        self._in_use: set[asyncio.Task[None]] = set()
        self._is_cut = False
        self._server = room.run(asyncio.start_server(self._connect, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def url_of(self, url: str) -> str:
        """The same database as `url` names, by this cable."""
        parts = make_url(url)
        return f"postgresql://{parts.username}@127.0.0.1:{self.port}/{parts.database}"

    def cut(self) -> None:
        """Every connection breaks, and each new one breaks at once."""
        self._room.run(self._cut())

    def heal(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        """Nothing can connect any more, and nothing is left."""

        async def close() -> None:
            self._server.close()
            await self._cut()
            if self._in_use:
                await asyncio.wait(self._in_use)

        self._room.run(close())

    async def _cut(self) -> None:
        self._is_cut = True
        for end in list(self._ends):
            end.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a server runs its callbacks in tasks"
        self._in_use.add(task)
        task.add_done_callback(self._in_use.discard)
        try:
            if not self._is_cut:
                there, back = await asyncio.open_unix_connection(str(self._target))
                await self._join(reader, writer, there, back)
        finally:
            writer.transport.abort()

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        ends = {writer.transport, back.transport}
        self._ends |= ends
        ways = [asyncio.create_task(_forward(reader, back)), asyncio.create_task(_forward(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._ends -= ends
            back.transport.abort()
            writer.transport.abort()
            await asyncio.wait(ways)


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        return


class CableRoom:
    """A thread whose event loop moves the bytes of all cables."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
