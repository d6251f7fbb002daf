"""Rates of keys and of addresses: what a bucket gives, what a caller over its rate is told, and who is left alone."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyqwest import Client
from pyqwest.testing import ASGITransport
from wallet_api.wallet.v1.wallet_service_connect import WalletService, WalletServiceASGIApplication

from tests.clients.wire import refusal_of_json
from tests.rpc.hands import Hands
from tests.rpc.scripted_app import ScriptedWallet
from wallet_service.errors import Reason, ServiceError, unauthenticated
from wallet_service.principal import Principal, Role
from wallet_service.rpc.composition import Environment, RpcOptions, RpcService, build_asgi
from wallet_service.rpc.policy import POLICY
from wallet_service.rpc.rate_limits import Rate, RateLimits, TokenBuckets

ORG = uuid.uuid4()
PRINCIPALS = {f"wk_test_{name}": Principal(uuid.uuid4(), ORG, "my-org", Role.VIEWER) for name in ("one", "two")}
BALANCE = "wallet.v1.WalletService/GetWalletBalance"


@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=200),
)
def test_no_more_than_the_burst_and_what_came_back_since(per_second: int, burst: int, pauses: list[float]) -> None:
    hands = Hands()
    buckets = TokenBuckets(Rate(per_second, burst), monotonic=hands)
    began, given_count = hands.seconds, 0
    for pause in pauses:
        hands.seconds += pause
        wait = buckets.take("someone")
        if wait == 0.0:
            given_count += 1
        else:
            assert 0 < wait <= 1 / per_second + 1e-9
            # The time told is the time after which there is one.
            hands.seconds += wait + 1e-6
            assert buckets.take("someone") == 0.0
            given_count += 1
    assert given_count <= burst + (hands.seconds - began) * per_second + 1e-6


def test_holders_do_not_share_and_do_not_pile_up() -> None:
    buckets = TokenBuckets(Rate(1, 1), monotonic=Hands())
    assert [buckets.take(name) == 0.0 for name in ("a", "b", "a")] == [True, True, False]
    for number in range(20_000):
        buckets.take(number)
    assert len(buckets) == 10_000


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_rate_that_gives_nothing_is_refused(per_second: float, burst: int) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        Rate(per_second, burst)


async def _authenticate(secret: str) -> Principal:
    if secret not in PRINCIPALS:
        raise unauthenticated()
    return PRINCIPALS[secret]


@asynccontextmanager
async def _served(limits: RateLimits) -> AsyncGenerator[Client]:
    async def database_ok() -> bool:
        return True

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        yield

    app = build_asgi(
        [RpcService(WalletServiceASGIApplication, ScriptedWallet(), WalletService.desc())],
        http_routes=[],
        environment=Environment(
            authenticate=_authenticate, database_ok=database_ok, draining=asyncio.Event(), lifespan=lifespan
        ),
        options=RpcOptions(rate_limits=limits),
        policy={name: rule for name, rule in POLICY.items() if name.startswith("wallet.v1.WalletService/")},
    )
    async with ASGITransport(app) as transport:
        yield Client(transport)


async def _ask(client: Client, key: str) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    answer = await client.post(
        f"http://test/{BALANCE}", headers=headers, content=b'{"name": "organizations/my-org/wallets/default"}'
    )
    return answer.json()


def _retry_milliseconds(answer: dict[str, Any]) -> float:
    [value] = [d["debug"]["retryDelay"] for d in answer["details"] if d["type"] == "google.rpc.RetryInfo"]
    return float(value.removesuffix("s")) * 1000


async def test_a_key_over_its_rate_waits_and_the_others_do_not() -> None:
    hands = Hands()
    limits = RateLimits(TokenBuckets(Rate(2, 3), monotonic=hands), TokenBuckets(Rate(1, 1), monotonic=hands))
    async with _served(limits) as client:
        answers = [await _ask(client, "wk_test_one") for _ in range(4)]
        assert ["code" in answer for answer in answers] == [False, False, False, True]
        refused = refusal_of_json(answers[3])
        assert (refused.code, refused.reason) == ("resource_exhausted", "RATE_LIMITED")
        assert _retry_milliseconds(answers[3]) == 500
        assert "code" not in await _ask(client, "wk_test_two")
        hands.seconds += 0.5
        assert "code" not in await _ask(client, "wk_test_one")


async def test_guessing_is_limited_and_valid_keys_and_health_are_not() -> None:
    hands = Hands()
    limits = RateLimits(TokenBuckets(Rate(1000, 1000), monotonic=hands), TokenBuckets(Rate(1, 5), monotonic=hands))
    async with _served(limits) as client:
        codes = [(await _ask(client, f"wk_test_guess_{number}"))["code"] for number in range(8)]
        assert codes == ["unauthenticated"] * 5 + ["resource_exhausted"] * 3
        assert "code" not in await _ask(client, "wk_test_one")
        for _ in range(20):
            assert (await client.get("http://test/healthz")).status == 200
        hands.seconds += 1.0
        assert (await _ask(client, "wk_test_guess"))["code"] == "unauthenticated"


def test_the_refusal_says_when_to_come_back() -> None:
    buckets = TokenBuckets(Rate(4, 1), monotonic=Hands())
    limits = RateLimits(buckets, buckets)
    limits.count_call("key")
    with pytest.raises(ServiceError) as caught:
        limits.count_call("key")
    assert caught.value.reason is Reason.RATE_LIMITED
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() == 0.25
