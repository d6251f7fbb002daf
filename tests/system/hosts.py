"""Three API processes and two workers, as on five machines, each with a cable of its own to one PostgreSQL."""

import asyncio
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg
import httpx
from pydantic import SecretStr
from sqlalchemy import make_url

from tests.conftest import TestServer
from tests.system.cables import Cable, CableRoom
from tests.system.instance import WALLET, environment, until
from wallet_service.accounts.operations import ensure_development
from wallet_service.catalog.files import read_catalog
from wallet_service.cli.dev import SAMPLE_CATALOG
from wallet_service.config import Settings
from wallet_service.principal import Role
from wallet_service.service import Service

API_COUNT: Final = 3
WORKER_COUNT: Final = 2
_ANSWER_SECONDS_MAX: Final = 60
_CALLS_AT_ONCE: Final = 30
_TOO_MANY_REQUESTS: Final = 429


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, timeout=_ANSWER_SECONDS_MAX)


class Answer(NamedTuple):
    """An HTTP status and the JSON that came with it."""

    status: int
    body: dict[str, Any]

    @property
    def good(self) -> dict[str, Any]:
        """The body of an answer that is no refusal."""
        assert self.status == 200, self
        return self.body

    @property
    def reason(self) -> str:
        """Of a refusal."""
        return str(self._detail("google.rpc.ErrorInfo")["reason"])

    @property
    def has_retry_hint(self) -> bool:
        return "retryDelay" in self._detail("google.rpc.RetryInfo")

    def _detail(self, kind: str) -> Mapping[str, Any]:
        return next(each["debug"] for each in self.body["details"] if each["type"] == kind)


class Process:
    """A `wallet serve` or `wallet worker` that reaches the database by its cable."""

    def __init__(self, folder: Path, command: str, cable: Cable, settings: Mapping[str, str]) -> None:
        folder.mkdir()
        self.cable = cable
        self._out = folder / "out"
        self._err = folder / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.popen = subprocess.Popen(
                [str(WALLET), command],
                env=environment(**settings, WALLET_DATA_DIR=str(folder / "data")),
                stdout=out,
                stderr=err,
            )

    @property
    def err(self) -> str:
        return self._err.read_text()

    def told(self, beginning: str) -> str:
        """What follows in the line that it prints when it is ready."""

        def ready() -> str | None:
            assert self.popen.poll() is None, self.err
            text = self._out.read_text()
            return text if text.startswith(beginning) and text.endswith("\n") else None

        return until(ready, beginning).removeprefix(beginning).strip()


@dataclass
class Hosts:
    """The running processes, and the keys to call them with."""

    apis: Sequence[Process]
    workers: Sequence[Process]
    urls: Sequence[str]
    operator: str
    admin: str
    database: "asyncpg.Connection[asyncpg.Record]"
    """A way to the database that nobody cuts; of the event loop of `server`."""
    server: TestServer
    client: httpx.AsyncClient = field(default_factory=_client)
    calls: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_CALLS_AT_ONCE))

    async def call(self, number: int, method: str, *, key: str | None = None, **body: object) -> Answer:
        """One call to one of the API processes, as the operator unless a key says otherwise, by plain HTTP and JSON.

        Sent again while the process is busy, as clients do.
        """
        headers = {"authorization": f"Bearer {key or self.operator}"}
        while True:
            async with self.calls:
                sent = await self.client.post(f"{self.urls[number]}/{method}", json=body, headers=headers)
            answer = Answer(sent.status_code, sent.json())
            if answer.status != _TOO_MANY_REQUESTS or answer.reason != "OVERLOADED":
                return answer
            await asyncio.sleep(0.5)

    async def good(self, number: int, method: str, *, key: str | None = None, **body: object) -> dict[str, Any]:
        """What a call that is not refused answers."""
        return (await self.call(number, method, key=key, **body)).good

    async def everywhere(self, method: str, *, key: str | None = None, **body: object) -> list[Answer]:
        """The same call to all API processes at once."""
        return list(await asyncio.gather(*(self.call(number, method, key=key, **body) for number in range(API_COUNT))))

    def is_serving(self, number: int) -> bool:
        return httpx.get(f"{self.urls[number]}/healthz", trust_env=False, timeout=10).status_code == 200

    def rows(self, statement: str, *args: object) -> "list[asyncpg.Record]":
        return self.server.run(self.database.fetch(statement, *args))

    def leader(self) -> tuple[Process, int] | None:
        """The worker that holds the lease, and its fence."""
        rows = self.rows("SELECT holder, fence FROM leases WHERE expires_at > clock_timestamp()")
        if not rows:
            return None
        pid = int(rows[0]["holder"].split(":")[1])
        return next(worker for worker in self.workers if worker.popen.pid == pid), rows[0]["fence"]


@contextmanager
def hosts_on(server: TestServer, url: str, folder: Path) -> Generator[Hosts]:
    """Start everything on a migrated database, and stop it in the end; every process ends well."""
    room = CableRoom()
    socket = server.info.socket_dir / ".s.PGSQL.5432"
    cables = [Cable(room, socket) for _ in range(API_COUNT + WORKER_COUNT)]
    processes = [
        Process(folder / str(number), "serve" if number < API_COUNT else "worker", cable, _settings(url, cable))
        for number, cable in enumerate(cables)
    ]
    apis, workers = processes[:API_COUNT], processes[API_COUNT:]
    try:
        operator, admin = server.run(_begin(url, folder / "own"))
        database = server.run(asyncpg.connect(_driver_url(url)))
        urls = [api.told("serving on ") for api in apis]
        for worker in workers:
            worker.told("working")
        yield Hosts(apis, workers, urls, operator, admin, database, server)
        server.run(database.close())
        for process in processes:
            process.popen.terminate()
        assert [process.popen.wait(60) for process in processes] == [0] * len(processes), [p.err for p in processes]
    finally:
        for process in processes:
            if process.popen.poll() is None:
                process.popen.kill()
        for cable in cables:
            cable.close()
        room.close()


async def _begin(url: str, folder: Path) -> tuple[str, str]:
    """An organization, the catalog, and the secrets of two keys: the operator's and the organization's."""
    async with Service(Settings(environment="test", database_url=SecretStr(url), data_dir=folder)) as service:
        organization = await ensure_development(service.organizations, service.projects)
        await service.catalog.apply(read_catalog(SAMPLE_CATALOG))
        issue = service.api_keys.issue
        operator = await issue(org_id=None, role=Role.OPERATOR, display_name="operator")
        admin = await issue(org_id=organization.org_id, role=Role.ADMIN, display_name="admin")
        return operator.secret, admin.secret


def _driver_url(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _settings(url: str, cable: Cable) -> dict[str, str]:
    return {
        "DATABASE_URL": cable.url_of(url),
        "WALLET_LISTEN": "127.0.0.1:0",
        # One process each instead of two, hence half the time to start.
        "WALLET_SERVER": "hypercorn",
        "WALLET_ENVIRONMENT": "test",
        "WALLET_DATABASE_POOL_SIZE": "8",
        "WALLET_STRIPE_API_KEY": "sk_test_none",
        "WALLET_STRIPE_WEBHOOK_SECRET": "whsec_none",
        "WALLET_LOG_LEVEL": "warning",
    }
