"""Where requests go: to the address that was checked, under the name that was given, and nowhere inside."""

import asyncio
import socket
import ssl
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.operations.webhook_scene import Receiver, receiving
from wallet_service.errors import Reason, ServiceError
from wallet_service.event_webhooks.model import Answer
from wallet_service.event_webhooks.sending import Sender
from wallet_service.events.model import Event, EventType

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TLS = Path(__file__).parents[1] / "rpc" / "tls"
EVENT = Event(uuid.uuid4(), 1, uuid.uuid4(), EventType.PROJECT_CREATED.value, "projects/x", {"amount_minor": 5}, NOW)


async def send(sender: Sender, url: str) -> Answer:
    async with sender.connection(url) as connection:
        return await connection.send(EVENT, org_slug="acme", secrets=[SECRET], machine_now=NOW)


def resolving_to(monkeypatch: pytest.MonkeyPatch, *rounds: Sequence[str]) -> list[str]:
    """The loop's resolver answers with these addresses, round by round, then the last one; the names it was asked for."""
    asked: list[str] = []
    remaining = list(rounds)

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        addresses = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    return asked


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1"],
)
async def test_no_spelling_of_an_inner_address_is_sent_to(host: str):
    sender = Sender(loopback_allowed=False, timeout=timedelta(seconds=3))
    answer = await send(sender, f"https://{host}:1/")
    assert (answer.status_code, answer.error) == (None, "address refused: not public")
    with pytest.raises(ServiceError) as caught:
        await sender.check(f"https://{host}:1/")
    assert caught.value.reason is Reason.URL_REFUSED


async def test_a_name_with_one_inner_address_is_refused_whole(monkeypatch: pytest.MonkeyPatch):
    resolving_to(monkeypatch, ["8.8.8.8", "169.254.169.254"])
    answer = await send(Sender(loopback_allowed=False), "https://hooks.example.com/")
    assert answer.error == "address refused: not public"


async def test_a_name_that_turns_inside_after_registration_is_refused(monkeypatch: pytest.MonkeyPatch):
    resolving_to(monkeypatch, ["8.8.8.8"], ["10.0.0.1"])
    sender = Sender(loopback_allowed=False)
    await sender.check("https://hooks.example.com/")
    assert (await send(sender, "https://hooks.example.com/")).error == "address refused: not public"


async def test_the_connection_goes_to_the_address_that_was_checked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    """The name is resolved once for a request, so that a second answer cannot lead it elsewhere."""
    port = receiver.url.split(":")[2].split("/")[0]
    asked = resolving_to(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    answer = await send(Sender(loopback_allowed=True), f"http://hooks.example.com:{port}/path?q=1")
    assert answer.status_code == 204
    assert asked == ["hooks.example.com"]
    assert receiver.received[0].headers["host"] == f"hooks.example.com:{port}"


async def test_the_next_address_is_tried_when_one_refuses_the_connection(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    port = receiver.url.split(":")[2].split("/")[0]
    resolving_to(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    assert (await send(Sender(loopback_allowed=True), f"http://hooks.example.com:{port}/")).status_code == 204


def certificates() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server that is `localhost`, and of a client that trusts it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    return server, ssl.create_default_context(cafile=str(TLS / "cert.pem"))


async def test_tls_is_verified_against_the_name_and_not_the_address(monkeypatch: pytest.MonkeyPatch):
    server, client = certificates()
    async with receiving(tls=server) as receiver:
        sender = Sender(loopback_allowed=True, tls=client)
        assert (await send(sender, receiver.url)).status_code == 204
        resolving_to(monkeypatch, ["127.0.0.1"])
        answer = await send(sender, receiver.url.replace("localhost", "hooks.example.com"))
        assert answer.status_code is None
        assert "Hostname mismatch" in answer.error
        assert len(receiver.received) == 1


async def test_a_certificate_that_nobody_knows_is_refused():
    server, _ = certificates()
    async with receiving(tls=server) as receiver:
        answer = await send(Sender(loopback_allowed=True), receiver.url)
    assert answer.status_code is None
    assert answer.error.startswith("connection failed: self")


async def test_an_endless_answer_is_read_no_further_than_its_start(receiver: Receiver):
    receiver.answers = [(200, b"y" * 50_000_000)]
    async with asyncio.timeout(5):
        answer = await send(Sender(loopback_allowed=True), receiver.url)
    assert (answer.status_code, answer.snippet) == (200, "y" * 256)


async def test_what_is_no_http_is_a_failure():
    async def answer_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer_nonsense, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answer = await send(Sender(loopback_allowed=True), f"http://127.0.0.1:{port}/")
    server.close()
    assert answer.status_code is None
    assert answer.error.startswith("no HTTP answer")


async def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await send(Sender(loopback_allowed=True), receiver.url)).status_code == 204
