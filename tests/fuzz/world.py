"""A whole service to be fuzzed: both servers on one database, provider simulators, organizations with things in them.

No worker runs, so whatever changes in the database was changed by a call.
"""

import asyncio
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import httpx
from pydantic import SecretStr
from sqlalchemy import make_url

from providers.simulators.coinbase import keys as coinbase_keys
from providers.simulators.coinbase import server as coinbase_server
from providers.simulators.coinbase.world import WEBHOOK_SECRET as COINBASE_SECRET
from providers.simulators.coinbase.world import Settings as CoinbaseSimulation
from providers.simulators.stripe import server as stripe_server
from providers.simulators.stripe.world import WEBHOOK_SECRET as STRIPE_SECRET
from providers.simulators.stripe.world import Settings as StripeSimulation
from tests.clients.serve import moments
from tests.clients.table import CALLS, at, fill, key_of
from tests.fuzz.scene import TEMPLATES, UNKNOWN_NAMES
from tests.system.instance import WALLET, environment, until
from wallet_service.accounts.operations import ensure_development
from wallet_service.catalog.files import read_catalog
from wallet_service.cli.dev import SAMPLE_CATALOG
from wallet_service.config import Settings, child_environment
from wallet_service.principal import Role
from wallet_service.service import Service

T = TypeVar("T")

SERVERS: Final = ("pyvoy", "hypercorn")
STRIPE_KEY: Final = "sk_test_fuzzed_key_of_stripe"
DOWNLOAD_SECRET: Final = "fuzzed-secret-of-download-links-0123456789"
CANARY: Final = "canary-4f6c0d"
"""Stands in what belongs to the other organization, and in no request."""

_NOT_STATE: Final = {"api_keys": "last_used_at"}
"""Columns that a refused call may change: a key was used."""
_LOGS: Final = frozenset({"audit_events", "audit_heads"})
"""Where refused calls are counted, a moment after their answers."""


class ApiProcess:
    """`wallet serve` with one server."""

    def __init__(self, kind: str, folder: Path, settings: Mapping[str, str]) -> None:
        self.kind = kind
        self._out, self._err = folder / f"{kind}.out", folder / f"{kind}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [str(WALLET), "serve"],
                env=environment(**{**settings, "WALLET_SERVER": kind}),
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it serves."""

        def serving() -> str | None:
            assert self._process.poll() is None, self.log
            found = re.search(r"serving on (\S+)", self._out.read_text())
            return found[1] if found else None

        self.url = until(serving, f"{self.kind} to serve")
        self.host, _, port = self.url.rpartition("/")[2].rpartition(":")
        self.port = int(port)

    @property
    def log(self) -> str:
        return self._err.read_text(errors="replace")

    def resident_bytes(self) -> int:
        """Memory of the process and what it has started."""
        found = 0
        for pid in [self._process.pid, *_descendants(self._process.pid)]:
            status = Path(f"/proc/{pid}/status").read_text()
            match = re.search(r"VmRSS:\s+(\d+) kB", status)
            found += int(match[1]) * 1024 if match else 0
        return found

    def is_alive(self) -> bool:
        """Whether it answers that it serves."""
        if self._process.poll() is not None:
            return False
        return httpx.get(f"{self.url}/healthz", timeout=20, trust_env=False).status_code == 200

    def stop(self) -> int:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listed.read_text().split()):
            found += [child, *_descendants(child)]
    return found


class World:
    """Everything, between `start` and `stop`. `values` fills placeholders of requests; `keys` are secrets by caller."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self._database_url = database_url
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stack = AsyncExitStack()
        self._scene_count = 0
        self.values: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.servers: dict[str, ApiProcess] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the world's own event loop, to its end."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def start(self) -> None:
        settings = self.run(self._prepare())
        self._settings = settings
        shared = child_environment(settings)
        self.servers = {kind: ApiProcess(kind, self._folder, shared) for kind in SERVERS}
        for server in self.servers.values():
            server.wait()
        self.new_scene()

    def stop(self) -> None:
        try:
            statuses = {kind: server.stop() for kind, server in self.servers.items()}
            assert statuses == dict.fromkeys(SERVERS, 0), statuses
        finally:
            self.run(self._stack.aclose())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    @property
    def secrets(self) -> list[str]:
        """What no answer may hold; a key of one's own is shown once, by the call that makes it."""
        return [
            STRIPE_KEY,
            STRIPE_SECRET,
            COINBASE_SECRET,
            coinbase_keys.KEY_SECRET,
            DOWNLOAD_SECRET,
            *self.keys.values(),
        ]

    async def _prepare(self) -> Settings:
        now = Service.system_clock.now
        stripe = await self._stack.enter_async_context(
            stripe_server.running(StripeSimulation(followup_delay=0), clock=now, port=0)
        )
        coinbase = await self._stack.enter_async_context(
            coinbase_server.running(CoinbaseSimulation(followup_delay=0), clock=now, port=0)
        )
        settings = Settings(
            environment="test",
            listen="127.0.0.1:0",
            log_level="error",
            data_dir=self._folder / "data",
            database_url=SecretStr(self._database_url),
            database_pool_size=8,
            webhook_loopback_allowed=True,
            download_secret=SecretStr(DOWNLOAD_SECRET),
            stripe_api_key=SecretStr(STRIPE_KEY),
            stripe_api_base=stripe.url,
            stripe_webhook_secret=SecretStr(STRIPE_SECRET),
            coinbase_api_key_name=coinbase_keys.KEY_ID,
            coinbase_private_key=SecretStr(coinbase_keys.KEY_SECRET),
            coinbase_api_base=coinbase.api_base,
            coinbase_webhook_secret=SecretStr(COINBASE_SECRET),
        )
        async with Service(settings) as service:
            await ensure_development(service.organizations, service.projects)
            await service.catalog.apply(read_catalog(SAMPLE_CATALOG))
            self.keys["operator"] = (
                await service.api_keys.issue(org_id=None, role=Role.OPERATOR, display_name="operator")
            ).secret
        parts = make_url(self._database_url)
        self._connection = await asyncpg.connect(
            host=str(parts.query["host"]), user=parts.username, database=parts.database
        )
        self._stack.push_async_callback(self._connection.close)
        # Statement by statement: the tables there are, and what identifies the content of each.
        rows = await self._connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        self._tables = [str(row[0]) for row in rows if row[0] not in _LOGS]
        return settings

    def new_scene(self) -> None:
        """Organizations with things in them, made by the calls of the table of clients, on which later requests build."""
        self._scene_count += 1
        run_name = f"fuzz-{os.getpid()}-{self._scene_count}"
        now = moments(datetime.fromtimestamp(time.time(), UTC))
        values = {"run": run_name, "operator": self.keys["operator"], "wrong": "wk_test_" + "0" * 43, **now}
        with httpx.Client(base_url=self.servers["pyvoy"].url, timeout=30, trust_env=False) as client:
            for step in CALLS:
                _play(client, step, values)
            _plant_canaries(client, values)
        known = {name: values.get(name, stand_in) for name, stand_in in UNKNOWN_NAMES.items()}
        self.values = {**known, **values}
        self.keys |= {name: values[name] for name in ("admin", "editor", "viewer", "other")}

    def fingerprint(self) -> dict[str, tuple[int, str]]:
        """By table, how many rows there are and a digest of their content."""
        return self.run(self._fingerprint())

    async def _fingerprint(self) -> dict[str, tuple[int, str]]:
        parts: list[str] = []
        for table in self._tables:
            content = f"to_jsonb(t) - '{_NOT_STATE[table]}'" if table in _NOT_STATE else "t"
            digest = f"COALESCE(SUM(hashtextextended(({content})::text, 0)::numeric), 0)::text"
            parts.append(f"SELECT '{table}', COUNT(*), {digest} FROM \"{table}\" t")
        rows = await self._connection.fetch(" UNION ALL ".join(parts))
        return {row[0]: (row[1], row[2]) for row in rows}


