"""The simulator itself, over HTTP: answers in the documented shapes, refusals, tokens, keys, lists, expiry."""

import json
import secrets
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from providers.coinbase.tokens import load_key
from providers.simulators.coinbase.keys import KEY_ID, KEY_SECRET
from tests.contract.coinbase_lab import DOCUMENTED, CoinbaseSimulatorLab

PATH = "/api/v1/checkouts"
WANTED = {"amount": "50.00", "currency": "USDC"}
REQUIRED = {"id", "url", "amount", "currency", "network", "address", "status", "createdAt", "updatedAt"}
OPTIONAL = set(DOCUMENTED["optional_checkout_fields"])


def token(lab: CoinbaseSimulatorLab, method: str, path: str, **changes: Any) -> str:
    """A good token, or one with other claims; `kid`, `nonce` and `key` change what they say."""
    at, (key, algorithm) = int(lab.now().timestamp()), load_key(KEY_SECRET)
    headers = {"kid": changes.pop("kid", KEY_ID), "nonce": changes.pop("nonce", secrets.token_hex(8))}
    key = changes.pop("key", key)
    uri = f"{method} {lab.simulator.url.removeprefix('http://')}{path}"
    claims = {"sub": KEY_ID, "iss": "cdp", "nbf": at, "exp": at + 120, "uris": [uri], **changes}
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


class Caller:
    """A raw client of one simulated account."""

    def __init__(self, lab: CoinbaseSimulatorLab) -> None:
        self.lab = lab

    async def call(self, method: str, path: str = "", key: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token(self.lab, method, PATH + path)}"}
        if key is not None:
            headers["X-Idempotency-Key"] = key
        return await self.lab.http.request(method, PATH + path, headers=headers, **options)

    async def ok(self, method: str, path: str = "", **options: Any) -> dict[str, Any]:
        answer = await self.call(method, path, **options)
        assert answer.is_success, answer.text
        return answer.json()

    async def made(self, **fields: Any) -> dict[str, Any]:
        return await self.ok("POST", json={**WANTED, **fields})

    async def paid(self, **fields: Any) -> dict[str, Any]:
        made = await self.made(**fields)
        await self.lab.pay(made["id"], "good")
        return made


@pytest.fixture
def caller(coinbase_lab: CoinbaseSimulatorLab) -> Caller:
    return Caller(coinbase_lab)


def assert_documented(checkout: dict[str, Any], *, also: frozenset[str] = frozenset()) -> None:
    assert set(checkout) >= REQUIRED | also
    assert set(checkout) <= REQUIRED | OPTIONAL | also
    example: dict[str, Any] = {**DOCUMENTED["get_answer"], "eventType": "checkout.payment.success"}
    for name, value in checkout.items():
        assert type(value) is type(example[name]), name
    if "settlement" in checkout:
        assert set(checkout["settlement"]) == set(example["settlement"])
    for refund in checkout.get("refunds", []):
        assert set(DOCUMENTED["refund_answer"]["refund"]) <= set(refund) | {"reason"}
        assert set(refund) <= set(example["refunds"][0])


