"""HTTP that is none, on a raw socket: both servers answer or hang up, and go on serving."""

import asyncio
import random
import re
from collections.abc import Sequence
from typing import Final

import httpx
import pytest

from tests.fuzz.campaign import FIGURES
from tests.fuzz.judging import faults
from tests.fuzz.sending import Answer
from tests.fuzz.world import SERVERS, ApiProcess, World

pytestmark = pytest.mark.timeout(3600)

SECONDS_MAX: Final = 15
_CALLERS: Final = 16
_PATH: Final = b"/wallet.v1.WalletService/ListPublicMeterRates"
_GOOD: Final = (
    b"POST " + _PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
)
_BAD: Final = (
    b"",
    b"\r\n\r\n",
    b"\0" * 1000,
    b"GET\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET  /  HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET http://evil.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 200,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + b"\0\xff\xff\1\5\0\0\0\1",
    b"GET /%00%ff%2e%2e/ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\nHost: x\n\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nBad name : y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    b"POST " + _PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST " + _PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST " + _PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"POST " + _PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /",
    b"POST " + _PATH + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"POST " + _PATH + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"POST " + _PATH + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"POST " + _PATH + b" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 300,
    _GOOD * 200,
)


@pytest.mark.parametrize("kind", SERVERS)
def test_malformed_http(world: World, kind: str, requests_wanted: int) -> None:
    server = world.servers[kind]
    before = world.fingerprint()
    payloads = [*_BAD, *_mutated(max(100, requests_wanted // 100 - len(_BAD)))]
    for start in range(0, len(payloads), 500):
        answers = world.run(_exchange(server, payloads[start : start + 500]))
        _judge(world, server, payloads[start : start + 500], answers)
        assert server.is_alive(), server.log[-3000:]
    assert world.fingerprint() == before


def _judge(world: World, server: ApiProcess, payloads: Sequence[bytes], answers: Sequence[bytes]) -> None:
    FIGURES.requests[f"malformed HTTP to {server.kind}"] += len(payloads)
    for payload, answer in zip(payloads, answers, strict=True):
        text = answer.decode(errors="replace")
        statuses = [int(status) for status in re.findall(r"^HTTP/1\.[01] (\d{3})", text, re.MULTILINE)]
        FIGURES.codes.update(f"http_{status}" for status in statuses[:1])
        for status in statuses:
            seen = Answer(status, f"http_{status}", "", text)
            bad = faults(seen, sent=payload.decode(errors="replace"), caller="none", secrets=world.secrets)
            # 505 is the right word about HTTP/9.9.
            assert not bad or status == 505, f"{bad}: {payload[:300]!r}\n{text[:600]}"


def _mutated(count: int) -> list[bytes]:
    """Good requests with bytes replaced, taken out and put in; the same ones in every run."""
    chance = random.Random(4)
    made: list[bytes] = []
    for _ in range(count):
        data = bytearray(chance.choice((_GOOD, *_BAD[7:12], *_BAD[26:36])))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data) + 1)
            match chance.randrange(3):
                case 0:
                    data[at : at + 1] = bytes([chance.randrange(256)])
                case 1:
                    del data[at : at + chance.randint(1, 20)]
                case _:
                    data[at:at] = chance.randbytes(chance.randint(1, 20))
        made.append(bytes(data))
    return made


async def _exchange(server: ApiProcess, payloads: Sequence[bytes]) -> list[bytes]:
    free = asyncio.Semaphore(_CALLERS)

    async def one(payload: bytes) -> bytes:
        async with free:
            return await _talk(server, payload)

    return list(await asyncio.gather(*map(one, payloads)))


async def _talk(server: ApiProcess, payload: bytes) -> bytes:
    """What comes back until the server has nothing more to say for a moment, or hangs up."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    received = b""
    try:
        writer.write(payload)
        await asyncio.wait_for(writer.drain(), SECONDS_MAX)
        while part := await asyncio.wait_for(reader.read(65536), 0.1 if received else 0.4):
            received += part
    except (OSError, TimeoutError):
        return received
    finally:
        writer.close()
    return received


@pytest.mark.parametrize("kind", SERVERS)
def test_callers_who_say_nothing_keep_nobody_waiting(world: World, kind: str) -> None:
    server = world.servers[kind]

    async def crowd() -> list[asyncio.StreamWriter]:
        idle: list[asyncio.StreamWriter] = []
        for number in range(200):
            _, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(_GOOD[: number % len(_GOOD)])
            idle.append(writer)
        return idle

    async def leave(idle: Sequence[asyncio.StreamWriter]) -> None:
        for writer in idle:
            writer.close()

    idle = world.run(crowd())
    try:
        assert server.is_alive()
        answer = httpx.post(f"{server.url}{_PATH.decode()}", json={}, timeout=30, trust_env=False)
        assert answer.status_code == 200
    finally:
        world.run(leave(idle))
