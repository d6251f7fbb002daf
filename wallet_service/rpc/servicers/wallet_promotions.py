"""wallet.v1.WalletService: promotions of an organization."""

from wallet_api.wallet.v1 import promotion_pb as pb
from wallet_api.wallet.v1 import wallet_service_pb as rpc

from wallet_service.promotions.model import Promotion
from wallet_service.promotions.operations import Promotions
from wallet_service.rpc.convert import to_unix
from wallet_service.rpc.scope import Scope


class WalletPromotions:
    """RedeemPromotionCode and GetActivePromotion."""

    def __init__(self, scope: Scope, promotions: Promotions) -> None:
        self._scope = scope
        self._promotions = promotions

    async def redeem_promotion_code(
        self, request: rpc.RedeemPromotionCodeRequest, ctx: object, /
    ) -> rpc.RedeemPromotionCodeResponse:
        owner = await self._scope.owner("organization", request.organization_name)
        made = await self._promotions.redeem(owner.org_id, request.code)
        return rpc.RedeemPromotionCodeResponse(promotion=to_proto_promotion(made))

    async def get_active_promotion(
        self, request: rpc.GetActivePromotionRequest, ctx: object, /
    ) -> rpc.GetActivePromotionResponse:
        owner = await self._scope.owner("organization", request.organization_name)
        found = await self._promotions.active(owner.org_id)
        return rpc.GetActivePromotionResponse(promotion=None if found is None else to_proto_promotion(found))


def to_proto_promotion(promotion: Promotion) -> pb.ActivePromotion:
    return pb.ActivePromotion(
        campaign_name=promotion.campaign_id,
        display_name=promotion.display_name,
        discount_pct=promotion.percent,
        discount_starts_at_unix=to_unix(promotion.starts_at),
        discount_ends_at_unix=to_unix(promotion.ends_at),
        applies_to_usage=promotion.applies_to_usage,
        applies_to_prepaid=promotion.applies_to_prepaid,
    )
