"""wallet.v1.WalletService: the alerts of a wallet."""

from wallet_api.wallet.v1 import wallet_config_pb as pb
from wallet_api.wallet.v1 import wallet_service_pb as rpc

from wallet_service import names
from wallet_service.alerts.model import AlertSettings
from wallet_service.alerts.operations import Alerts
from wallet_service.rpc.call import current_call
from wallet_service.rpc.convert import to_unix
from wallet_service.rpc.scope import Scope


class WalletAlertMethods:
    """The two methods about alerts."""

    def __init__(self, scope: Scope, alerts: Alerts) -> None:
        self._scope = scope
        self._alerts = alerts

    async def configure_wallet_alerts(
        self, request: rpc.ConfigureWalletAlertsRequest, ctx: object, /
    ) -> rpc.ConfigureWalletAlertsResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        settings = await self._alerts.configure(
            owner.org_id,
            balance_alert_minor=request.balance_alert_minor,
            days_remaining_alert=request.days_remaining_alert,
        )
        return rpc.ConfigureWalletAlertsResponse(config=_to_proto(settings))

    async def get_wallet_alerts(
        self, request: rpc.GetWalletAlertsRequest, ctx: object, /
    ) -> rpc.GetWalletAlertsResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        return rpc.GetWalletAlertsResponse(config=_to_proto(await self._alerts.get(owner.org_id)))


def _to_proto(settings: AlertSettings) -> pb.WalletAlertConfig:
    balance, days = settings.alerts.balance, settings.alerts.days
    return pb.WalletAlertConfig(
        wallet_name=names.wallet(settings.org_slug, flat=current_call().flat_names),
        balance_alert_minor=balance.threshold_minor or 0,
        days_remaining_alert=days.threshold_days or 0,
        last_balance_fired_at_unix=to_unix(balance.last_fired_at),
        last_days_fired_at_unix=to_unix(days.last_fired_at),
        currency=settings.currency,
    )
