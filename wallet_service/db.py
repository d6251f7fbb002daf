"""The engine, the service's table metadata and the transaction boundary.

`transact` is the only place that begins and commits. The function given to it may run more than once (serialization
failures, deadlocks), so it has no effect outside the database. Lock order everywhere: watch cursor, top-up, rows of
the usage roll-up, books, what follows a book, the head of an organization's events, and last that of its audit log.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Final, Protocol, TypeVar, cast

import asyncpg
import structlog
from sqlalchemy import MetaData, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from wallet_service import tenancy
from wallet_service.connections import WAIT_SECONDS_MAX, Connections
from wallet_service.errors import Code, Reason, ServiceError, overloaded
from wallet_service.silence import SESSION_SETTINGS, notice_silence
from wallet_service.transaction import transaction

T = TypeVar("T")

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: Final = MetaData(naming_convention=NAMING)

SERVICE_ROLE: Final = "wallet_app"
"""The role the service acts as: it may not UPDATE or DELETE append-only tables. A transaction of work for one organization
acts as `tenancy.TENANT_ROLE`."""

_RETRIED_STATES: Final = frozenset({"40001", "40P01", "XX000"})
_ATTEMPTS_MAX: Final = 6
_UNSTORABLE_STATES: Final = frozenset({"22021", "22P05"})
_TOOK_TOO_LONG: Final = "57014"
_LOST_STATES: Final = ("08", "57P", "25P03")
_OUT_OF_ROOM_STATES: Final = "53"

_log: Final = structlog.get_logger("wallet.database")

DRIVER_FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises by itself. The third is no kind of the others: "cannot switch to state 12; another operation (2) is in
progress" is said of a connection that the server has left in the middle of an operation."""

DATABASE_FAILURES: Final = (DBAPIError, *DRIVER_FAILURES)
"""The same as `transact`, `read` and `fetch` let it through, beside what they turn into ServiceError: a login that
is refused for now is one."""


def engine_for(url: str, *, pool_size: int, role: str | None = SERVICE_ROLE) -> AsyncEngine:
    """An engine that acts as `role`; times are UTC and hot statements may use the driver connection."""
    settings = {**SESSION_SETTINGS, "timezone": "UTC", "application_name": "wallet"}
    if role is not None:
        settings["role"] = role
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS_MAX,
        # Errors are logged and kept with failed jobs; what tenants sent stays out of both.
        hide_parameters=True,
        connect_args={"server_settings": settings, "timeout": 10},
    )

    def connected(connection: Any, _record: object) -> None:
        notice_silence(connection.driver_connection)

    event.listen(engine.sync_engine, "connect", connected)
    return engine


async def driver(conn: AsyncConnection) -> "asyncpg.Connection[asyncpg.Record]":
    """The asyncpg connection under `conn`, inside the same transaction (which `transact` has already begun)."""
    raw = await conn.get_raw_connection()
    return cast("asyncpg.Connection[asyncpg.Record]", raw.driver_connection)


async def _open_driver(conn: AsyncConnection) -> "asyncpg.Connection[asyncpg.Record]":
    """The same, made anew where the pool has kept one that is closed: the pool sees only what goes through SQLAlchemy."""
    raw = await driver(conn)
    while raw.is_closed():
        await conn.invalidate()
        raw = await driver(conn)
    return raw


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE behind a driver or SQLAlchemy error, or None."""
    seen: BaseException | None = error.orig if isinstance(error, DBAPIError) else error
    while seen is not None:
        state: Any = getattr(seen, "sqlstate", None)
        if isinstance(state, str):
            return state
        seen = seen.__cause__
    return None


def is_connection_lost(error: BaseException) -> bool:
    """Whether the server or the connection went away, so that the outcome of a commit is unknown."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, ConnectionError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return True
    state = sqlstate_of(error)
    return state is not None and state.startswith(_LOST_STATES)


def unavailable() -> ServiceError:
    """UNAVAILABLE: the database is out of reach; the same request with the same key may be sent again."""
    return ServiceError(
        Code.UNAVAILABLE,
        Reason.DATABASE_UNAVAILABLE,
        "the database is not reachable; send the same request again",
        retry_after=timedelta(seconds=1),
    )


def is_out_of_room(error: BaseException) -> bool:
    """Whether the server has run out of disk, memory or connections. What it was asked for is undone."""
    return (sqlstate_of(error) or "").startswith(_OUT_OF_ROOM_STATES)


def no_room(error: BaseException) -> ServiceError:
    """UNAVAILABLE: the database server is up and out of disk, memory or connections, which the log tells."""
    _log.error("database_out_of_room", sqlstate=sqlstate_of(error))
    return ServiceError(
        Code.UNAVAILABLE,
        Reason.DATABASE_UNAVAILABLE,
        "the database has no room for this at the moment; send the same request again",
        retry_after=timedelta(seconds=5),
    )


def _unstorable() -> ServiceError:
    return ServiceError(
        Code.INVALID_ARGUMENT,
        Reason.INVALID_FIELD,
        "a text of the request holds the character NUL, which cannot be stored",
    )


