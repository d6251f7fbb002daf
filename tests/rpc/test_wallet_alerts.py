"""Alerts of wallets and the people who are told, over the whole stack."""

from collections.abc import AsyncIterator

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from wallet_api.wallet.v1 import wallet_service_pb as rpc

from tests.rpc.service_app import Api, running
from wallet_service.principal import Role

WALLET = "organizations/my-org/wallets/default"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running(database_url) as made:
        yield made


async def configure(
    api: Api, role: Role = Role.EDITOR, *, balance: int | None = None, days: int | None = None
) -> rpc.ConfigureWalletAlertsResponse:
    return await api.wallet.configure_wallet_alerts(
        rpc.ConfigureWalletAlertsRequest(wallet_name=WALLET, balance_alert_minor=balance, days_remaining_alert=days),
        headers=api.headers(role),
    )


async def alerts(api: Api, key: Role | str = Role.VIEWER) -> rpc.GetWalletAlertsResponse:
    return await api.wallet.get_wallet_alerts(rpc.GetWalletAlertsRequest(wallet_name=WALLET), headers=api.headers(key))


async def test_configuring_replaces_both_alerts(api: Api):
    assert (await alerts(api)).config.currency == "USD"
    made = (await configure(api, balance=1000, days=7)).config
    assert made is not None
    assert (made.wallet_name, made.balance_alert_minor, made.days_remaining_alert) == (WALLET, 1000, 7)
    assert made.last_balance_fired_at_unix == int(api.clock.now().timestamp()), "an empty wallet is below it already"
    assert made.last_days_fired_at_unix == 0
    assert (await alerts(api)).config == made
    made = (await configure(api, balance=0)).config
    assert made is not None
    assert (made.balance_alert_minor, made.days_remaining_alert) == (0, 0)
    assert made.last_balance_fired_at_unix > 0


async def test_who_may_and_what_is_refused(api: Api):
    for call, code in (
        (configure(api, Role.VIEWER, balance=5), Code.PERMISSION_DENIED),
        (configure(api, balance=-1), Code.INVALID_ARGUMENT),
        (configure(api, days=3651), Code.INVALID_ARGUMENT),
        (alerts(api, api.stranger), Code.NOT_FOUND),
    ):
        with pytest.raises(ConnectError) as refused:
            await call
        assert refused.value.code is code