async def test_every_answer_has_the_documented_shape(caller: Caller) -> None:
    answer = await caller.call("POST", json={**WANTED, "description": "d", "metadata": {"a": "b"}})
    assert answer.status_code == 201
    made = answer.json()
    assert_documented(made)
    assert set(made["id"]) <= set("0123456789abcdef")
    assert len(made["id"]) == 24
    await caller.lab.pay(made["id"], "good")
    refunded = await caller.ok("POST", f"/{made['id']}/refund", json={"amount": "20.00", "reason": "r"})
    assert set(refunded) == {"checkout", "refund"}
    assert_documented(refunded["checkout"])
    await caller.lab.flush()
    shown = await caller.ok("GET", f"/{made['id']}")
    assert_documented(shown)
    assert (shown["status"], shown["refundedAmount"]) == ("PARTIALLY_REFUNDED", "20.00")
    assert shown["settlement"] == {
        "totalAmount": "50.00",
        "feeAmount": "0.50",
        "netAmount": "49.50",
        "currency": "USDC",
    }
    page = await caller.ok("GET")
    assert set(page) == {"checkouts"}
    assert_documented(page["checkouts"][0])
    for delivery in caller.lab.receiver.received:
        assert_documented(json.loads(delivery.raw), also=frozenset({"eventType"}))
    stopped = await caller.ok("POST", f"/{(await caller.made())['id']}/deactivate")
    assert_documented(stopped)
    assert stopped["status"] == "DEACTIVATED"


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": "0"},
        {"amount": "0.001"},
        {"amount": 50},
        {"amount": "100000000.01"},
        {"amount": None},
        {"currency": "USD"},
        {"network": "ethereum"},
        {"description": "x" * 501},
        {"metadata": {"a": "x" * 101}},
        {"metadata": {str(n): "x" for n in range(21)}},
        {"metadata": {"a": 1}},
        {"metadata": "text"},
        {"successRedirectUrl": "http://example.com/"},
        {"failRedirectUrl": "javascript:alert(1)"},
        {"expiresAt": "2026-11-02T09:30:00Z"},
        {"expiresAt": "2027-11-02T09:30:00"},
        {"expiresAt": "soon"},
        {"colour": "blue"},
    ],
)
async def test_a_checkout_that_does_not_fit_is_refused(caller: Caller, fields: dict[str, Any]) -> None:
    answer = await caller.call("POST", json={**WANTED, **fields})
    assert answer.status_code == 400
    assert set(answer.json()) == set(DOCUMENTED["error_answer"])
    assert caller.lab.payment_count() == 0


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 400), (b" " * (1024 * 1024 + 1), 413)])
async def test_bodies_that_are_no_requests(caller: Caller, body: bytes, status: int) -> None:
    assert (await caller.call("POST", content=body)).status_code == status


async def test_steps_that_the_state_does_not_allow(caller: Caller) -> None:
    paid = await caller.paid()
    unpaid = await caller.made()
    for path, body in (
        (f"/{paid['id']}/deactivate", None),
        (f"/{paid['id']}/refund", {"amount": "50.01"}),
        (f"/{unpaid['id']}/refund", {"amount": "1.00"}),
    ):
        assert (await caller.call("POST", path, json=body)).status_code == 400, path
    assert (await caller.call("GET", f"/{'0' * 24}")).status_code == 404
    for path in (f"checkouts/{paid['id']}/pay", f"checkouts/{paid['id']}/expire"):
        assert (await caller.lab.control(path)).status_code == 400
    assert (await caller.lab.control(f"checkouts/{unpaid['id']}/pay", outcome="perhaps")).status_code == 400


async def test_tokens_that_open_nothing(caller: Caller) -> None:
    lab = caller.lab
    at = int(lab.now().timestamp())
    other, _ = load_key(
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIP" + "A" * 42 + "\n-----END PRIVATE KEY-----"
    )
    good = token(lab, "GET", PATH)
    refused = {
        "nonsense": "nonsense",
        "not signed": jwt.encode({"sub": KEY_ID}, None, algorithm="none", headers={"kid": KEY_ID}),
        "secret as key": jwt.encode({"sub": KEY_ID}, "x" * 32, algorithm="HS256", headers={"kid": KEY_ID}),
        "other key": token(lab, "GET", PATH, key=other),
        "unknown key id": token(lab, "GET", PATH, kid="unknown"),
        "other subject": token(lab, "GET", PATH, sub="unknown"),
        "other issuer": token(lab, "GET", PATH, iss="someone"),
        "other method": token(lab, "POST", PATH),
        "other path": token(lab, "GET", PATH + "/x"),
        "too old": token(lab, "GET", PATH, nbf=at - 200, exp=at - 80),
        "too early": token(lab, "GET", PATH, nbf=at + 60, exp=at + 120),
        "too long": token(lab, "GET", PATH, exp=at + 121),
        "no nonce": token(lab, "GET", PATH, nonce=""),
    }
    assert (await lab.http.get(PATH)).status_code == 401
    for what, bearer in refused.items():
        answer = await lab.http.get(PATH, headers={"Authorization": f"Bearer {bearer}"})
        assert answer.status_code == 401, what
    headers = {"Authorization": f"Bearer {good}"}
    assert (await lab.http.get(PATH, headers=headers)).status_code == 200
    again = await lab.http.get(PATH, headers=headers)
    assert (again.status_code, again.json()["errorMessage"]) == (401, "the token was used before")