_shared: Final[ContextVar[AsyncConnection | None]] = ContextVar("shared", default=None)


class ClosingWrite(Protocol):
    """What the transactions of the current call do as their last statement."""

    def begin(self) -> None:
        """A transaction begins, maybe again."""
        ...

    async def write(self, conn: AsyncConnection) -> None: ...

    def committed(self) -> None: ...


closing_write: Final[ContextVar[ClosingWrite | None]] = ContextVar("closing_write", default=None)
"""A task inherits it from whoever makes it; nobody's work is done in the transactions of a call but its own."""


class Database:
    """Transactions over one engine, each bound to the tenants of the work that begins it (`wallet_service.tenancy`)."""

    def __init__(self, engine: AsyncEngine, *, statement_timeout: timedelta) -> None:
        self.engine = engine
        # Transactions are begun and ended here, by the driver.
        self._connections = Connections(engine.execution_options(isolation_level="AUTOCOMMIT"))
        self._timeout_ms = int(statement_timeout / timedelta(milliseconds=1))

    def leave(self, count: int) -> None:
        """So many of the engine's connections are kept by others for good; what organizations may take is of the rest."""
        self._connections.leave(count)

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` in one READ COMMITTED transaction, then the `closing_write` of the current call, and commit.

        Serialization failures and deadlocks run it again, at most six times. Raises ServiceError(UNAVAILABLE) when the
        database cannot be reached; the outcome of a commit may then be unknown and the caller retries by key. Raises
        OVERLOADED when too many wait for a connection, or to change the same organization.
        """
        async with self._connections.changes.turn():
            return await self._transact(work)

    async def _transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        mode, closing = "ISOLATION LEVEL READ COMMITTED, READ WRITE", closing_write.get()
        if closing is None:
            return await self._run(work, mode=mode)

        async def closed(conn: AsyncConnection) -> T:
            closing.begin()
            result = await work(conn)
            await closing.write(conn)
            return result

        result = await self._run(closed, mode=mode)
        closing.committed()
        return result

    async def read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` on one read-only snapshot of the database: that of `read_together`, within one.

        Raises OVERLOADED when too many wait for a connection, or to read for the same organization.
        """
        shared = _shared.get()
        if shared is not None:
            return await work(shared)
        async with self._connections.reads.turn():
            return await self._run(work, mode="ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    async def read_together(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run `work`, whose reads, one after the other, all see one snapshot and cost no transaction each.

        For many small reads; it writes nothing and has no tasks of its own.
        """

        async def on_one(conn: AsyncConnection) -> T:
            before = _shared.set(conn)
            try:
                return await work()
            finally:
                _shared.reset(before)

        return await self.read(on_one)

    async def is_reachable(self) -> bool:
        """Whether a trivial statement answers within five seconds: busy is slow, and gone is known at once."""
        try:
            async with asyncio.timeout(5), self.engine.connect() as conn:
                await conn.execute(text("SELECT 1"))
        except (DBAPIError, PoolTimeoutError, *DRIVER_FAILURES):
            return False
        return True

    async def fetch(self, statement: str, *args: object) -> list[asyncpg.Record]:
        """Run one reading statement, prepared and outside of a transaction: for statements too hot for `read`.

        It sees every organization, as it answers calls of many at once, or finds out whose a call is. Raises
        ServiceError(UNAVAILABLE) when the database cannot be reached.
        """
        try:
            async with self._connections.one() as conn:
                raw = await _open_driver(conn)
                try:
                    return await raw.fetch(statement, *args, timeout=self._timeout_ms / 1000)
                except DRIVER_FAILURES:
                    # The pool watches only what goes through SQLAlchemy, so a broken connection is thrown away here.
                    await conn.invalidate()
                    raise
        except PoolTimeoutError as error:
            raise overloaded() from error
        except (DBAPIError, *DRIVER_FAILURES) as error:
            if is_connection_lost(error) or isinstance(error, OSError):
                raise unavailable() from error
            if is_out_of_room(error):
                raise no_room(error) from error
            raise

    async def _run(self, work: Callable[[AsyncConnection], Awaitable[T]], *, mode: str) -> T:
        begin = f"BEGIN {mode}; SET LOCAL statement_timeout = {self._timeout_ms}; {tenancy.settings()}"
        for attempt in range(_ATTEMPTS_MAX):
            try:
                async with (
                    self._connections.one() as conn,
                    transaction(conn, await _open_driver(conn), begin),
                ):
                    return await work(conn)
            except PoolTimeoutError as error:
                raise overloaded() from error
            except (DBAPIError, *DRIVER_FAILURES) as error:
                if is_connection_lost(error) or isinstance(error, OSError):
                    raise unavailable() from error
                if is_out_of_room(error):
                    raise no_room(error) from error
                if sqlstate_of(error) in _UNSTORABLE_STATES:
                    raise _unstorable() from error
                if sqlstate_of(error) == _TOOK_TOO_LONG:
                    # Most often it waited for a lock. Nothing of the transaction is there.
                    raise overloaded() from error
                if sqlstate_of(error) not in _RETRIED_STATES or attempt == _ATTEMPTS_MAX - 1:
                    raise
            await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")
