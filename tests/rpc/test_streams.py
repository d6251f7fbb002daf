"""Server streams: every client, every protocol, both servers; refusals, deadlines, keys, and consumers that go or dawdle."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from connectrpc.code import Code
from connectrpc.codec import proto_binary_codec, proto_json_codec
from connectrpc.errors import ConnectError
from connectrpc.protocol import ProtocolType
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from pyqwest import Client, HTTPTransport, HTTPVersion
from wallet.v1 import webhook_service_pb2, webhook_service_pb2_grpc
from wallet_api.google.rpc.error_details_pb import ErrorInfo
from wallet_api.wallet.v1.webhook_service_connect import WebhookServiceClient
from wallet_api.wallet.v1.webhook_service_pb import WatchEventsRequest, WatchEventsResponse

from tests.rpc.conftest import ServerProcess, wait_until

ORGANIZATION = "organizations/my-org"
VIEWER = {"authorization": "Bearer wk_test_viewer"}
WATCH = "wallet.v1.WebhookService/WatchEvents"
PROTOCOLS = pytest.mark.parametrize(
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
VERSIONS = {"h1": HTTPVersion.HTTP1, "h2": HTTPVersion.HTTP2}
CODECS = {"proto": proto_binary_codec(), "json": proto_json_codec()}


@pytest.fixture
async def clients(server: ServerProcess) -> AsyncIterator[Any]:
    """A function that makes a connectrpc client for a protocol."""
    transports: list[HTTPTransport] = []

    def make(protocol: ProtocolType, version: str, codec: str = "proto", **options: Any) -> WebhookServiceClient:
        transport = HTTPTransport(http_version=VERSIONS[version])
        transports.append(transport)
        return WebhookServiceClient(
            server.url, protocol=protocol, codec=CODECS[codec], http_client=Client(transport), **options
        )

    yield make
    for transport in transports:
        await transport.aclose()


@pytest.fixture
def stub(server: ServerProcess) -> Iterator[webhook_service_pb2_grpc.WebhookServiceStub]:
    with grpc.insecure_channel(server.target) as channel:
        yield webhook_service_pb2_grpc.WebhookServiceStub(channel)


def asking(count: int, *verb: str) -> WatchEventsRequest:
    return WatchEventsRequest(organization_name=ORGANIZATION, after_sequence=count, event_types=list(verb))


def asking_grpcio(count: int, *verb: str) -> webhook_service_pb2.WatchEventsRequest:
    return webhook_service_pb2.WatchEventsRequest(
        organization_name=ORGANIZATION, after_sequence=count, event_types=list(verb)
    )


def forget(server: ServerProcess, name: str) -> Path:
    path = server.folder / name
    path.unlink(missing_ok=True)
    return path


@PROTOCOLS
@pytest.mark.parametrize("codec", ["proto", "json"])
async def test_a_stream_arrives_whole_and_in_order(
    server: ServerProcess, clients: Any, protocol: ProtocolType, version: str, codec: str
) -> None:
    client = clients(protocol, version, codec)
    answers = [answer async for answer in client.watch_events(asking(2000), headers=VIEWER)]
    assert [answer.sequence for answer in answers] == list(range(1, 2001))
    line = server.wait_for_log(method=WATCH, protocol=protocol.name.lower().replace("_", "-"))
    assert line["code"] == "ok"


def test_a_stream_arrives_through_grpcio(stub: webhook_service_pb2_grpc.WebhookServiceStub) -> None:
    call = stub.WatchEvents(asking_grpcio(2000), metadata=list(VIEWER.items()))
    assert [answer.sequence for answer in call] == list(range(1, 2001))


@PROTOCOLS
async def test_messages_arrive_as_they_are_made(clients: Any, protocol: ProtocolType, version: str) -> None:
    """An idle stream is not held back by anything on the way."""
    client = clients(protocol, version)
    stream = client.watch_events(asking(1, "idle"), headers=VIEWER)
    began = time.monotonic()
    async with aclosing(stream):
        for _ in range(4):
            assert (await anext(stream)).sequence == 1
    assert time.monotonic() - began < 3


@PROTOCOLS
@pytest.mark.parametrize(
    ("headers", "organization", "count", "code", "reason"),
    [
        ({}, ORGANIZATION, 1, Code.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (VIEWER, "organizations/other-org", 1, Code.NOT_FOUND, "RESOURCE_NOT_FOUND"),
        (VIEWER, "nonsense", 1, Code.INVALID_ARGUMENT, "INVALID_FIELD"),
        (VIEWER, ORGANIZATION, -1, Code.INVALID_ARGUMENT, "INVALID_FIELD"),
    ],
)
async def test_refusals_before_the_first_message(
    clients: Any,
    protocol: ProtocolType,
    version: str,
    headers: dict[str, str],
    organization: str,
    count: int,
    code: Code,
    reason: str,
) -> None:
    client = clients(protocol, version)
    request = WatchEventsRequest(organization_name=organization, after_sequence=count)
    with pytest.raises(ConnectError) as caught:
        await collect(client.watch_events(request, headers=headers))
    assert (caught.value.code, reason_of(caught.value)) == (code, reason)


@PROTOCOLS
@pytest.mark.parametrize(
    ("verb", "code", "reason"),
    [("refuse", Code.UNAVAILABLE, "OVERLOADED"), ("boom", Code.INTERNAL, "INTERNAL")],
)
async def test_failures_after_some_messages(
    clients: Any, protocol: ProtocolType, version: str, verb: str, code: Code, reason: str
) -> None:
    client = clients(protocol, version)
    stream = client.watch_events(asking(3, verb), headers=VIEWER)
    assert [(await anext(stream)).sequence for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ConnectError) as caught:
        await anext(stream)
    assert (caught.value.code, reason_of(caught.value)) == (code, reason)
    assert "secret internals" not in caught.value.message


def test_failures_reach_grpcio_with_their_details(stub: webhook_service_pb2_grpc.WebhookServiceStub) -> None:
    call = stub.WatchEvents(asking_grpcio(2, "refuse"), metadata=list(VIEWER.items()))
    assert [next(call).sequence, next(call).sequence] == [1, 2]
    with pytest.raises(grpc.RpcError) as caught:
        next(call)
    status = rpc_status.from_call(caught.value)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "OVERLOADED"


@PROTOCOLS
async def test_the_deadline_of_the_caller_ends_a_stream(
    server: ServerProcess, clients: Any, protocol: ProtocolType, version: str
) -> None:
    ended = forget(server, "idle.stream-ended")
    client = clients(protocol, version)
    with pytest.raises(ConnectError) as caught:
        await collect(client.watch_events(asking(1, "idle"), headers=VIEWER, timeout_ms=600))
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    wait_until(ended.exists)


async def test_a_stream_without_a_deadline_outlives_that_of_calls(clients: Any) -> None:
    stream = clients(ProtocolType.GRPC, "h2").watch_events(asking(1, "idle"), headers=VIEWER)
    began = time.monotonic()
    async with aclosing(stream):
        while time.monotonic() - began < 6:  # calls have five seconds here
            assert (await anext(stream)).sequence == 1


@PROTOCOLS
async def test_a_revoked_key_ends_its_streams(
    server: ServerProcess, clients: Any, protocol: ProtocolType, version: str
) -> None:
    revoked = forget(server, "wk_test_editor.revoked")
    ended = forget(server, "idle.stream-ended")
    client = clients(protocol, version)
    stream = client.watch_events(asking(1, "idle"), headers={"authorization": "Bearer wk_test_editor"})
    assert (await anext(stream)).sequence == 1
    revoked.touch()
    try:
        with pytest.raises(ConnectError) as caught:
            await collect(stream)
        assert caught.value.code is Code.UNAUTHENTICATED
        wait_until(ended.exists)
    finally:
        revoked.unlink()


@PROTOCOLS
async def test_a_consumer_that_goes_is_noticed(
    server: ServerProcess, clients: Any, protocol: ProtocolType, version: str
) -> None:
    ended = forget(server, "idle.stream-ended")
    stream = clients(protocol, version).watch_events(asking(1, "idle"), headers=VIEWER)
    async with aclosing(stream):
        await anext(stream)
    wait_until(ended.exists)


def test_a_grpcio_consumer_that_goes_is_noticed(
    server: ServerProcess, stub: webhook_service_pb2_grpc.WebhookServiceStub
) -> None:
    ended = forget(server, "idle.stream-ended")
    call = stub.WatchEvents(asking_grpcio(1, "idle"), metadata=list(VIEWER.items()))
    next(call)
    call.cancel()
    wait_until(ended.exists)
    assert server.wait_for_log(method=WATCH, code="canceled")


def test_a_consumer_that_does_not_read_fills_no_memory(
    server: ServerProcess, stub: webhook_service_pb2_grpc.WebhookServiceStub
) -> None:
    """The stream waits for its reader: what was made and not taken is bounded, and no more is made."""
    ended, flood = forget(server, "flood.stream-ended"), forget(server, "flood")
    body = json.dumps({"organizationName": ORGANIZATION, "eventTypes": ["flood"]}).encode()
    framed = b"\0" + len(body).to_bytes(4, "big") + body
    with httpx.stream(
        "POST", f"{server.url}/{WATCH}", content=framed, headers={**VIEWER, "content-type": "application/connect+json"}
    ) as answer:
        assert answer.status_code == 200
        wait_until(flood.exists)
        made = settled(flood, stub)
        assert 0 < made * 10_000 < 50_000_000, f"{made} messages of 10 kB stand somewhere"
    wait_until(ended.exists, 10)


def test_a_consumer_that_goes_in_the_middle_of_a_message_is_no_failure_of_ours(
    server: ServerProcess, stub: webhook_service_pb2_grpc.WebhookServiceStub
) -> None:
    for _ in range(20):
        ended = forget(server, "flood.stream-ended")
        call = stub.WatchEvents(asking_grpcio(0, "flood"), metadata=list(VIEWER.items()))
        next(call)
        call.cancel()
        wait_until(ended.exists)
    unexpected = [
        line for line in server.log_lines(event="unhandled_exception") if "RuntimeError" not in line["exception"]
    ]
    assert unexpected == []


def settled(path: Path, stub: webhook_service_pb2_grpc.WebhookServiceStub) -> int:
    """The number in the file when it is the same after a second in which other calls went on; fails after 30."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        text, since = path.read_text(), time.monotonic()
        # A server that does not come to run makes nothing either, so each of these has to be answered.
        while time.monotonic() - since < 1:
            assert next(stub.WatchEvents(asking_grpcio(1), metadata=list(VIEWER.items()))).sequence == 1
            time.sleep(0.05)
        if text and path.read_text() == text:
            return int(text)
    raise AssertionError(f"still being made: {path.read_text()}")


async def collect(stream: AsyncIterator[WatchEventsResponse]) -> list[WatchEventsResponse]:
    return [answer async for answer in stream]


def reason_of(error: ConnectError) -> str:
    info = error.details[0].value(ErrorInfo)
    assert info is not None
    return info.reason
