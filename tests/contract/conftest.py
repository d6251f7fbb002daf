"""`lab` runs a test on every account there is; `simulated` only where the bank's side can be played.

With `STRIPE_TEST_KEY` in the environment the tests that use `lab` also run against Stripe's own test mode. Without it
they are not collected for it: nothing is skipped.
"""

import os
from collections.abc import AsyncIterator

import pytest

from tests.contract.labs import Lab, StripeSimulatorLab, StripeTestModeLab, stripe_simulator_lab
from tests.contract.stripe_conformance import Conformance

SIMULATED = ("stripe-simulator",)
TEST_MODES = ("stripe-test-mode",) if os.environ.get("STRIPE_TEST_KEY") else ()


@pytest.fixture(params=SIMULATED)
async def simulated(request: pytest.FixtureRequest) -> AsyncIterator[StripeSimulatorLab]:
    async with stripe_simulator_lab(Conformance()) as lab:
        yield lab


@pytest.fixture(params=(*SIMULATED, *TEST_MODES))
async def lab(request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    if request.param == "stripe-test-mode":
        real = StripeTestModeLab(os.environ["STRIPE_TEST_KEY"])
        yield real
        await real.aclose()
        return
    async with stripe_simulator_lab(Conformance()) as account:
        yield account
