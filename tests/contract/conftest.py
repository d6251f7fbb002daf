"""`lab` runs a test on every account there is, `card_lab` on those that take cards, `simulated` on every simulator.

With `STRIPE_TEST_KEY` in the environment the tests that use `lab` and `card_lab` also run against Stripe's own test mode.
Without it they are not collected for it: nothing is skipped.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.contract.coinbase_lab import CoinbaseSimulatorLab, coinbase_simulator_lab
from tests.contract.labs import CardLab, Lab, SimulatedLab
from tests.contract.stripe_conformance import Conformance
from tests.contract.stripe_lab import StripeSimulatorLab, StripeTestModeLab, stripe_simulator_lab

TEST_MODES = ("stripe-test-mode",) if os.environ.get("STRIPE_TEST_KEY") else ()
SIMULATED = ("stripe-simulator", "coinbase-simulator")


@asynccontextmanager
async def stripe_test_mode() -> AsyncGenerator[StripeTestModeLab, None]:
    lab = StripeTestModeLab(os.environ["STRIPE_TEST_KEY"])
    yield lab
    await lab.aclose()


@pytest.fixture
async def stripe_lab() -> AsyncIterator[StripeSimulatorLab]:
    async with stripe_simulator_lab(Conformance()) as lab:
        yield lab


@pytest.fixture
async def coinbase_lab() -> AsyncIterator[CoinbaseSimulatorLab]:
    async with coinbase_simulator_lab() as lab:
        yield lab


@pytest.fixture(params=SIMULATED)
async def simulated(request: pytest.FixtureRequest) -> AsyncIterator[SimulatedLab]:
    if request.param == "coinbase-simulator":
        async with coinbase_simulator_lab() as lab:
            yield lab
    else:
        async with stripe_simulator_lab(Conformance()) as lab:
            yield lab


@pytest.fixture(params=("stripe-simulator", *TEST_MODES))
async def card_lab(request: pytest.FixtureRequest) -> AsyncIterator[CardLab]:
    if request.param == "stripe-test-mode":
        async with stripe_test_mode() as lab:
            yield lab
    else:
        async with stripe_simulator_lab(Conformance()) as lab:
            yield lab


@pytest.fixture(params=(*SIMULATED, *TEST_MODES))
async def lab(request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    if request.param == "coinbase-simulator":
        async with coinbase_simulator_lab() as account:
            yield account
    elif request.param == "stripe-test-mode":
        async with stripe_test_mode() as account:
            yield account
    else:
        async with stripe_simulator_lab(Conformance()) as account:
            yield account


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """Every request that leaves an httpx client from now on."""
    requests: list[httpx.Request] = []
    send = httpx.AsyncClient.send

    async def recording(self: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        requests.append(request)
        return await send(self, request, **options)

    monkeypatch.setattr(httpx.AsyncClient, "send", recording)
    return requests
