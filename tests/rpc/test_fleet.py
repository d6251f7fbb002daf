"""Several processes on one port: calls spread over them, one that dies is replaced, and all drain together."""

import os
import re
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc
import httpx
import pytest
from wallet.v1 import wallet_service_pb2, wallet_service_pb2_grpc

from tests.rpc.conftest import ServerProcess, is_alive, wait_until
from wallet_service.serving import folders
from wallet_service.serving.options import ServerFailed, ServerOptions

RATES = "/wallet.v1.WalletService/ListPublicMeterRates"


@pytest.fixture
def fleet() -> Iterator[ServerProcess]:
    process = ServerProcess("pyvoy", workers=2)
    yield process
    process.stop(signal.SIGKILL)


def metric(server: ServerProcess, name: str) -> int:
    """The sum of a metric's samples, as one process tells it for all."""
    text = httpx.get(f"{server.url}/metrics").text
    return sum(int(float(value)) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def answering(server: ServerProcess) -> bool:
    """Whether each of twenty new connections gets an answer."""
    return all(httpx.get(f"{server.url}/healthz").status_code == 200 for _ in range(20))


def test_a_process_that_dies_is_replaced_while_the_others_answer(fleet: ServerProcess) -> None:
    first, second = fleet.envoys()
    for _ in range(10):
        assert httpx.post(f"{fleet.url}{RATES}", json={"meter_prefix": "one"}).status_code == 200
    assert metric(fleet, "wallet_api_processes") == 2
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not is_alive(first))
    assert answering(fleet)
    wait_until(lambda: metric(fleet, r'wallet_api_processes_replaced_total\{why="ended"\}') == 1, 20)
    wait_until(lambda: metric(fleet, "wallet_api_processes") == 2, 20)
    assert answering(fleet)
    assert second in fleet.envoys()
    # What the dead process had counted is not forgotten.
    calls = httpx.get(f"{fleet.url}/metrics").text
    assert f'method="{RATES.removeprefix("/")}",protocol="connect"}} 10.0' in calls
    assert fleet.stop() == 0


def test_a_process_that_hangs_is_replaced() -> None:
    fleet = ServerProcess("pyvoy", workers=2, silence_seconds=4)
    hung_count = r'wallet_api_processes_replaced_total\{why="hung"\}'
    try:
        hung, _ = fleet.envoys()
        assert metric(fleet, hung_count) == 0
        os.kill(hung, signal.SIGSTOP)
        wait_until(lambda: not is_alive(hung), 60)
        wait_until(lambda: metric(fleet, "wallet_api_processes") == 2, 60)
        assert answering(fleet)
        assert metric(fleet, hung_count) >= 1
        assert fleet.wait_for_log(event="server_process_hung")["reason"] == "it did nothing for 4 s, and was killed"
        assert fleet.stop() == 0
    finally:
        fleet.stop(signal.SIGKILL)


def test_calls_in_flight_finish_in_every_process(fleet: ServerProcess) -> None:
    answers: list[int] = []

    def slow() -> None:
        body = {"meter_prefix": "sleep:1.5"}
        answers.append(httpx.post(f"{fleet.url}{RATES}", json=body, timeout=30).status_code)

    threads = [threading.Thread(target=slow) for _ in range(12)]
    for thread in threads:
        thread.start()
    # The question is a call too.
    wait_until(lambda: metric(fleet, "wallet_calls_in_flight") == 13)
    envoys = fleet.envoys()
    assert fleet.stop() == 0
    for thread in threads:
        thread.join()
    assert answers == [200] * 12
    assert (len(envoys), [pid for pid in envoys if is_alive(pid)]) == (2, [])


def test_connections_spread_over_the_processes(fleet: ServerProcess) -> None:
    """Stop one of two in its tracks: it takes its share of the connections, and does not answer them."""
    stopped, _ = fleet.envoys()
    request = wallet_service_pb2.ListPublicMeterRatesRequest(meter_prefix="one")
    # Without a pool of their own all channels would share one connection.
    channels = [grpc.insecure_channel(fleet.target, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(24)]
    stubs = [wallet_service_pb2_grpc.WalletServiceStub(channel) for channel in channels]
    os.kill(stopped, signal.SIGSTOP)
    errors = [call.exception() for call in [stub.ListPublicMeterRates.future(request, timeout=1.5) for stub in stubs]]
    os.kill(stopped, signal.SIGCONT)
    for channel in channels:
        channel.close()
    codes = {error.code() if isinstance(error, grpc.RpcError) else None for error in errors}
    assert codes == {None, grpc.StatusCode.DEADLINE_EXCEEDED}


def test_a_second_server_does_not_join(fleet: ServerProcess) -> None:
    port = int(fleet.target.rpartition(":")[2])
    for workers in (1, 2):
        second = ServerProcess("pyvoy", port=port, workers=workers)
        assert second.process.wait(20) == 1
        assert "Address already in use" in second.log_text()


def test_one_that_does_not_start_ends_the_server() -> None:
    server = ServerProcess("pyvoy", fail_startup=True, workers=2)
    assert server.process.wait(20) == 1
    assert "ServerFailed" in server.log_text()


def test_hypercorn_is_one_process() -> None:
    with pytest.raises(ServerFailed, match="pyvoy"):
        ServerOptions(host="127.0.0.1", port=0, server="hypercorn", workers=2, drain=timedelta(seconds=1))


def test_folders_of_killed_servers_are_removed_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    living = folders.PrivateFolder()
    (living.path / "admin.sock").touch()
    left_behind = tmp_path / "wallet-serving-killed"
    left_behind.mkdir()
    (left_behind / "envoy.json").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "wallet-serving-link").symlink_to(elsewhere)
    another = folders.PrivateFolder()
    assert (left_behind.exists(), elsewhere.exists(), (living.path / "admin.sock").exists()) == (False, True, True)
    assert living.path.stat().st_mode & 0o777 == 0o700
    living.close()
    another.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "wallet-serving-link"]
