"""Health follows the database: a production server whose database goes away, and comes back."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.system.instance import until, wallet
from tests.system.served import Served
from wallet_service.embedded_postgres import Binaries, EmbeddedPostgres


@pytest.fixture
def postgres(tmp_path: Path, postgres_binaries: Binaries) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "postgres", postgres_binaries.bin_dir, durable=False)
    yield server
    server.stop()


@pytest.fixture
def served(tmp_path: Path, postgres: EmbeddedPostgres) -> Iterator[Served]:
    url = postgres.start().url
    assert wallet("migrate", DATABASE_URL=url).returncode == 0
    with Served(tmp_path, url) as server:
        yield server


def test_health_follows_the_database(served: Served, postgres: EmbeddedPostgres):
    until(lambda: served.status() == "SERVING", "the first probe")
    assert httpx.get(f"{served.url}/healthz", trust_env=False).status_code == 200
    postgres.stop()
    until(lambda: served.status() == "NOT_SERVING", "the loss of the database")
    assert httpx.get(f"{served.url}/healthz", trust_env=False).status_code == 503
    assert httpx.get(f"{served.url}/livez", trust_env=False).status_code == 200
    refused = httpx.post(
        f"{served.url}/wallet.v1.WalletService/GetWallet",
        json={"name": "organizations/my-org/wallets/default"},
        headers={"authorization": "Bearer wk_live_" + "x" * 43},
        timeout=30,
        trust_env=False,
    )
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    postgres.start()
    until(lambda: served.status() == "SERVING", "the return of the database")
