"""Where one process of the service meets the world: each round trip to the database, each request to a provider.

A fault is planned for the n-th crossing from now on. It strikes before the crossing, so that the other side has heard
nothing, or after it, so that the other side has acted and nobody here knows. Nothing waits and nothing is left to chance.
"""

import re
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

import asyncpg
import httpx
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

_WRITES: Final = re.compile(r"\b(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)


class Strike(StrEnum):
    """What goes wrong. SERIALIZATION is of the database only."""

    LOST = "lost"
    CRASH = "crash"
    SERIALIZATION = "serialization"


class Side(StrEnum):
    """Which crossings count."""

    DATABASE = "database"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong at the `crossing`-th crossing of `side` (from 1), before or after the other side acts."""

    strike: Strike
    side: Side
    crossing: int
    is_after: bool

    def __str__(self) -> str:
        moment = "" if self.strike is Strike.SERIALIZATION else " after" if self.is_after else " before"
        return f"{self.strike} at {self.side}{moment}"


class Boundary:
    """Of one process. `is_dead`: it has crashed, and nothing that is still running in it reaches anybody."""

    def __init__(self) -> None:
        self.is_dead = False
        self.struck: list[Fault] = []
        self._faults: list[Fault] = []
        self._left = 0
        self._protocols: list[_Watched] = []

    def arm(self, *faults: Fault) -> None:
        """Plan these faults in place of what was planned: each for the crossings after the one before it has struck."""
        self._faults = list(faults)
        self._left = faults[0].crossing if faults else 0

    @property
    def planned(self) -> tuple[Fault, ...]:
        return tuple(self._faults)

    def kill(self) -> None:
        """The process ends here: its connections break, what was not committed is gone."""
        self.is_dead = True
        for protocol in self._protocols:
            protocol.abort()
        self._protocols.clear()

    def watch(self, engine: AsyncEngine) -> None:
        """Have every connection of an engine cross here."""
        boundary = self

        class Connection(asyncpg.Connection):  # pyright: ignore[reportMissingTypeArgument]
            def __init__(self, protocol: Any, *rest: Any) -> None:
                watched = _Watched(boundary, protocol)
                boundary._protocols.append(watched)
                super().__init__(watched, *rest)  # type: ignore[call-arg]

        def connecting(dialect: Any, record: Any, arguments: Any, options: dict[str, Any]) -> None:
            if boundary.is_dead:
                raise ConnectionRefusedError("the process is gone")
            options["connection_class"] = Connection

        event.listen(engine.sync_engine, "do_connect", connecting)

    async def database(self, protocol: "_Watched", call: Callable[[], Awaitable[T]], *, can_conflict: bool) -> T:
        """One round trip. can_conflict: another transaction may be in its way."""
        if not can_conflict and self._faults and self._faults[0].strike is Strike.SERIALIZATION:
            return await call()
        fault = self._due(Side.DATABASE)
        if fault is None:
            return await call()
        if fault.strike is Strike.SERIALIZATION:
            raise asyncpg.SerializationError("simulated: could not serialize access")
        if fault.is_after:
            await call()
        self.kill() if fault.strike is Strike.CRASH else protocol.abort()
        raise asyncpg.ConnectionDoesNotExistError("simulated: the connection was lost")

    async def provider(self, call: Callable[[], Awaitable[T]]) -> T:
        if self.is_dead:
            raise httpx.ConnectError("the process is gone")
        fault = self._due(Side.PROVIDER)
        if fault is None:
            return await call()
        if fault.is_after:
            await call()
        if fault.strike is Strike.CRASH:
            self.kill()
        raise httpx.ReadTimeout("simulated: no answer in time")

    def _due(self, side: Side) -> Fault | None:
        if not self._faults or self._faults[0].side is not side:
            return None
        self._left -= 1
        if self._left > 0:
            return None
        fault, *rest = self._faults
        self.arm(*rest)
        self.struck.append(fault)
        return fault


class _Watched:
    """The protocol of a driver's connection, whose round trips cross a boundary."""

    __slots__ = ("_boundary", "_is_ready", "_protocol")

    def __init__(self, boundary: Boundary, protocol: Any) -> None:
        self._boundary = boundary
        self._protocol = protocol
        self._is_ready = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)

    def abort(self) -> None:
        self._protocol.abort()

    def _crossing(self, name: str) -> Callable[..., Any]:
        protocol = self._protocol

        def cross(*arguments: Any, **options: Any) -> Any:
            if self._boundary.is_dead:
                raise asyncpg.ConnectionDoesNotExistError("the process is gone")
            if not self._counts(name, arguments):
                return getattr(protocol, name)(*arguments, **options)
            return self._boundary.database(
                self,
                lambda: getattr(protocol, name)(*arguments, **options),
                can_conflict=name.startswith("bind") and _can_conflict(protocol, arguments or (options["state"],)),
            )

        return cross

    def _counts(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """Whether a fault may strike here. Not while a connection is set up or a statement is prepared: which of the pool's
        connections has done that already depends on how fast others were, and faults have to fall where they fell before.
        """
        is_setting = name == "query" and arguments[0].startswith("SET ")
        if name == "query":
            self._is_ready = self._is_ready or is_setting or arguments[0].startswith("BEGIN")
        return self._is_ready and name != "prepare" and not is_setting

    @property
    def query(self) -> Callable[..., Any]:
        return self._crossing("query")

    @property
    def prepare(self) -> Callable[..., Any]:
        return self._crossing("prepare")

    @property
    def bind_execute(self) -> Callable[..., Any]:
        return self._crossing("bind_execute")

    @property
    def bind_execute_many(self) -> Callable[..., Any]:
        return self._crossing("bind_execute_many")


def _can_conflict(protocol: Any, arguments: tuple[Any, ...]) -> bool:
    """A statement that reads by itself sees one snapshot, and nothing else can be in its way."""
    return protocol.is_in_transaction() or _WRITES.search(arguments[0].query) is not None


_present: Final[ContextVar[Boundary | None]] = ContextVar("present_boundary", default=None)


@contextmanager
def inside(boundary: Boundary) -> Generator[None]:
    """What runs in the block is the process: its HTTP requests cross its boundary."""
    token = _present.set(boundary)
    try:
        yield
    finally:
        _present.reset(token)


@contextmanager
def watched_http() -> Generator[None]:
    """Have every HTTP request that is made `inside` a boundary cross it."""
    send = httpx.AsyncClient.send

    async def crossing(self: httpx.AsyncClient, *arguments: Any, **options: Any) -> httpx.Response:
        boundary = _present.get()
        if boundary is None:
            return await send(self, *arguments, **options)
        return await boundary.provider(lambda: send(self, *arguments, **options))

    httpx.AsyncClient.send = crossing
    try:
        yield
    finally:
        httpx.AsyncClient.send = send
