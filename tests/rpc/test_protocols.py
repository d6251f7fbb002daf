"""The protocol matrix: every client, every protocol, both servers."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from connectrpc.code import Code
from connectrpc.codec import proto_binary_codec, proto_json_codec
from connectrpc.errors import ConnectError
from connectrpc.protocol import ProtocolType
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status
from pyqwest import Client, HTTPTransport, HTTPVersion
from wallet.v1 import wallet_service_pb2, wallet_service_pb2_grpc
from wallet_api.google.rpc.error_details_pb import ErrorInfo
from wallet_api.wallet.v1.wallet_service_connect import WalletServiceClient
from wallet_api.wallet.v1.wallet_service_pb import (
    CreateCardSetupIntentRequest,
    GetWalletBalanceRequest,
)

from tests.rpc.conftest import CERTIFICATE, ServerProcess

WALLET = "organizations/my-org/wallets/default"
BILLING_ACCOUNT = "organizations/my-org/billing-accounts/default"
VIEWER = {"authorization": "Bearer wk_test_viewer"}
EDITOR = {"authorization": "Bearer wk_test_editor"}
BALANCE = "/wallet.v1.WalletService/GetWalletBalance"
BUF = Path(sys.executable).with_name("buf")

VERSIONS = {"h1": HTTPVersion.HTTP1, "h2": HTTPVersion.HTTP2}
CODECS = {"proto": proto_binary_codec(), "json": proto_json_codec()}


def grpc_channel(server: ServerProcess) -> grpc.Channel:
    if server.url.startswith("https"):
        return grpc.secure_channel(server.target, grpc.ssl_channel_credentials(CERTIFICATE.read_bytes()))
    return grpc.insecure_channel(server.target)


@pytest.fixture
def channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    with grpc_channel(server) as opened:
        yield opened


def metadata(headers: dict[str, str]) -> list[tuple[str, str]]:
    return list(headers.items())


def post(server: ServerProcess, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=body, headers=headers or {}, verify=str(CERTIFICATE))


def test_grpc_unary(channel: grpc.Channel) -> None:
    stub = wallet_service_pb2_grpc.WalletServiceStub(channel)
    request = wallet_service_pb2.GetWalletBalanceRequest(name=WALLET)
    answer, call = stub.GetWalletBalance.with_call(request, metadata=metadata(VIEWER))
    assert answer.balance_minor == 12345
    assert "x-request-id" in dict(call.initial_metadata())


def test_grpc_error_details(channel: grpc.Channel) -> None:
    stub = wallet_service_pb2_grpc.WalletServiceStub(channel)
    request = wallet_service_pb2.CreateCardSetupIntentRequest(billing_account_name=BILLING_ACCOUNT)
    with pytest.raises(grpc.RpcError) as caught:
        stub.CreateCardSetupIntent(request, metadata=metadata(EDITOR))
    status = rpc_status.from_call(caught.value)
    assert status is not None
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    info, bad, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    for detail, message in zip(status.details, (info, bad, retry), strict=True):
        assert detail.Unpack(message)
    assert (info.reason, info.domain) == ("INSUFFICIENT_FUNDS", "wallet.v1")
    assert dict(info.metadata) == {"available_minor": "99", "required_minor": "100"}
    assert bad.field_violations[0].field == "amount_minor"
    assert retry.retry_delay.ToMilliseconds() == 1500


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("protocol", "version"),
    [
        (ProtocolType.CONNECT, "h1"),
        (ProtocolType.CONNECT, "h2"),
        (ProtocolType.GRPC_WEB, "h1"),
        (ProtocolType.GRPC_WEB, "h2"),
        (ProtocolType.GRPC, "h2"),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, ProtocolType) else value,
)
async def test_connectrpc_client(server: ServerProcess, protocol: ProtocolType, version: str, codec: str) -> None:
    http = Client(HTTPTransport(http_version=VERSIONS[version]))
    client = WalletServiceClient(server.url, protocol=protocol, codec=CODECS[codec], http_client=http)
    answer = await client.get_wallet_balance(GetWalletBalanceRequest(name=WALLET), headers=VIEWER)
    assert answer.balance_minor == 12345
    with pytest.raises(ConnectError) as caught:
        await client.create_card_setup_intent(
            CreateCardSetupIntentRequest(billing_account_name=BILLING_ACCOUNT),
            headers=EDITOR,
        )
    assert caught.value.code is Code.FAILED_PRECONDITION
    info = caught.value.details[0].value(ErrorInfo)
    assert info is not None
    assert info.reason == "INSUFFICIENT_FUNDS"


async def test_connectrpc_client_get(server: ServerProcess) -> None:
    client = WalletServiceClient(server.url)
    answer = await client.get_wallet_balance(GetWalletBalanceRequest(name=WALLET), headers=VIEWER, use_get=True)
    assert answer.balance_minor == 12345


def test_plain_post_and_get(server: ServerProcess) -> None:
    posted = post(server, BALANCE, {"name": WALLET}, VIEWER)
    got = httpx.get(
        f"{server.url}{BALANCE}",
        params={"encoding": "json", "message": json.dumps({"name": WALLET})},
        headers=VIEWER,
    )
    expected = {"walletName": WALLET, "balanceMinor": "12345", "currency": "USD"}
    assert posted.json() == got.json() == expected


def test_get_that_waits_leaves_the_server_to_others(server: ServerProcess) -> None:
    """A handler that waits for the database is watched for a disconnect; a GET has no body to read meanwhile."""
    path = "/wallet.v1.WalletService/ListPublicMeterRates"
    message = json.dumps({"meter_prefix": "sleep:1"})
    started = time.monotonic()
    with ThreadPoolExecutor() as threads:
        query = {"encoding": "json", "message": message}
        waiting = threads.submit(httpx.get, f"{server.url}{path}", params=query, timeout=30)
        time.sleep(0.3)
        assert post(server, BALANCE, {"name": WALLET}, VIEWER).status_code == 200
        assert time.monotonic() - started < 1
        assert waiting.result().status_code == 200
    assert time.monotonic() - started < 4


def test_get_of_a_write_is_405(server: ServerProcess) -> None:
    answer = httpx.get(
        f"{server.url}/wallet.v1.WalletService/CreateStripeTopUpIntent",
        params={"encoding": "json", "message": "{}"},
        headers=EDITOR,
    )
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_unknown_method_and_path(server: ServerProcess, channel: grpc.Channel) -> None:
    assert post(server, "/wallet.v1.WalletService/Nothing", {}).status_code == 404
    assert post(server, "/nothing", {}).json() == {
        "code": "not_found",
        "message": "Not Found",
    }
    unknown = channel.unary_unary("/wallet.v1.Nothing/Call")
    with pytest.raises(grpc.RpcError) as caught:
        unknown(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_published_alias_on_every_protocol(server: ServerProcess, channel: grpc.Channel) -> None:
    alias = "/aes.wallet.v1.WalletService/GetWallet"
    assert post(server, alias, {"name": WALLET}, VIEWER).json()["wallet"]["name"] == "wallets/my-org"
    canonical = "/wallet.v1.WalletService/GetWallet"
    assert post(server, canonical, {"name": "wallets/my-org"}, VIEWER).json()["wallet"]["name"] == WALLET
    call = channel.unary_unary(
        alias,
        request_serializer=wallet_service_pb2.GetWalletRequest.SerializeToString,
        response_deserializer=wallet_service_pb2.GetWalletResponse.FromString,
    )
    answer = call(wallet_service_pb2.GetWalletRequest(name=WALLET), metadata=metadata(VIEWER))
    assert answer.wallet.name == "wallets/my-org"


def test_reflection_v1alpha_through_grpcio(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert {"wallet.v1.WalletService", "grpc.health.v1.Health"} <= set(database.get_services())
    service = DescriptorPool(database).FindServiceByName("wallet.v1.WalletService")
    assert len(service.methods) == 34


def test_reflection_v1(channel: grpc.Channel) -> None:
    from grpc_reflection.v1alpha import reflection_pb2  # v1 has the same messages

    stream = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    answers = stream(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    names = {service.name for service in next(answers).list_services_response.service}
    assert "wallet.v1.WalletService" in names


@pytest.mark.parametrize("protocol", ["grpc", "grpcweb", "connect"])
def test_buf_curl_by_reflection(server: ServerProcess, protocol: str) -> None:
    done = subprocess.run(
        [
            BUF,
            "curl",
            "--http2-prior-knowledge",
            *("--protocol", protocol),
            *("--header", f"authorization: {VIEWER['authorization']}"),
            *("--data", json.dumps({"name": WALLET})),
            f"{server.url}{BALANCE}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["balanceMinor"] == "12345"


def test_cors(server: ServerProcess) -> None:
    origin = "https://console.example.com"
    preflight = httpx.options(
        f"{server.url}{BALANCE}",
        headers={
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,connect-protocol-version",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == origin
    answer = post(server, BALANCE, {"name": WALLET}, {**VIEWER, "origin": origin})
    assert "grpc-status" in answer.headers["access-control-expose-headers"]
    foreign = httpx.options(
        f"{server.url}{BALANCE}",
        headers={
            "origin": "https://evil.example",
            "access-control-request-method": "POST",
        },
    )
    assert foreign.status_code == 400
    assert "access-control-allow-origin" not in foreign.headers


def test_plain_http_routes(server: ServerProcess) -> None:
    assert httpx.post(f"{server.url}/echo/it", content=b"\x00raw").content == b"\x00raw"
    refused = httpx.post(f"{server.url}/echo/refused")
    assert (refused.status_code, refused.json()["reason"]) == (
        404,
        "RESOURCE_NOT_FOUND",
    )
    assert httpx.get(f"{server.url}/echo/it").status_code == 405


def test_metrics(server: ServerProcess) -> None:
    post(server, BALANCE, {"name": WALLET}, VIEWER)
    text = httpx.get(f"{server.url}/metrics").text
    assert 'wallet_calls_total{code="ok",method="wallet.v1.WalletService/GetWalletBalance"' in text
    assert "wallet_call_duration_seconds_bucket" in text
    # This very request is the one in flight.
    assert "wallet_calls_in_flight 1.0" in text


@pytest.mark.parametrize("version", VERSIONS)
async def test_tls_connect(tls_server: ServerProcess, version: str) -> None:
    transport = HTTPTransport(http_version=VERSIONS[version], tls_ca_cert=CERTIFICATE.read_bytes())
    client = WalletServiceClient(tls_server.url.replace("127.0.0.1", "localhost"), http_client=Client(transport))
    answer = await client.get_wallet_balance(GetWalletBalanceRequest(name=WALLET), headers=VIEWER)
    assert answer.balance_minor == 12345


def test_tls_grpc(tls_server: ServerProcess) -> None:
    with grpc_channel(tls_server) as channel:
        stub = wallet_service_pb2_grpc.WalletServiceStub(channel)
        request = wallet_service_pb2.GetWalletBalanceRequest(name=WALLET)
        answer = stub.GetWalletBalance(request, metadata=metadata(VIEWER))
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.balance_minor == 12345
    assert health.status == health_pb2.HealthCheckResponse.SERVING