async def test_keys_are_uuids_replay_for_a_day_and_refuse_other_requests(caller: Caller) -> None:
    lab, key = caller.lab, str(uuid4())
    for wrong in ("key-1", "00000000-0000-1000-8000-000000000000", ""):
        assert (await caller.call("POST", key=wrong, json=WANTED)).status_code == 400
    assert (await caller.call("POST", key=key, json={**WANTED, "amount": "0"})).status_code == 400
    first = await caller.call("POST", key=key, json=WANTED)
    await lab.pay(first.json()["id"], "good")
    again = await caller.call("POST", key=key, json=WANTED)
    assert (again.status_code, again.json()) == (201, first.json()), "the very same answer"
    other = await caller.call("POST", key=key, json={**WANTED, "amount": "60.00"})
    assert (other.status_code, other.json()["errorType"]) == (422, "idempotency_error")
    lab.clock.advance(timedelta(hours=24))
    assert (await caller.ok("POST", key=key, json=WANTED))["id"] != first.json()["id"]


async def test_lists_by_state_and_time_page_by_page(caller: Caller) -> None:
    lab = caller.lab
    made: list[str] = []
    for number in range(5):
        made.append((await (caller.paid if number % 2 else caller.made)())["id"])
        lab.clock.advance(timedelta(seconds=10))
    first = await caller.ok("GET", params={"pageSize": 2})
    second = await caller.ok("GET", params={"pageSize": 2, "pageToken": first["nextPageToken"]})
    third = await caller.ok("GET", params={"pageSize": 2, "pageToken": second["nextPageToken"]})
    walked = [row["id"] for page in (first, second, third) for row in page["checkouts"]]
    assert walked == made[::-1]
    assert "nextPageToken" not in third
    paid = await caller.ok("GET", params={"status": ["COMPLETED", "REFUNDED"]})
    assert [row["id"] for row in paid["checkouts"]] == [made[3], made[1]]
    window = {"startTime": "2026-11-02T09:30:10Z", "endTime": "2026-11-02T09:30:20Z"}
    assert [row["id"] for row in (await caller.ok("GET", params=window))["checkouts"]] == [made[2], made[1]]
    for wrong in ({"pageSize": 0}, {"pageSize": 101}, {"status": "LOST"}, {"pageToken": "x"}, {"limit": 1}):
        assert (await caller.call("GET", params=wrong)).status_code == 400, wrong


async def test_expiry_comes_by_the_clock_and_is_told(caller: Caller) -> None:
    lab = caller.lab
    made = await caller.made()
    paid = await caller.paid()
    lab.clock.advance(timedelta(hours=1))
    assert (await caller.ok("GET", f"/{made['id']}"))["status"] == "EXPIRED"
    assert (await caller.ok("GET", f"/{paid['id']}"))["status"] == "COMPLETED"
    forced = await caller.made()
    assert (await lab.control(f"checkouts/{forced['id']}/expire")).json()["status"] == "EXPIRED"
    await lab.flush()
    told = [json.loads(delivery.raw) for delivery in lab.receiver.received]
    assert [(event["eventType"], event["id"]) for event in told] == [
        ("checkout.payment.success", paid["id"]),
        ("checkout.payment.expired", made["id"]),
        ("checkout.payment.expired", forced["id"]),
    ]


async def test_an_address_that_is_not_simulated(caller: Caller) -> None:
    for answer in (await caller.lab.http.get("/api/v2/checkouts"), await caller.lab.http.put(PATH)):
        assert answer.status_code == 404
        assert set(answer.json()) == set(DOCUMENTED["error_answer"])
