"""Bodies that nobody reads, because the call was answered before: they hold up nothing, and nothing of them stays."""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

import pytest
from pyqwest import Client, HTTPTransport, HTTPVersion, RemoteProtocolError
from starlette.types import Receive, Scope, Send

from providers.simulators.serving import listen, serving
from tests.rpc.conftest import ServerProcess, wait_until
from wallet_service.serving import hypercorn_flow

BALANCE: Final = "/wallet.v1.WalletService/GetWalletBalance"
RATES: Final = "/wallet.v1.WalletService/ListPublicMeterRates"
JSON: Final = {"content-type": "application/json"}
BODY: Final = b" " * 3 * 1024 * 1024
CALLS: Final = 30
SECONDS_MAX: Final = 15


@pytest.mark.parametrize("version", [HTTPVersion.HTTP1, HTTPVersion.HTTP2], ids=["HTTP/1", "HTTP/2"])
async def test_unread_bodies_hold_up_nothing(server: ServerProcess, version: HTTPVersion) -> None:
    before = _sockets(server)
    transport = HTTPTransport(http_version=version, timeout=60)
    client = Client(transport)
    # On HTTP/1 an early answer ends its connection, which a client may still take for the next call.
    other = HTTPTransport(http_version=version, timeout=60) if version is HTTPVersion.HTTP1 else transport
    refused = {**JSON, "authorization": "Bearer wk_test_nobody"}

    async def send_unread() -> int:
        try:
            return (await client.post(server.url + BALANCE, headers=refused, content=BODY)).status
        except (OSError, ValueError, RemoteProtocolError):
            return 0  # On HTTP/1 the connection may end before the answer is read.

    async def send_good() -> int:
        return (await Client(other).post(server.url + RATES, headers=JSON, content=b"{}")).status

    async with asyncio.timeout(SECONDS_MAX):
        statuses = await asyncio.gather(*[send_unread() for _ in range(CALLS)], *[send_good() for _ in range(CALLS)])
    assert set(statuses[:CALLS]) <= ({401} if version is HTTPVersion.HTTP2 else {0, 401})
    assert set(statuses[CALLS:]) == {200}
    for each in {transport, other}:
        await each.aclose()
    await asyncio.to_thread(wait_until, lambda: _sockets(server) <= before, seconds=10)


async def test_a_body_that_is_not_read_yet_leaves_the_other_calls_of_the_connection_alone() -> None:
    hypercorn_flow.install()
    may_read = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        length = 0
        if scope["path"] == "/slow":
            await may_read.wait()
            more = True
            while more:
                part = await receive()
                length, more = length + len(part["body"]), part["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(length).encode()})

    listener, url = listen("127.0.0.1", 0)
    transport = HTTPTransport(http_version=HTTPVersion.HTTP2, timeout=60)
    client = Client(transport)
    async with serving(app, listener), asyncio.timeout(SECONDS_MAX):
        slow = [asyncio.create_task(client.post(f"{url}/slow", content=BODY)) for _ in range(20)]
        await asyncio.sleep(0.3)  # As much of the bodies as is taken has arrived.
        for _ in range(20):
            assert (await client.post(f"{url}/fast", content=b"x" * 10_000)).text() == "0"
        may_read.set()
        assert [(await task).text() for task in slow] == [str(len(BODY))] * len(slow)
        await transport.aclose()


def _sockets(server: ServerProcess) -> int:
    """Open sockets of the process that serves."""
    pid = server.envoys()[0] if server.kind == "pyvoy" else server.process.pid
    count = 0
    for found in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            count += str(found.readlink()).startswith("socket:")
    return count