def _play(client: httpx.Client, step: Mapping[str, Any], values: dict[str, str]) -> None:
    """One step of the table, as far as it goes: what needs a worker does not happen here."""
    if "call" not in step or step["call"] not in TEMPLATES or step["call"].startswith("aes."):
        return
    if step["call"].endswith(("/WatchEvents", "/CloseBillingAccount", "/RevokeApiKey", "/DeleteWallet")):
        return
    try:
        body, key = fill(step["with"], values), key_of(step, values)
    except KeyError:
        return
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    answer = client.post(f"/{step['call']}", json=body, headers=headers)
    if answer.status_code != 200:
        return
    for name, path in step.get("keep", {}).items():
        try:
            values[name] = str(at(answer.json(), path))
        except (KeyError, IndexError, TypeError):
            continue


def _plant_canaries(client: httpx.Client, values: Mapping[str, str]) -> None:
    """What only the other organization may see: display names, descriptions, addresses."""
    other = values["other_org"]
    slug = other.rpartition("/")[2]
    account = "billing.v1.AccountService"
    requests = {
        f"{account}/UpdateOrganization": {"name": other, "displayName": CANARY},
        f"{account}/CreateProject": {"organizationName": other, "projectId": f"{slug}-p", "displayName": CANARY},
        f"{account}/CreateApiKey": {"organizationName": other, "displayName": CANARY, "role": "ROLE_VIEWER"},
        "wallet.v1.WebhookService/CreateWebhookEndpoint": {
            "organizationName": other,
            "url": f"https://{CANARY}.example.com/hook",
            "description": CANARY,
        },
        "billing.v1.LedgerService/Deposit": {
            "walletName": f"{other}/wallets/default",
            "amountMinor": "9000",
            "description": CANARY,
            "requestId": f"{slug}-deposit",
        },
        "billing.v1.LedgerService/CreateHold": {
            "walletName": f"{other}/wallets/default",
            "amountMinor": "100",
            "description": CANARY,
            "requestId": f"{slug}-hold",
        },
    }
    headers = {"authorization": f"Bearer {values['operator']}"}
    for method, body in requests.items():
        answer = client.post(f"/{method}", json=body, headers=headers)
        assert answer.status_code == 200, f"{method}: {answer.text}"
