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
    """One lane of reads over `fetch`, which maps the keys that exist to their values."""

    def __init__(
        self,
        fetch: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]],
        *,
        waiting_max: int = 20_000,
    ) -> None:
        self._fetch = fetch
        self._waiting_max = waiting_max
        self._waiting_count = 0
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._wake = asyncio.Event()
        self._lane: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._lane = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.cancel()
            await asyncio.wait([lane])
        _fail(self._waiting, unavailable())
        self._waiting.clear()

    async def read(self, key: K) -> V | None:
        """The value of `key`, or None. Raises what `fetch` raises, and OVERLOADED when too many callers wait."""
        if self._lane is None:
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
            keys = list(islice(self._waiting, _KEYS_MAX))
            batch = {key: self._waiting.pop(key) for key in keys}
            if not self._waiting:
                self._wake.clear()
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
