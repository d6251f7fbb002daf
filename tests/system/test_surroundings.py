"""What a production server answers while what it needs is slow, full or away, and that it goes on without a restart."""

import asyncio
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import asyncpg
import grpc.aio
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from sqlalchemy import make_url
from wallet.v1 import wallet_service_pb2, wallet_service_pb2_grpc

from bench.overload import Target, capacity, holds, overload, percentile
from tests.clients import wire
from tests.conftest import TestServer
from tests.system.instance import ROOT
from tests.system.served import (
    LIMITED,
    OTHER,
    Seeded,
    Served,
    assert_done,
    balance,
    hold,
    refusal,
    seed,
    wallet_of,
)
from tests.system.small_disk import small_disk
from wallet_service.rpc.health import POLL_SECONDS, PROBE_SECONDS_MAX

CALLS_MAX = 24
WAITING_MAX = 6
POOL_SIZE = 8
STRIPE_SECONDS = 2
SLOW_SECONDS = 3 * STRIPE_SECONDS
SOON_SECONDS = 3
"""Within it a call is answered that waits for nothing; the wait for a connection is longer."""


@pytest.fixture(scope="module")
def stripe_url() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "providers.simulators.stripe", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def database(postgres_server: TestServer, template_database: str) -> Iterator[str]:
    url = postgres_server.create_database(template=template_database)
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="module")
def seeded(database: str) -> Seeded:
    return seed(database)


