"""GetCostForecast through the generated client: both names, periods, and every field."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from wallet_api.wallet.v1 import wallet_service_pb as rpc

from tests.operations.usage_scene import GPU, event
from tests.rpc.usage_app import Api, running
from wallet_service.clock import ManualClock
from wallet_service.db import Database, engine_for
from wallet_service.principal import Role

WALLET = "organizations/my-org/wallets/default"
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MARCH = (int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()), int(datetime(2026, 4, 1, tzinfo=UTC).timestamp()))


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    engine = engine_for(database_url, pool_size=8)
    async with running(Database(engine, statement_timeout=timedelta(seconds=20)), ManualClock(NOW)) as made:
        yield made
    await engine.dispose()


async def forecast(api: Api, key: Role | str = Role.VIEWER, **fields: str) -> rpc.GetCostForecastResponse:
    return await api.wallet.get_cost_forecast(rpc.GetCostForecastRequest(**fields), headers=api.headers(key))


async def test_a_month_by_wallet_or_billing_account_in_either_spelling(api: Api) -> None:
    # 3100 minor units, recorded on day 10.
    await api.scene.recorder.record(
        api.scene.org_id, [event("a", "12", meter=GPU), event("b", "224", meter="network.vm.egress_gib")]
    )
    found = await forecast(api, wallet_name=WALLET)
    assert found.currency == "USD"
    assert found.mtd_spend_minor == 12 * 249 + 218
    assert (found.days_elapsed, found.days_in_period) == (10, 31)
    assert found.projected_period_total_minor == found.mtd_spend_minor * 31 // 10
    assert found.daily_run_rate_minor == found.mtd_spend_minor // 10
    assert (found.period_start_unix, found.period_end_unix) == MARCH
    assert found.method == "line"
    assert found.pattern_total_minor == found.projected_period_total_minor
    assert found.pattern_total_p10_minor < found.pattern_total_minor < found.pattern_total_p90_minor
    assert [(row.category, row.spend_minor) for row in found.categories] == [("GPU", 2988), ("Data Transfer", 219)]
    # Nothing was ever deposited.
    assert found.depletes_at_unix == found.depletes_at_p10_unix == found.depletes_at_p90_unix == int(NOW.timestamp())
    assert found.days_remaining == 0
    assert found.committed_hourly_minor_decimal == "0"
    for name in ("billing-accounts/my-org", "organizations/my-org/billing-accounts/default"):
        assert await forecast(api, billing_account_name=name) == found
    assert await forecast(api, wallet_name="wallets/my-org") == found


async def test_nothing_spent_is_all_zero_and_no_depletion(api: Api) -> None:
    found = await forecast(api, wallet_name=WALLET, period="weekly")
    assert (found.days_elapsed, found.days_in_period) == (2, 7)
    assert found.mtd_spend_minor == found.projected_period_total_minor == found.pattern_total_p90_minor == 0
    assert found.depletes_at_unix == 0
    assert not found.has_field("days_remaining")
    assert list(found.categories) == []
    day = await forecast(api, wallet_name=WALLET, period="daily")
    assert (day.days_elapsed, day.days_in_period) == (1, 1)


async def test_another_organizations_wallet_is_not_found(api: Api) -> None:
    with pytest.raises(ConnectError) as caught:
        await forecast(api, api.stranger, wallet_name=WALLET)
    assert caught.value.code is Code.NOT_FOUND
