"""Deliveries that are not from the provider, and links that are not ours: refused, and nothing changes."""

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import httpx
import pytest
from pyqwest import Client, HTTPTransport

from providers.simulators.coinbase.world import WEBHOOK_SECRET as COINBASE_SECRET
from providers.simulators.stripe.world import WEBHOOK_SECRET as STRIPE_SECRET
from tests.fuzz.campaign import FIGURES
from tests.fuzz.judging import faults
from tests.fuzz.sending import Answer
from tests.fuzz.world import SERVERS, World

pytestmark = pytest.mark.timeout(3600)

_JSON: Final = {"content-type": "application/json"}
_EVENT: Final = {
    "id": "evt_fuzzed",
    "object": "event",
    "type": "payment_intent.succeeded",
    "livemode": False,
    "created": 1_700_000_000,
    "api_version": "2025-01-01",
    "data": {"object": {"id": "pi_fuzzed", "object": "payment_intent"}},
}

Delivery = tuple[bytes, dict[str, str]]


def stripe(body: bytes, *, at: float, secret: str = STRIPE_SECRET) -> Delivery:
    moment = str(int(at))
    mac = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    return body, {**_JSON, "stripe-signature": f"t={moment},v1={mac}"}


def coinbase(body: bytes, *, at: float, secret: str = COINBASE_SECRET, event: str = "event-1") -> Delivery:
    moment = str(int(at))
    named = "content-type x-event-id"
    values = f"application/json.{event}"
    signed = f"{moment}.{named}.{values}.".encode() + body
    mac = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    headers = {"x-event-id": event, "x-hook0-signature": f"t={moment},h={named},v1={mac}"}
    return body, {**_JSON, **headers}


