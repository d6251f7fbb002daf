"""The table through the Python clients: grpcio with the generated stubs, and connectrpc on every protocol it speaks."""

import contextlib
import dataclasses
import importlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import grpc
import pytest
from connectrpc.client import ConnectClientSync
from connectrpc.codec import Codec, proto_binary_codec, proto_json_codec
from connectrpc.errors import ConnectError
from connectrpc.protocol import ProtocolType
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_status import rpc_status
from pyqwest import HTTPVersion, SyncClient, SyncHTTPTransport

from tests.clients.table import Refusal, run, run_raw
from tests.clients.wire import ALIAS, authorization, descriptor, is_read, is_stream, module_of, refusal

SECONDS_MAX = 60
GET_BYTES_MAX = 8192
"""What does not fit into a URL is sent by POST."""


class PublishedPath(grpc.UnaryUnaryClientInterceptor):
    """Calls by the path that clients of the published SDK use."""

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        details = client_call_details._replace(method=f"/{ALIAS}{client_call_details.method[1:]}")
        return continuation(details, request)


class GrpcioClient:
    """The generated stubs of grpcio."""

    name = "py grpcio"

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._stubs: dict[str, Any] = {}

    def call(self, method: str, request: dict[str, Any], key: str | None) -> dict[str, Any] | Refusal:
        service, _, name = method.partition("/")
        message = ParseDict(request, GetMessageClass(descriptor(method).input_type)())
        metadata = list(authorization(key).items())
        try:
            answer = getattr(self._stub(service), name)(message, metadata=metadata, timeout=SECONDS_MAX)
            if is_stream(method):
                stream, answer = answer, next(answer)
                stream.cancel()
        except grpc.RpcError as error:
            return grpc_refusal(error)
        return MessageToDict(answer)

    def send(self, method: str, body: bytes, key: str | None) -> Refusal | None:
        try:
            metadata = list(authorization(key).items())
            self._channel.unary_unary(f"/{method}")(body, metadata=metadata, timeout=SECONDS_MAX)
        except grpc.RpcError as error:
            return grpc_refusal(error)
        return None

    def _stub(self, service: str) -> Any:
        if service not in self._stubs:
            channel = self._channel
            if service.startswith(ALIAS):
                channel = grpc.intercept_channel(channel, PublishedPath())
            stubs = importlib.import_module(f"{module_of(service)}_pb2_grpc")
            self._stubs[service] = getattr(stubs, f"{service.rpartition('.')[2]}Stub")(channel)
        return self._stubs[service]


def grpc_refusal(error: Any) -> Refusal:
    status = rpc_status.from_call(error)
    assert status is not None, error
    details = [(detail.TypeName(), detail.value) for detail in status.details]
    return refusal(error.code().name.lower(), error.details(), details)


def published(client: type[ConnectClientSync]) -> type[ConnectClientSync]:
    """The generated client, on the path that clients of the published SDK use."""

    class Published(client):  # pyright: ignore[reportGeneralTypeIssues]
        def execute_unary(self, *, method: Any, **rest: Any) -> Any:
            aliased = dataclasses.replace(method, service_name=f"{ALIAS}{method.service_name}")
            return super().execute_unary(method=aliased, **rest)

    return Published


class ConnectrpcClient:
    """The generated clients of connectrpc; with `use_get`, reads are GET requests."""

    def __init__(self, url: str, protocol: ProtocolType, codec: Codec, *, use_get: bool) -> None:
        suffix = " json get" if use_get else ""
        self.name = f"py connectrpc {protocol.name.lower().replace('_', '-')}{suffix}"
        self._options: dict[str, Any] = {
            "address": url,
            "protocol": protocol,
            "codec": codec,
            "http_client": SyncClient(SyncHTTPTransport(http_version=HTTPVersion.HTTP2)),
        }
        self._use_get = use_get
        self._clients: dict[str, ConnectClientSync] = {}

    def call(self, method: str, request: dict[str, Any], key: str | None) -> dict[str, Any] | Refusal:
        service, _, name = method.partition("/")
        module = importlib.import_module(f"wallet_api.{module_of(service)}_connect")
        message = getattr(module, descriptor(method).input_type.name).from_json(json.dumps(request))
        options: dict[str, Any] = {"headers": authorization(key), "timeout_ms": SECONDS_MAX * 1000}
        if self._use_get and is_read(method):
            options["use_get"] = len(json.dumps(request)) < GET_BYTES_MAX
        try:
            answer = self._method(module, service, name)(message, **options)
            if is_stream(method):
                with contextlib.closing(answer) as stream:
                    answer = next(stream)
        except ConnectError as error:
            details = [(detail.type_name, detail.message_bytes) for detail in error.details]
            return refusal(error.code.value, error.message, details)
        return json.loads(answer.to_json())

    def _method(self, module: Any, service: str, name: str) -> Any:
        if service not in self._clients:
            generated = getattr(module, f"{service.rpartition('.')[2]}ClientSync")
            made = published(generated) if service.startswith(ALIAS) else generated
            self._clients[service] = made(**self._options)
        client = self._clients[service]
        # DownloadInvoicePDF is download_invoice_pdf.
        (found,) = (attribute for attribute in dir(client) if attribute.replace("_", "") == name.lower())
        return getattr(client, found)


@pytest.fixture
def channel(service: Mapping[str, str]) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(service["target"]) as opened:
        yield opened


def test_grpcio(service: dict[str, str], channel: grpc.Channel, subtests: pytest.Subtests) -> None:
    client = GrpcioClient(channel)
    values = run(client, service, subtests)
    run_raw(client, values, subtests)


@pytest.mark.parametrize(
    ("protocol", "codec", "use_get"),
    [
        (ProtocolType.CONNECT, proto_binary_codec(), False),
        (ProtocolType.CONNECT, proto_json_codec(), True),
        (ProtocolType.GRPC, proto_binary_codec(), False),
        (ProtocolType.GRPC_WEB, proto_binary_codec(), False),
    ],
    ids=["connect", "connect-json-get", "grpc", "grpc-web"],
)
def test_connectrpc(
    service: dict[str, str], protocol: ProtocolType, codec: Codec, use_get: bool, subtests: pytest.Subtests
) -> None:
    run(ConnectrpcClient(service["url"], protocol, codec, use_get=use_get), service, subtests)
