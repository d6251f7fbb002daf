"""The simulator as a process: it starts, keeps its state in a file, delivers by itself, and stops on a signal."""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.contract.receiver import receiving

ROOT = Path(__file__).parents[2]
HEADERS = {"Authorization": "Bearer sk_test_process"}
CARD_INTENT = {"amount": "5000", "currency": "usd", "allowed_payment_method_types[0]": "card"}


@asynccontextmanager
async def simulator(*arguments: str) -> AsyncIterator[httpx.AsyncClient]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "providers.simulators.stripe", "--port", "0", *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        async with httpx.AsyncClient(base_url=line.split()[-1], headers=HEADERS, trust_env=False) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_state_survives_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "new folder" / "stripe.json"
    key = {"Idempotency-Key": "once"}
    async with receiving() as receiver:
        arguments = ("--state-file", str(state), "--webhook-url", receiver.url)
        async with simulator(*arguments) as client:
            made = (await client.post("/v1/payment_intents", data=CARD_INTENT, headers=key)).json()
            await client.post(f"/_sim/payment_intents/{made['id']}/pay", json={"payment_method": "pm_card_visa"})
        assert stat.S_IMODE(state.stat().st_mode) == 0o600
        assert json.loads(state.read_text(encoding="utf-8"))["tables"]["payment_intent"]

        async with simulator(*arguments) as client:
            shown = (await client.get(f"/v1/payment_intents/{made['id']}")).json()
            assert shown["status"] == "succeeded"
            again = await client.post("/v1/payment_intents", data=CARD_INTENT, headers=key)
            assert again.headers["idempotent-replayed"] == "true"
            assert again.json()["id"] == made["id"]
            assert len((await client.get("/v1/webhook_endpoints")).json()["data"]) == 1
            await client.post("/_sim/flush")
    types = {json.loads(delivery.raw)["type"] for delivery in receiver.received}
    assert types >= {"payment_intent.succeeded", "charge.updated"}, "what was due is done after the restart"


async def test_deliveries_come_by_themselves() -> None:
    async with receiving() as receiver:
        async with simulator("--webhook-url", receiver.url, "--followup-delay", "0") as client:
            await client.post(
                "/v1/payment_intents", data={**CARD_INTENT, "confirm": "true", "payment_method": "pm_card_visa"}
            )
            await receiver.wait_for(4)
        types = [json.loads(delivery.raw)["type"] for delivery in receiver.received]
    assert types == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "charge.updated"]
    assert all("v1=" in delivery.headers["stripe-signature"] for delivery in receiver.received)


async def test_a_seed_repeats_the_ids() -> None:
    seen: list[str] = []
    for _ in range(2):
        async with simulator("--seed", "7") as client:
            seen.append((await client.post("/v1/customers")).json()["id"])
    assert seen[0] == seen[1]
