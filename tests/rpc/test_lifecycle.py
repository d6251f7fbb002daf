"""Start, drain and every kind of end, on both servers."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from wallet.v1 import wallet_service_pb2, wallet_service_pb2_grpc

from tests.rpc.conftest import SERVERS, ServerProcess, is_alive, wait_until
from wallet_service.config import Settings
from wallet_service.serving.options import (
    ServerFailed,
    ServerOptions,
    parse_listen,
)

RATES = "/wallet.v1.WalletService/ListPublicMeterRates"
WALLET = "organizations/my-org/wallets/default"
EDITOR = [("authorization", "Bearer wk_test_editor")]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_calls_in_flight_finish_before_the_end(own_server: ServerProcess, number: int) -> None:
    answers: list[object] = []

    def over_http1() -> None:
        answer = httpx.post(f"{own_server.url}{RATES}", json={"meter_prefix": "sleep:2"}, timeout=30)
        answers.append(answer.json()["publicMeterRates"][0]["meter"])

    thread = threading.Thread(target=over_http1)
    thread.start()
    with grpc.insecure_channel(own_server.target) as channel:
        stub = wallet_service_pb2_grpc.WalletServiceStub(channel)
        request = wallet_service_pb2.ListPublicMeterRatesRequest(meter_prefix="sleep:2")
        over_grpc = stub.ListPublicMeterRates.future(request)
        # The question is a call too.
        wait_until(lambda: "wallet_calls_in_flight 3.0\n" in httpx.get(f"{own_server.url}/metrics", timeout=30).text)
        started = time.monotonic()
        assert own_server.stop(number) == 0
        assert time.monotonic() - started < 5
        assert over_grpc.result(5).public_meter_rates[0].meter == "sleep:2"
    thread.join()
    assert answers == ["sleep:2"]
    assert (own_server.folder / "lifespan-ended").exists()


def test_a_call_that_does_not_end_is_cut_after_the_bound(own_server: ServerProcess) -> None:
    with grpc.insecure_channel(own_server.target) as channel:
        stub = wallet_service_pb2_grpc.WalletServiceStub(channel)
        request = wallet_service_pb2.ListPublicMeterRatesRequest(meter_prefix="sleep:60")
        endless = stub.ListPublicMeterRates.future(request, timeout=60)
        time.sleep(0.5)
        started = time.monotonic()
        assert own_server.stop() == 0
        # The scripted server drains for at most five seconds.
        assert 4 < time.monotonic() - started < 12
        assert endless.exception(5) is not None


def test_a_write_without_its_caller_finishes_before_the_end(own_server: ServerProcess) -> None:
    with grpc.insecure_channel(own_server.target) as channel:
        stub = wallet_service_pb2_grpc.WalletServiceStub(channel)
        request = wallet_service_pb2.CreateStripeTopUpIntentRequest(
            wallet_name=WALLET, amount_minor=500, idempotency_key="2:write"
        )
        call = stub.CreateStripeTopUpIntent.future(request, metadata=EDITOR)
        own_server.wait_for_file("write.started")
        call.cancel()
    assert own_server.stop() == 0
    assert (own_server.folder / "write.committed").exists()


def test_watchers_of_the_health_see_the_drain_and_do_not_hold_it_up(own_server: ServerProcess) -> None:
    with grpc.insecure_channel(own_server.target) as channel:
        updates = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(updates).status == SERVING
        started = time.monotonic()
        os.kill(own_server.process.pid, signal.SIGTERM)
        assert [update.status for update in updates] == [NOT_SERVING]
        assert own_server.process.wait(20) == 0
    assert time.monotonic() - started < 4


def test_health_is_not_serving_while_calls_drain(own_server: ServerProcess) -> None:
    with grpc.insecure_channel(own_server.target) as channel:
        stub = wallet_service_pb2_grpc.WalletServiceStub(channel)
        health = health_pb2_grpc.HealthStub(channel)
        request = wallet_service_pb2.ListPublicMeterRatesRequest(meter_prefix="sleep:2")
        slow = stub.ListPublicMeterRates.future(request)
        updates = health.Watch(health_pb2.HealthCheckRequest())
        assert next(updates).status == SERVING
        os.kill(own_server.process.pid, signal.SIGTERM)
        assert next(updates).status == NOT_SERVING
        assert not slow.done()
        assert slow.result(10).public_meter_rates[0].meter == "sleep:2"


def test_health_follows_the_database(own_server: ServerProcess) -> None:
    flag = own_server.folder / "database-down"
    with grpc.insecure_channel(own_server.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        updates = health.Watch(health_pb2.HealthCheckRequest(service="wallet.v1.WalletService"))
        assert next(updates).status == SERVING
        flag.touch()
        assert next(updates).status == NOT_SERVING
        assert health.Check(health_pb2.HealthCheckRequest()).status == NOT_SERVING
        assert httpx.get(f"{own_server.url}/healthz").status_code == 503
        flag.unlink()
        assert next(updates).status == SERVING
        listed = health.List(health_pb2.HealthListRequest()).statuses
        assert {name: status.status for name, status in listed.items()} == {
            "": SERVING,
            "wallet.v1.WalletService": SERVING,
            "wallet.v1.WebhookService": SERVING,
        }
        with pytest.raises(grpc.RpcError) as caught:
            health.Check(health_pb2.HealthCheckRequest(service="nobody"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        unknown = health.Watch(health_pb2.HealthCheckRequest(service="nobody"))
        assert next(unknown).status == SERVICE_UNKNOWN
        updates.cancel()
        unknown.cancel()


def test_kill_9_of_the_parent_leaves_no_envoy_behind() -> None:
    server = ServerProcess("pyvoy")
    (envoy,) = server.envoys()
    assert is_alive(envoy)
    server.stop(signal.SIGKILL)
    wait_until(lambda: not is_alive(envoy))
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.url}/healthz")


def test_the_server_ends_with_an_error_when_envoy_dies() -> None:
    server = ServerProcess("pyvoy")
    (envoy,) = server.envoys()
    os.kill(envoy, signal.SIGKILL)
    assert server.process.wait(20) == 1
    assert "the server ended by itself: Envoy ended with status -9" in server.log_text()


@pytest.mark.parametrize("kind", SERVERS)
def test_an_application_that_does_not_start_ends_the_server(kind: str) -> None:
    server = ServerProcess(kind, fail_startup=True)
    assert server.process.wait(20) == 1
    assert "the lifespan was told to fail" in server.log_text()
    assert "ServerFailed" in server.log_text()


@pytest.mark.parametrize("kind", SERVERS)
def test_a_port_in_use_is_an_error_and_not_shared(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = ServerProcess(kind, port=taken.getsockname()[1])
        assert server.process.wait(20) == 1
    assert "Address already in use" in server.log_text()


def test_two_servers_do_not_share_a_port() -> None:
    first = ServerProcess("pyvoy")
    second = ServerProcess("pyvoy", port=int(first.target.rpartition(":")[2]))
    assert second.process.wait(20) == 1
    assert first.stop() == 0


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:443", ("::1", 443)),
        ("localhost:80", ("localhost", 80)),
    ],
)
def test_listen_address(listen: str, expected: tuple[str, int]) -> None:
    assert parse_listen(listen) == expected


@pytest.mark.parametrize("listen", ["", "8080", ":8080", "::1:80", "host:", "host:-1", "host:65536", "host:http"])
def test_listen_address_that_makes_no_sense(listen: str) -> None:
    with pytest.raises(ServerFailed, match="host:port"):
        parse_listen(listen)


def test_tls_needs_both_files(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="both"):
        ServerOptions.from_settings(Settings(tls_cert_file=tmp_path / "c"))
    with pytest.raises(ServerFailed, match="does not exist"):
        ServerOptions.from_settings(Settings(tls_cert_file=tmp_path / "c", tls_key_file=tmp_path / "k"))
