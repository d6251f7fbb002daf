"""The simulator as a process: it starts, keeps its state in a file, delivers by itself, and stops on a signal."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from providers.coinbase import CoinbaseProvider, CoinbaseSettings
from providers.protocol import PaymentState, TopUpRequest
from providers.simulators.coinbase.keys import KEY_ID, KEY_SECRET
from tests.contract.labs import usd
from tests.contract.receiver import receiving
from wallet_service.clock import SystemClock

ROOT = Path(__file__).parents[2]
REQUEST = TopUpRequest(org_id="org-1", top_up_id="top-1", amount=usd(5000), idempotency_key="once")
SECRET = "process-secret"


@asynccontextmanager
async def simulator(*arguments: str) -> AsyncIterator[CoinbaseProvider]:
    """The module on a simulator in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "providers.simulators.coinbase", "--port", "0", *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        settings = CoinbaseSettings(
            api_key_id=KEY_ID,
            api_key_secret=KEY_SECRET,
            webhook_secrets=(SECRET,),
            api_base=f"{line.split()[-1]}/api/v1",
        )
        provider = CoinbaseProvider(settings, SystemClock().now)
        yield provider
        await provider.aclose()
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_state_survives_a_restart_and_deliveries_come_by_themselves(tmp_path: Path) -> None:
    state = tmp_path / "new folder" / "coinbase.json"
    async with receiving() as receiver:
        arguments = ("--state-file", str(state), "--webhook-url", receiver.url, "--webhook-secret", SECRET)
        async with simulator(*arguments) as provider:
            made = await provider.create_topup(REQUEST)
        assert stat.S_IMODE(state.stat().st_mode) == 0o600

        async with simulator(*arguments) as provider:
            assert (await provider.create_topup(REQUEST)).external_id == made.external_id
            page = (await provider.sync(made.external_id)).hosted_url
            assert page is not None, "the page is where the simulator listens now"
            async with httpx.AsyncClient(trust_env=False) as browser:
                assert (await browser.post(page, data={"outcome": "success"})).status_code == 303
            assert (await provider.sync(made.external_id)).state is PaymentState.SUCCEEDED
            await receiver.wait_for(1)
            (delivery,) = receiver.received
            (event,) = provider.verify_webhook(delivery.raw, delivery.headers)
    assert (event.event_type, event.payment_external_id) == ("checkout.payment.success", made.external_id)
