"""Automatic recharging by the composed service with its own worker: in real time, and for a wallet on a test clock."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.accounts import AccountKind, chart_account_id
from ledger.model import Accrue, Posted
from providers.simulators.stripe.server import StripeSimulator, running
from providers.simulators.stripe.world import Settings as SimulatorSettings
from tests.operations.payments_lab import DECLINED_AFTER_SAVING, GOOD
from wallet_service.accounts import steps
from wallet_service.clock import SystemClock
from wallet_service.config import Settings
from wallet_service.recharge.operations import RechargeRequest
from wallet_service.service import Service

START = datetime(2025, 5, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Scene:
    """The service, with a worker beside it."""

    service: Service
    simulator: StripeSimulator

    async def enable(self, org_id: UUID, token: str, **fields: Any) -> None:
        async with self.service.times.time_of(org_id):
            method = await self.service.payment_methods.attach(
                org_id, provider_method_id=token, payment_method_id=None, make_default=True
            )
            wanted = {"threshold_minor": 1000, "amount_minor": 5000, **fields}
            request = RechargeRequest(payment_method_id=method.payment_method_id, **wanted)
            await self.service.auto_recharges.enable(org_id, request, key_id=UUID(int=1))

    async def use(self, org_id: UUID, amount_minor: int) -> None:
        wallet = await self.service.db.read(lambda conn: steps.open_wallet(conn, org_id))
        async with self.service.times.time_of(org_id):
            done = await self.service.ledger.post(
                Accrue(
                    org_id=org_id,
                    key=f"use-{amount_minor}",
                    wallet=wallet.account_id,
                    revenue_account=chart_account_id(org_id, wallet.currency, AccountKind.REVENUE),
                    exact_minor=Decimal(amount_minor),
                )
            )
        assert isinstance(done, Posted), done

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async def work(conn: AsyncConnection) -> list[Any]:
            return list(await conn.execute(text(statement), values))

        return await self.service.db.read(work)

    async def available(self, org_id: UUID) -> int:
        [row] = await self.rows("SELECT available_minor FROM ledger_wallets WHERE org_id = :org", org=org_id)
        return row.available_minor


@pytest.fixture
async def scene(database_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(running(SimulatorSettings(), clock=SystemClock().now))
        service = Service(
            Settings(
                environment="test",
                data_dir=tmp_path,
                database_url=SecretStr(database_url),
                database_pool_size=8,
                stripe_api_key=SecretStr("sk_test_service"),
                stripe_webhook_secret=SecretStr("whsec_test"),
                stripe_api_base=simulator.url,
            )
        )
        await stack.enter_async_context(service)
        await stack.enter_async_context(service.worker())
        yield Scene(service, simulator)


async def until(probe: Callable[[], Awaitable[bool]]) -> None:
    """Ask the database again until it says so."""
    async with asyncio.timeout(20):
        while not await probe():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_usage_recharges_the_wallet_by_itself(scene):
    org_id = (await scene.service.organizations.create(slug="real")).org_id
    await scene.enable(org_id, GOOD, close_gap_max_minor=50_000)
    await scene.use(org_id, 20_000)

    async def is_recharged() -> bool:
        return await scene.available(org_id) == 1000

    await until(is_recharged)
    assert len(scene.simulator.world.tables["payment_intent"]) == 1


async def test_on_a_test_clock_the_retries_of_a_decline_run_at_their_times(scene):
    service = scene.service
    await service.test_clocks.create(clock_id="may", display_name="", now=START)
    org_id = (await service.organizations.create(slug="clocked", test_clock="may")).org_id
    await scene.enable(org_id, DECLINED_AFTER_SAVING)
    await scene.use(org_id, 20_000)
    advanced = await service.test_clocks.advance("may", target=START + timedelta(days=10))
    assert advanced.clock.present_at == START + timedelta(days=10)

    rows = await scene.rows("SELECT created_at FROM auto_recharge_attempts WHERE org_id = :org ORDER BY 1", org=org_id)
    after = [row.created_at - START for row in rows]
    waits = (timedelta(0), timedelta(hours=1), timedelta(hours=24), timedelta(hours=72))
    expected = [sum(waits[: index + 1], timedelta(0)) for index in range(4)]
    assert after == expected
    async with service.times.time_of(org_id):
        config = (await service.auto_recharges.get(org_id)).config
    assert config is not None
    assert (config.is_enabled, config.disabled_reason) == (False, "retries_exhausted")
    [row] = await scene.rows(
        "SELECT created_at FROM events WHERE org_id = :org AND type = 'wallet.auto_recharge.disabled'", org=org_id
    )
    assert row.created_at == START + timedelta(hours=97)