@pytest.fixture(scope="module")
def served(
    seeded: Seeded, database: str, stripe_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    settings = {
        "WALLET_CALLS_IN_FLIGHT_MAX": str(CALLS_MAX),
        "WALLET_DATABASE_POOL_SIZE": str(POOL_SIZE),
        "WALLET_STRIPE_API_BASE": stripe_url,
        "WALLET_STRIPE_TIMEOUT_SECONDS": str(STRIPE_SECONDS),
    }
    with Served(tmp_path_factory.mktemp("served"), database, **settings) as server:
        yield server


@asynccontextmanager
async def locked(database: str, statement: str, *args: object) -> AsyncGenerator[None]:
    """Someone else holds the locks that a statement takes, until the block ends."""
    parts = make_url(database)
    connection = await asyncpg.connect(host=str(parts.query["host"]), user=parts.username, database=parts.database)
    try:
        async with connection.transaction():
            await connection.execute(statement, *args)
            yield
    finally:
        await connection.close()


async def until(probe: Any, what: str) -> None:
    for _ in range(400):
        if await probe():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


async def in_flight(client: httpx.AsyncClient) -> int:
    """Calls being served, but for the one that asks."""
    answer = await client.get("/metrics")
    return sum(int(float(n)) for n in re.findall(r"(?m)^wallet_calls_in_flight\S* (\S+)$", answer.text)) - 1


async def projects(client: httpx.AsyncClient) -> httpx.Response:
    body = {"organizationName": f"organizations/{OTHER}"}
    return await client.post("/billing.v1.AccountService/ListProjects", json=body)


async def assert_healthy(served: Served, client: httpx.AsyncClient) -> None:
    """Ready, alive and measured, and all of that soon."""
    async with asyncio.timeout(SOON_SECONDS), grpc.aio.insecure_channel(served.target) as channel:
        for path in ("/healthz", "/livez", "/metrics"):
            assert (await client.get(path)).status_code == 200, path
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_full_process_refuses_at_the_door_and_stays_healthy(
    served: Served, seeded: Seeded, database: str
) -> None:
    async with served.client(seeded.operator_key) as client:
        async with locked(database, "LOCK TABLE projects IN ACCESS EXCLUSIVE MODE"):
            calls = [asyncio.create_task(projects(client)) for _ in range(CALLS_MAX)]

            async def full() -> bool:
                return await in_flight(client) >= CALLS_MAX

            await until(full, "the calls")
            async with asyncio.timeout(SOON_SECONDS):
                refused = refusal(await balance(client))
                assert (refused.code, refused.reason) == ("resource_exhausted", "OVERLOADED")
                assert await refused_over_grpc(served, seeded) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
                delivery = await client.post("/webhooks/stripe", json={})
                assert (delivery.status_code, delivery.json()["reason"]) == (429, "OVERLOADED")
                assert delivery.headers["retry-after"] == "1"
            assert not any(call.done() for call in calls)
            # Those that find no connection are told so; the database is known to be there for longer than a probe takes.
            probed_at = time.monotonic() + POLL_SECONDS + PROBE_SECONDS_MAX
            while sum(call.done() for call in calls) < CALLS_MAX - POOL_SIZE or time.monotonic() < probed_at:
                await assert_healthy(served, client)
                await asyncio.sleep(0.2)
            assert {refusal(call.result()).reason for call in calls if call.done()} == {"OVERLOADED"}
            await assert_healthy(served, client)
            stuck = [call for call in calls if not call.done()]
        assert_done(await asyncio.gather(*stuck))
        assert_done(await asyncio.gather(*(projects(client) for _ in range(CALLS_MAX))))


async def test_at_four_times_its_capacity_a_process_does_what_it_can_and_refuses_the_rest(
    served: Served, seeded: Seeded
) -> None:
    target, load = Target(served.url, seeded.operator_key), holds("holds", OTHER, callers=CALLS_MAX // 2)
    most = await capacity(target, load, seconds=1)
    begin = time.monotonic()
    answers = await overload(target, load, per_second=4 * most, seconds=2)
    done_per_second = len(answers.accepted) / (time.monotonic() - begin)
    assert (answers.other, answers.unhealthy_count) == ({}, 0)
    assert answers.accepted
    assert answers.shed
    # No more than so many are before it, so a call takes about as long as they do; without a bound it takes all the time.
    assert percentile(answers.accepted, 0.5) < 4000 * CALLS_MAX / done_per_second
    assert percentile(answers.shed, 0.5) < percentile(answers.accepted, 0.99)


async def test_a_busy_organization_leaves_connections_to_the_others(
    served: Served, seeded: Seeded, database: str
) -> None:
    book = "SELECT FROM ledger_books WHERE org_id = $1 FOR UPDATE"
    async with served.client(seeded.operator_key) as client:
        async with locked(database, book, seeded.limited_id):
            calls = [asyncio.create_task(hold(client, LIMITED, f"busy-{n}")) for n in range(2 * POOL_SIZE)]

            async def waiting() -> bool:
                return await in_flight(client) >= len(calls)

            await until(waiting, "the calls")
            async with asyncio.timeout(SOON_SECONDS):
                assert_done([await balance(client), await hold(client, OTHER, "beside"), await projects(client)])
            assert not any(call.done() for call in calls)
        assert_done(await asyncio.gather(*calls))


async def test_a_slow_provider_takes_a_part_of_the_places_only(served: Served, seeded: Seeded, stripe_url: str) -> None:
    async def top_up(number: int) -> httpx.Response:
        body = {"walletName": wallet_of(OTHER), "amountMinor": 5000, "idempotencyKey": f"slow-{number}"}
        return await client.post("/wallet.v1.WalletService/CreateStripeTopUpIntent", json=body)

    async with served.client(seeded.operator_key) as client, httpx.AsyncClient(base_url=stripe_url) as stripe:
        slow = {"kind": "slow_before", "path": "/v1/payment_intents", "seconds": SLOW_SECONDS, "times": 1000}
        assert (await stripe.post("/_sim/faults", json=slow)).status_code == 200
        calls = [asyncio.create_task(top_up(number)) for number in range(2 * WAITING_MAX)]
        async with asyncio.timeout(SOON_SECONDS):
            assert_done(await asyncio.gather(balance(client), hold(client, OTHER, "meanwhile"), projects(client)))
        answers = await asyncio.gather(*calls)
        assert Counter(refusal(answer).reason for answer in answers) == {
            "OVERLOADED": WAITING_MAX,
            "OUTCOME_UNKNOWN": WAITING_MAX,
        }
        assert (await stripe.delete("/_sim/faults")).status_code == 200
        for number in range(2 * WAITING_MAX):

            async def paid(number: int = number) -> bool:
                # The provider answers the same key when it has done with the slow request.
                return (await top_up(number)).status_code == 200

            await until(paid, f"top-up {number}")
        made = await client.post("/wallet.v1.WalletService/ListTopUps", json={"walletName": wallet_of(OTHER)})
        assert len({each["externalId"] for each in made.json()["topUps"]}) == 2 * WAITING_MAX


async def test_a_full_disk_is_told_and_once_there_is_room_the_same_request_is_done(
    postgres_server: TestServer, template_database: str, tmp_path: Path
) -> None:
    """Where no room is left reads go on, writes are refused, and nothing has to be restarted afterwards."""
    with small_disk(postgres_server, template_database, tables=("ledger_entries", "projects")) as disk:
        seeded = await asyncio.to_thread(seed, disk.url, funded=False)
        with Served(tmp_path, disk.url) as served:
            async with served.client(seeded.operator_key) as client:
                assert_done([await balance(client)])
                disk.fill()

                async def read() -> bool:
                    return (await balance(client)).status_code == 200

                await until(read, "the connections to come back")
                for write in (adjust, new_project):
                    refused = refusal(await write(client))
                    assert (refused.code, refused.reason) == ("unavailable", "DATABASE_UNAVAILABLE")
                    assert "no room" in refused.message
                await assert_healthy(served, client)
                assert_done([await balance(client)])
                disk.free()
                await until(read, "the connections to come back")
                first, again = await adjust(client), await adjust(client)
                assert_done([first, again, await new_project(client)])
                assert first.json() == again.json()
                checked = await client.post("/billing.v1.LedgerService/VerifyLedger", json={})
                assert (checked.status_code, checked.json().get("violations", [])) == (200, [])


async def adjust(client: httpx.AsyncClient) -> httpx.Response:
    """An entry, which a lane of the ledger posts."""
    postings = [
        {"accountCode": "ADJUSTMENTS", "direction": "POSTING_DIRECTION_DEBIT", "amountMinor": 700},
        {"accountCode": "CUSTOMER_PREPAY_LIABILITY", "direction": "POSTING_DIRECTION_CREDIT", "amountMinor": 700},
    ]
    body = {"walletName": wallet_of(OTHER), "postings": postings, "idempotencyKey": "adjust"}
    return await client.post("/billing.v1.LedgerService/RecordJournalEntry", json=body)


async def new_project(client: httpx.AsyncClient) -> httpx.Response:
    """A row, which a transaction of the call's own writes."""
    body = {"organizationName": f"organizations/{OTHER}", "projectId": "small", "requestId": "small"}
    return await client.post("/billing.v1.AccountService/CreateProject", json=body)


async def refused_over_grpc(served: Served, seeded: Seeded) -> tuple[str, str]:
    """Code and reason; it says when to come back."""
    metadata = (("authorization", f"Bearer {seeded.operator_key}"),)
    request = wallet_service_pb2.GetWalletBalanceRequest(name=wallet_of(OTHER))
    async with grpc.aio.insecure_channel(served.target) as channel:
        stub: Any = wallet_service_pb2_grpc.WalletServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetWalletBalance(request, metadata=metadata)
    status = cast("Any", rpc_status).from_call(caught.value)
    assert [detail for detail in status.details if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR)]
    details = [(detail.TypeName(), detail.value) for detail in status.details]
    return caught.value.code().name, wire.refusal("", "", details).reason
