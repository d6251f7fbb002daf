"""Fixtures that every test may ask for: a database of its own on a PostgreSQL server that this test run starts.

`WALLET_TEST_POSTGRES` chooses the server binaries: `machine` (the default: those of this machine, else the wheel's) or
`wheel`. Each pytest-xdist worker runs its own server, in a temporary folder that is removed at the end.
"""

import asyncio
import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import hypothesis
import pytest
from sqlalchemy import make_url

from wallet_service.embedded_postgres import (
    Binaries,
    ConnectionInfo,
    EmbeddedPostgres,
    find_binaries,
)
from wallet_service.migrate import upgrade
from wallet_service.tenancy import Reach, within

T = TypeVar("T")

TEMPLATE = "wallet_template"

# Examples are judged by what they show; how long they take says how busy the machine is.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("untimed")


def chosen_binaries() -> Binaries:
    """The server binaries of this test run."""
    chosen = os.environ.get("WALLET_TEST_POSTGRES", "machine")
    if chosen == "machine":
        return next(find_binaries())
    if chosen == "wheel":
        return next(find_binaries("wheel"))
    raise pytest.UsageError(f"WALLET_TEST_POSTGRES is {chosen!r}, not machine or wheel")


def pytest_report_header() -> str:
    binaries = chosen_binaries()
    return f"postgres: {binaries.major} in {binaries.bin_dir}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many calls of the table (tests/clients) went as expected, by client."""
    passed = terminalreporter.stats.get("subtests passed", ())
    for client, count in sorted(Counter(report.nodeid.rpartition("::")[2] for report in passed).items()):
        terminalreporter.write_line(f"{client}: {count} calls passed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """What a test does by itself may be about any organization, as what a command does; calls and jobs are narrower."""
    with within(Reach.EVERYONE):
        return (yield)


class TestServer:
    """The running server, and an event loop in a thread of its own for what is done to it between tests."""

    __test__ = False

    def __init__(self, info: ConnectionInfo) -> None:
        self.info = info
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._admin: asyncpg.Connection[asyncpg.Record] = self.run(
            asyncpg.connect(host=str(info.socket_dir), user=info.user, database="postgres")
        )
        self._made_count = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end, whether or not an event loop runs in this thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=120)

    def execute(self, statement: str) -> None:
        self.run(self._admin.execute(statement))

    def create_database(self, *, template: str) -> str:
        """A new database; returns its URL."""
        self._made_count += 1
        name = f"test_{self._made_count}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.info.url_of(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, closing what is still connected to it."""
        self.execute(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')

    def close(self) -> None:
        self.run(self._admin.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="session")
def postgres_binaries() -> Binaries:
    """The server binaries that this test run has chosen."""
    return chosen_binaries()


@pytest.fixture(scope="session")
def postgres_server(postgres_binaries: Binaries) -> Iterator[TestServer]:
    """A server without fsync that only this test process uses."""
    folder = Path(tempfile.mkdtemp(prefix="wallet-test-"))
    # A setting for speed: workers of autovacuum would hold the template while it is copied.
    postgres = EmbeddedPostgres(
        folder / "postgres",
        postgres_binaries.bin_dir,
        durable=False,
        options={"autovacuum": "off", "shared_buffers": "128MB"},
    )
    try:
        server = TestServer(postgres.start())
        yield server
        server.close()
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template_database(postgres_server: TestServer) -> str:
    """The name of a migrated database, vacuumed and closed to connections, for others to be copied from."""
    postgres_server.execute(f"CREATE DATABASE {TEMPLATE}")
    url = postgres_server.info.url_of(TEMPLATE)
    postgres_server.run(upgrade(url))
    postgres_server.run(vacuum(url))
    postgres_server.execute(f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false")
    return TEMPLATE


async def vacuum(url: str) -> None:
    """Leave nothing for the first reader of each copy to tidy up."""
    parts = make_url(url)
    connection = await asyncpg.connect(host=str(parts.query["host"]), user=parts.username, database=parts.database)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


@pytest.fixture
def database_url(postgres_server: TestServer, template_database: str) -> Iterator[str]:
    """The URL of a fresh migrated database, as its owner; `wallet_service.db.engine_for` sets the service's role."""
    url = postgres_server.create_database(template=template_database)
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def empty_database_url(postgres_server: TestServer) -> Iterator[str]:
    """The URL of a fresh database without tables."""
    url = postgres_server.create_database(template="template0")
    yield url
    postgres_server.drop_database(url)
