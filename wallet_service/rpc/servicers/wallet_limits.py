"""wallet.v1.WalletService: spending limits, and whether something may be spent."""

from wallet_api.wallet.v1 import spending_pb as pb

from wallet_service import names
from wallet_service.limits.authorization import SpendAuthorization
from wallet_service.limits.model import Authorization, Duration, LimitStatus, Strategy
from wallet_service.limits.operations import SpendingLimits
from wallet_service.rating.rules import plain_text
from wallet_service.rpc.call import current_call
from wallet_service.rpc.convert import to_unix
from wallet_service.rpc.scope import Scope


class WalletLimits:
    """GetSpendingLimit, SetSpendingLimit, DeleteSpendingLimit and AuthorizeSpend."""

    def __init__(self, scope: Scope, limits: SpendingLimits, authorization: SpendAuthorization) -> None:
        self._scope = scope
        self._limits = limits
        self._authorization = authorization

    async def get_spending_limit(
        self, request: pb.GetSpendingLimitRequest, ctx: object, /
    ) -> pb.GetSpendingLimitResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        found = await self._limits.get(owner.org_id)
        return pb.GetSpendingLimitResponse(limit=None if found is None else to_proto_limit(found))

    async def set_spending_limit(
        self, request: pb.SetSpendingLimitRequest, ctx: object, /
    ) -> pb.SetSpendingLimitResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        made = await self._limits.set(
            owner.org_id,
            amount_minor=request.amount_minor,
            duration=Duration(request.duration),
            strategy=Strategy(request.strategy),
        )
        return pb.SetSpendingLimitResponse(limit=to_proto_limit(made))

    async def delete_spending_limit(
        self, request: pb.DeleteSpendingLimitRequest, ctx: object, /
    ) -> pb.DeleteSpendingLimitResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        await self._limits.delete(owner.org_id)
        return pb.DeleteSpendingLimitResponse()

    async def authorize_spend(self, request: pb.AuthorizeSpendRequest, ctx: object, /) -> pb.AuthorizeSpendResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        if request.meter:
            answer = await self._authorization.of_usage(owner.org_id, meter=request.meter, quantity=request.quantity)
        else:
            answer = await self._authorization.of_amount(owner.org_id, request.amount_minor)
        return to_proto_authorization(answer)


def to_proto_limit(status: LimitStatus) -> pb.SpendingLimit:
    limit = status.limit
    return pb.SpendingLimit(
        wallet_name=names.wallet(status.wallet.org_slug, flat=current_call().flat_names),
        amount_minor=limit.amount_minor,
        duration=limit.duration.value,
        strategy=limit.strategy.value,
        currency=status.wallet.currency,
        spent_minor=status.spent_minor,
        held_minor=status.held_minor,
        remaining_minor=status.remaining_minor,
        window_start_unix=to_unix(status.window.start),
        window_end_unix=to_unix(status.window.end),
        last_reached_at_unix=to_unix(limit.reached_at),
    )


def to_proto_authorization(answer: Authorization) -> pb.AuthorizeSpendResponse:
    return pb.AuthorizeSpendResponse(
        allowed=answer.allowed,
        denial_reasons=[reason.value for reason in answer.refusals],
        amount_minor=answer.amount_minor,
        cost_minor_decimal=plain_text(answer.charge.cost_minor),
        discount_minor_decimal=plain_text(answer.charge.discount_minor),
        currency=answer.currency,
        available_minor=answer.available_minor,
        held_minor=answer.held_minor,
        available_after_minor=answer.available_after_minor,
        limit_remaining_minor=answer.limit_remaining_minor,
    )
