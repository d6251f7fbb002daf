"""Health follows the database: a production server whose database goes away, and comes back."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.system.instance import WALLET, environment, until, wallet
from wallet_service.embedded_postgres import Binaries, EmbeddedPostgres


class Served:
    """`wallet serve` on a database that the test owns."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres) -> None:
        self.postgres = postgres
        settings = {
            "DATABASE_URL": postgres.start().url,
            "WALLET_LISTEN": "127.0.0.1:0",
            "WALLET_STRIPE_API_KEY": "sk_test_none",
            "WALLET_STRIPE_WEBHOOK_SECRET": "whsec_none",
        }
        assert wallet("migrate", **settings).returncode == 0
        self._out = folder / "out"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen([str(WALLET), "serve"], env=environment(**settings), stdout=out)
        prefix = "serving on "
        until(lambda: self._out.read_text().startswith(prefix) or None, "the server")
        self.url = self._out.read_text().removeprefix(prefix).strip()

    def status(self) -> str:
        answer = httpx.post(f"{self.url}/grpc.health.v1.Health/Check", json={}, timeout=10, trust_env=False)
        return answer.json()["status"]


@pytest.fixture
def served(tmp_path: Path, postgres_binaries: Binaries) -> Iterator[Served]:
    postgres = EmbeddedPostgres(tmp_path / "postgres", postgres_binaries.bin_dir, durable=False)
    try:
        made = Served(tmp_path, postgres)
        yield made
        made.process.terminate()
        assert made.process.wait(60) == 0
    finally:
        postgres.stop()


def test_health_follows_the_database(served: Served):
    until(lambda: served.status() == "SERVING", "the first probe")
    assert httpx.get(f"{served.url}/healthz", trust_env=False).status_code == 200
    served.postgres.stop()
    until(lambda: served.status() == "NOT_SERVING", "the loss of the database")
    assert httpx.get(f"{served.url}/healthz", trust_env=False).status_code == 503
    refused = httpx.post(
        f"{served.url}/wallet.v1.WalletService/GetWallet",
        json={"name": "organizations/my-org/wallets/default"},
        headers={"authorization": "Bearer wk_live_" + "x" * 43},
        timeout=30,
        trust_env=False,
    )
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    served.postgres.start()
    until(lambda: served.status() == "SERVING", "the return of the database")
