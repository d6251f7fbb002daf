"""Who is told about a billing account, by AccountService."""

from collections.abc import AsyncIterator, Sequence

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from wallet_api.billing.v1 import account_pb as pb
from wallet_api.billing.v1 import account_service_pb as rpc

from tests.rpc.accounts_app import Api, running
from wallet_service.principal import Role

BILLING_ACCOUNT = "organizations/my-org/billing-accounts/default"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running(database_url) as made:
        yield made


async def update(api: Api, targets: Sequence[pb.NotificationTarget], role: Role = Role.ADMIN) -> list[tuple[str, ...]]:
    answer = await api.account.update_notification_settings(
        rpc.UpdateNotificationSettingsRequest(name=BILLING_ACCOUNT, targets=list(targets)), headers=api.headers(role)
    )
    return [(target.url, *target.event_types) for target in answer.targets]


async def settings(api: Api) -> list[tuple[str, ...]]:
    answer = await api.account.get_notification_settings(
        rpc.GetNotificationSettingsRequest(name=BILLING_ACCOUNT), headers=api.headers(Role.VIEWER)
    )
    return [(target.url, *target.event_types) for target in answer.targets]


async def test_settings_are_replaced_and_a_masked_url_is_taken_back(api: Api):
    assert await settings(api) == []
    chat = pb.NotificationTarget(url="discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
    mail = pb.NotificationTarget(url="ops@example.com", event_types=["dispute.*", "wallet.alert.balance"])
    made = await update(api, [chat, mail])
    assert made == await settings(api)
    [[masked], told] = made
    assert masked.startswith("discord://****/")
    assert told == ("ops@example.com", "dispute.*", "wallet.alert.balance")
    again = await update(api, [pb.NotificationTarget(url=masked, event_types=["invoice.*"])])
    assert again == [(masked, "invoice.*")]


@pytest.mark.parametrize(
    "target",
    [
        pb.NotificationTarget(url="file:///etc/passwd"),
        pb.NotificationTarget(url="slack://****/00000000"),
        pb.NotificationTarget(url="ops@example.com", event_types=["no.such"]),
        pb.NotificationTarget(url="ops@example.com", event_types=["wallet.*.alert"]),
        pb.NotificationTarget(url="x"),
    ],
)
async def test_what_is_refused(api: Api, target: pb.NotificationTarget):
    with pytest.raises(ConnectError) as refused:
        await update(api, [target])
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert await settings(api) == []


async def test_an_editor_may_not_change_them(api: Api):
    with pytest.raises(ConnectError) as refused:
        await update(api, [], Role.EDITOR)
    assert refused.value.code is Code.PERMISSION_DENIED