def _forgeries(sign: Callable[..., Delivery], chance: random.Random, count: int) -> list[Delivery]:
    """Never right: each differs from a signed delivery in what the signature covers, or in when it was made."""
    now, body = time.time(), json.dumps(_EVENT).encode()
    good, headers = sign(body, at=now)
    [name] = [name for name in headers if name.endswith("signature")]
    signature = headers[name]
    made: list[Delivery] = [
        sign(body, at=now + 3_600),
        sign(body, at=now - 3_600),
        sign(body, at=2**40),
        sign(body, at=now, secret="whsec_another"),
        (good[:-1], headers),
        (good + b" ", headers),
        (b"", headers),
        (b"x" * (1024 * 1024 + 1), headers),
        (good, {**headers, "content-type": "text/plain"}),
        (good, {**headers, "content-type": ""}),
        (good, _JSON),
        (good, {**headers, name: ""}),
        (good, {**headers, name: signature.replace("v1=", "v0=")}),
        (good, {**headers, name: signature[:-2]}),
        (good, {**headers, name: "t=,v1="}),
        (good, {**headers, name: "t=99999999999999999999999,v1=" + "0" * 64}),
        (good, {**headers, name: "t=\u00b2,v1=" + "0" * 64}),
        (good, {**headers, name: ",".join([signature.replace("v1=", "v1=0")] * 500)}),
    ]
    for _ in range(count):
        if chance.random() < 0.5:
            at = chance.randrange(len(good))
            made.append((good[:at] + bytes([good[at] ^ (1 << chance.randrange(8))]) + good[at + 1 :], headers))
        else:
            at = chance.randrange(len(signature))
            other = chance.choice("0123456789abcdef=,tv ")
            forged = signature[:at] + other + signature[at + 1 :]
            if forged != signature:
                made.append((good, {**headers, name: forged}))
    return made


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize(("provider", "sign"), [("stripe", stripe), ("coinbase", coinbase)])
def test_forged_deliveries(
    world: World, kind: str, provider: str, sign: Callable[..., Delivery], requests_wanted: int
) -> None:
    server = world.servers[kind]
    made = _forgeries(sign, random.Random(7), max(50, requests_wanted // 100))
    before = world.fingerprint()
    answers = world.run(_post(f"{server.url}/webhooks/{provider}", made))
    FIGURES.requests[f"forged deliveries to {server.kind}"] += len(made)
    for (body, headers), answer in zip(made, answers, strict=True):
        FIGURES.codes[f"http_{answer.status}"] += 1
        assert answer.status in (0, 400, 413, 415), f"{answer.status} for {headers} {body[:200]!r}"
        sent = str(headers) + body[:1000].decode(errors="replace")
        assert faults(answer, sent=sent, caller="none", secrets=world.secrets) == []
    assert world.fingerprint() == before
    assert server.is_alive()


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("provider", ["stripe", "coinbase"])
def test_a_replayed_delivery_is_noted_once(world: World, kind: str, provider: str) -> None:
    url, name, now = f"{world.servers[kind].url}/webhooks/{provider}", f"evt_replayed_{kind}", time.time()
    if provider == "stripe":
        body, headers = stripe(json.dumps({**_EVENT, "id": name}).encode(), at=now)
    else:
        event = {
            "eventType": "checkout.payment.success",
            "id": "68f7a946db0529ea9b6d3a12",
            "updatedAt": "2026-03-20T10:31:00Z",
        }
        body, headers = coinbase(json.dumps(event).encode(), at=now, event=name)
    first = httpx.post(url, content=body, headers=headers, timeout=30)
    assert (first.status_code, first.json()) == (200, {"received": True, "duplicate": False})
    noted = world.fingerprint()
    again = world.run(_post(url, [(body, headers)] * 40))
    assert {answer.status for answer in again} == {200}
    assert world.fingerprint() == noted


@pytest.mark.parametrize("kind", SERVERS)
def test_signed_nonsense(world: World, kind: str) -> None:
    """A signature proves who speaks, not that it makes sense."""
    url = f"{world.servers[kind].url}/webhooks/stripe"
    odd: list[Any] = [None, [], "x", 1, {}, {"id": 1}, {**_EVENT, "id": "x" * 10_000}, {**_EVENT, "id": "a\0b"}]
    odd += [{**_EVENT, "id": "\ud800"}, {**_EVENT, "type": None}, {**_EVENT, "data": []}, {**_EVENT, "created": 2**80}]
    odd += [{**_EVENT, "data": {"object": {"id": "pi\0x", "object": "payment_intent"}}}, {**_EVENT, "livemode": "no"}]
    bodies = [json.dumps(value).encode() for value in odd] + [b"{", b"\xff", b"[" * 100_000, b'{"id":' * 50_000]
    answers = world.run(_post(url, [stripe(body, at=time.time()) for body in bodies]))
    FIGURES.requests[f"signed nonsense to {kind}"] += len(bodies)
    for body, answer in zip(bodies, answers, strict=True):
        assert answer.status in (200, 400), f"{answer.status} for {body[:200]!r}: {answer.text[:500]}"


@pytest.mark.parametrize("kind", SERVERS)
def test_links_that_are_not_ours(world: World, kind: str, requests_wanted: int) -> None:
    server, chance = world.servers[kind], random.Random(11)
    token = "W10.AAAA"
    paths = [
        *("/downloads/", "/downloads/x", f"/downloads/{token}/x", f"/downloads/{token}/..%2f..%2fetc%2fpasswd"),
        *(
            f"/downloads/{token}/%00",
            f"/downloads/{token}/%ff",
            f"/downloads/{'A' * 5000}/x",
            "/downloads/../healthz/x",
        ),
        *("/downloads/%2e%2e/%2e%2e", "/downloads/./x", "/downloads/a.b.c/x", "/downloads/=.=/x", "/downloads//x"),
        *("/downloads/\u00e9/x", f"/downloads/{token}/x?x=%00", f"/downloads/{token}/{'%2e%2e%2f' * 50}"),
    ]
    alphabet = "ABCabc019-_.%2f=~"
    for _ in range(max(50, requests_wanted // 100)):
        name, random_token = ("".join(chance.choices(alphabet, k=chance.randint(1, 40))) for _ in range(2))
        paths.append(f"/downloads/{random_token}/{name}")
    before = world.fingerprint()
    answers = world.run(_get([f"{server.url}{path}" for path in paths]))
    FIGURES.requests[f"download links to {server.kind}"] += len(paths)
    for path, answer in zip(paths, answers, strict=True):
        FIGURES.codes[f"http_{answer.status}"] += 1
        assert answer.status in (0, 200, 400, 403, 404, 405, 414), f"{answer.status} for {path}"
        assert answer.status != 200 or "healthz" in path, path
        assert faults(answer, sent=path, caller="none", secrets=world.secrets) == []
    assert world.fingerprint() == before


async def _post(url: str, deliveries: Sequence[Delivery]) -> list[Answer]:
    client, free = Client(HTTPTransport(timeout=10)), asyncio.Semaphore(16)

    async def one(delivery: Delivery) -> Answer:
        body, headers = delivery
        async with free:
            try:
                answer = await client.post(url, headers=headers, content=body)
            except (ValueError, OSError) as error:
                return Answer(0, "ended", "", str(error))
            return Answer(answer.status, f"http_{answer.status}", "", answer.text())

    return list(await asyncio.gather(*map(one, deliveries)))


async def _get(urls: Sequence[str]) -> list[Answer]:
    client, free = Client(HTTPTransport(timeout=10)), asyncio.Semaphore(16)

    async def one(url: str) -> Answer:
        async with free:
            try:
                answer = await client.get(url)
            except (ValueError, OSError) as error:
                return Answer(0, "ended", "", str(error))
            return Answer(answer.status, f"http_{answer.status}", "", answer.text())

    return list(await asyncio.gather(*map(one, urls)))
