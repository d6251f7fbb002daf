"""billing.v1.AccountService: who is told about the events of a billing account."""

from collections.abc import Sequence

from wallet_api.billing.v1 import account_pb as pb
from wallet_api.billing.v1 import account_service_pb as rpc

from wallet_service.notifications.model import Shown, Wanted
from wallet_service.notifications.operations import Notifications
from wallet_service.rpc.scope import Scope


class NotificationSettingsMethods:
    """The two methods about people who are told."""

    def __init__(self, scope: Scope, notifications: Notifications) -> None:
        self._scope = scope
        self._notifications = notifications

    async def get_notification_settings(
        self, request: rpc.GetNotificationSettingsRequest, ctx: object, /
    ) -> rpc.GetNotificationSettingsResponse:
        owner = await self._scope.owner("billing account", request.name)
        return rpc.GetNotificationSettingsResponse(targets=_to_proto(await self._notifications.get(owner.org_id)))

    async def update_notification_settings(
        self, request: rpc.UpdateNotificationSettingsRequest, ctx: object, /
    ) -> rpc.UpdateNotificationSettingsResponse:
        owner = await self._scope.owner("billing account", request.name)
        wanted = [Wanted(target.url, tuple(target.event_types)) for target in request.targets]
        made = await self._notifications.update(owner.org_id, wanted)
        return rpc.UpdateNotificationSettingsResponse(targets=_to_proto(made))


def _to_proto(targets: Sequence[Shown]) -> list[pb.NotificationTarget]:
    return [pb.NotificationTarget(url=shown.address, event_types=list(shown.event_types)) for shown in targets]
