"""Reads that share statements: what was asked for while the last statement ran is read by the next one.

There is no timer, so a lone caller waits for nothing. A caller is never served by a statement that started before it asked,
hence it sees every write that it knows of.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from wallet_service.db import overloaded, unavailable

K = TypeVar("K")
V = TypeVar("V")

_KEYS_MAX: Final = 1000
"""Keys that one statement reads."""


class CoalescedReads(Generic[K, V]):
    """Reads over `fetch`, which maps the keys that exist to their values; at most `lanes` statements at a time."""

    def __init__(
        self,
        fetch: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]],
        *,
        lanes: int = 1,
        waiting_max: int = 20_000,
    ) -> None:
        self._fetch = fetch
        self._lanes_max = lanes
        self._waiting_max = waiting_max
        self._waiting_count = 0
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._wake = asyncio.Event()
        self._lanes: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._lanes = [asyncio.create_task(self._run()) for _ in range(self._lanes_max)]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        lanes, self._lanes = self._lanes, []
        for lane in lanes:
            lane.cancel()
        if lanes:
            await asyncio.wait(lanes)
        _fail(self._waiting, unavailable())
        self._waiting.clear()

    async def read(self, key: K) -> V | None:
        """The value of `key`, or None. Raises what `fetch` raises, and OVERLOADED when too many callers wait."""
        if not self._lanes:
            raise unavailable()
        if self._waiting_count >= self._waiting_max:
            raise overloaded()
        future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        self._waiting_count += 1
        self._wake.set()
        try:
            return await future
        finally:
            self._waiting_count -= 1

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            # Another lane may have been woken too, and have taken everything.
            keys = list(islice(self._waiting, _KEYS_MAX))
            batch = {key: self._waiting.pop(key) for key in keys}
            if not self._waiting:
                self._wake.clear()
            if not keys:
                continue
            try:
                found = await self._fetch(keys)
            except asyncio.CancelledError:
                _fail(batch, unavailable())
                raise
            except Exception as error:
                # Whatever it is, it belongs to the callers; the lane goes on.
                _fail(batch, error)
                continue
            for key, futures in batch.items():
                value = found.get(key)
                for future in futures:
                    if not future.done():
                        future.set_result(value)


def _fail(waiting: Mapping[K, list[asyncio.Future[V | None]]], error: Exception) -> None:
    for futures in waiting.values():
        for future in futures:
            if not future.done():
                future.set_exception(error)
