"""`wallet serve` as a process on a database that a test owns, and organizations to call it about."""

import asyncio
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import httpx
from pydantic import SecretStr

from tests.clients.table import Refusal
from tests.clients.wire import refusal_of_json
from tests.system.instance import WALLET, environment, until
from wallet_service.config import Settings
from wallet_service.limits.model import Duration, Strategy
from wallet_service.principal import Role
from wallet_service.service import Service

LIMITED, OTHER = "limited-org", "other-org"
PLENTY_MINOR = 1_000_000_000


class Served:
    """A production server; `url` has no trailing slash."""

    def __init__(self, folder: Path, database_url: str, **settings: str) -> None:
        self._out, self._err = folder / "out", folder / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [str(WALLET), "serve"],
                env=environment(
                    DATABASE_URL=database_url,
                    WALLET_LISTEN="127.0.0.1:0",
                    WALLET_STRIPE_API_KEY="sk_test_none",
                    WALLET_STRIPE_WEBHOOK_SECRET="whsec_none",
                    WALLET_DATA_DIR=str(folder / "data"),
                    **settings,
                ),
                stdout=out,
                stderr=err,
            )
        prefix = "serving on "

        def ready() -> bool:
            assert self.process.poll() is None, self._err.read_text()
            return self._out.read_text().startswith(prefix)

        until(ready, "the server")
        self.url = self._out.read_text().removeprefix(prefix).strip()
        self.target = self.url.rpartition("/")[2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.wait(60) == 0, self._err.read_text()

    def status(self) -> str:
        answer = httpx.post(f"{self.url}/grpc.health.v1.Health/Check", json={}, timeout=10, trust_env=False)
        return answer.json()["status"]

    def client(self, key: str) -> httpx.AsyncClient:
        """Calls by JSON with this key, on as many connections as there are calls."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"authorization": f"Bearer {key}"},
            timeout=60,
            limits=httpx.Limits(max_connections=None),
            trust_env=False,
        )


@dataclass(frozen=True, slots=True)
class Seeded:
    """The secret of an operator's key. `limited-org` has a spending limit, `other-org` none, and both have money."""

    operator_key: str
    limited_id: UUID


def seed(database_url: str, *, funded: bool = True) -> Seeded:
    """Make the organizations on a migrated database."""

    async def work() -> Seeded:
        settings = Settings(environment="test", database_url=SecretStr(database_url), database_pool_size=4)
        async with Service(settings) as service:
            limited = await service.organizations.create(slug=LIMITED)
            other = await service.organizations.create(slug=OTHER)
            for made in (limited, other) if funded else ():
                await service.journal.deposit(
                    made.org_id, amount_minor=PLENTY_MINOR, currency="", description="", key="seed"
                )
            await service.spending_limits.set(
                limited.org_id, amount_minor=PLENTY_MINOR, duration=Duration.DAILY, strategy=Strategy.FIXED
            )
            issued = await service.api_keys.issue(org_id=None, role=Role.OPERATOR, display_name="tests")
            return Seeded(issued.secret, limited.org_id)

    return asyncio.run(work())


def wallet_of(slug: str) -> str:
    return f"organizations/{slug}/wallets/default"


async def hold(client: httpx.AsyncClient, slug: str, key: str) -> httpx.Response:
    """Set a little money of an organization aside."""
    body = {"walletName": wallet_of(slug), "amountMinor": 5, "requestId": key}
    return await client.post("/billing.v1.LedgerService/CreateHold", json=body)


async def balance(client: httpx.AsyncClient, slug: str = OTHER) -> httpx.Response:
    return await client.post("/wallet.v1.WalletService/GetWalletBalance", json={"name": wallet_of(slug)})


def refusal(answer: httpx.Response) -> Refusal:
    """What a call was refused with, which says when to come back."""
    body: dict[str, Any] = answer.json()
    assert [d for d in body["details"] if d["type"] == "google.rpc.RetryInfo"], body
    return refusal_of_json(body)


def assert_done(answers: Iterable[httpx.Response]) -> None:
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
