"""wallet.v1.WalletService: automatic recharging."""

from datetime import timedelta

from wallet_api.wallet.v1 import wallet_config_pb as pb
from wallet_api.wallet.v1 import wallet_service_pb as rpc

from wallet_service import names
from wallet_service.recharge.model import RechargeConfig, RechargeView
from wallet_service.recharge.operations import AutoRecharges, RechargeRequest
from wallet_service.rpc.call import current_call
from wallet_service.rpc.convert import to_unix
from wallet_service.rpc.scope import Owner, Scope, caller

_SECOND = timedelta(seconds=1)


class WalletRecharge:
    """The three methods about automatic recharging."""

    def __init__(self, scope: Scope, auto_recharges: AutoRecharges) -> None:
        self._scope = scope
        self._auto_recharges = auto_recharges

    async def configure_auto_recharge(
        self, request: rpc.ConfigureAutoRechargeRequest, ctx: object, /
    ) -> rpc.ConfigureAutoRechargeResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        if request.enabled:
            wanted = from_proto_request(request)
            view = await self._auto_recharges.enable(owner.org_id, wanted, key_id=caller().key_id)
        else:
            view = await self._auto_recharges.disable(owner.org_id)
        return rpc.ConfigureAutoRechargeResponse(config=to_proto_auto_recharge(view, owner))

    async def get_auto_recharge_config(
        self, request: rpc.GetAutoRechargeConfigRequest, ctx: object, /
    ) -> rpc.GetAutoRechargeConfigResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        view = await self._auto_recharges.get(owner.org_id)
        return rpc.GetAutoRechargeConfigResponse(config=to_proto_auto_recharge(view, owner))

    async def delete_auto_recharge(
        self, request: rpc.DeleteAutoRechargeRequest, ctx: object, /
    ) -> rpc.DeleteAutoRechargeResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        await self._auto_recharges.delete(owner.org_id)
        return rpc.DeleteAutoRechargeResponse()


def from_proto_request(request: rpc.ConfigureAutoRechargeRequest) -> RechargeRequest:
    return RechargeRequest(
        threshold_minor=request.threshold_minor,
        amount_minor=request.amount_minor,
        payment_method_id=names.parse_child("payment-methods", request.payment_method_name, "payment_method_name").id,
        close_gap_max_minor=request.close_gap_max_minor,
        daily_cap_minor=request.daily_cap_minor,
        monthly_cap_minor=request.monthly_cap_minor,
        cooldown=timedelta(seconds=request.cooldown_seconds),
        mandate_text=request.mandate_text,
    )


def to_proto_auto_recharge(view: RechargeView, owner: Owner) -> pb.AutoRechargeConfig:
    """What was never configured is shown as zeros."""
    flat = current_call().flat_names
    config = pb.AutoRechargeConfig(wallet_name=names.wallet(owner.slug, flat=flat), currency=view.currency)
    if view.open_attempt is not None:
        config.pending_top_up_name = names.child("topUps", owner.slug, str(view.open_attempt.topup_id), flat=flat)
    if view.config is not None:
        _show(view.config, config, owner, flat=flat)
    if view.consent is not None:
        config.consented_at_unix = to_unix(view.consent.agreed_at)
        config.mandate_text = view.consent.mandate_text
    return config


def _show(stored: RechargeConfig, config: pb.AutoRechargeConfig, owner: Owner, *, flat: bool) -> None:
    terms = stored.terms
    config.enabled = stored.is_enabled
    config.threshold_minor = terms.threshold_minor
    config.amount_minor = terms.amount_minor
    config.payment_method_name = names.child("payment-methods", owner.slug, terms.payment_method_id, flat=flat)
    config.last_auto_recharge_at_unix = to_unix(stored.last_succeeded_at)
    config.disabled_reason = stored.disabled_reason.value if stored.disabled_reason else ""
    config.last_error = stored.last_error or ""
    config.last_failed_at_unix = to_unix(stored.last_failed_at)
    config.next_attempt_at_unix = to_unix(stored.next_attempt_at)
    config.daily_cap_minor = terms.daily_cap_minor
    config.monthly_cap_minor = terms.monthly_cap_minor
    config.close_gap_max_minor = terms.close_gap_max_minor
    config.cooldown_seconds = terms.cooldown // _SECOND
