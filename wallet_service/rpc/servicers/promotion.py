"""billing.v1.PromotionService."""

from wallet_api.billing.v1 import promotion_service_pb as rpc
from wallet_api.billing.v1.promotion_service_connect import PromotionService

from wallet_service import names
from wallet_service.promotions.model import Campaign, NewCampaign, PromotionCode
from wallet_service.promotions.operations import Promotions
from wallet_service.rpc.convert import (
    from_proto_duration,
    from_proto_timestamp,
    to_proto_duration,
    to_proto_timestamp,
)


class PromotionServicer(PromotionService):
    """Campaigns and codes, for operators."""

    def __init__(self, promotions: Promotions) -> None:
        self._promotions = promotions

    async def create_campaign(self, request: rpc.CreateCampaignRequest, ctx: object, /) -> rpc.CreateCampaignResponse:
        made = await self._promotions.create_campaign(from_proto_campaign(request), request_id=request.request_id)
        return rpc.CreateCampaignResponse(campaign=to_proto_campaign(made))

    async def get_campaign(self, request: rpc.GetCampaignRequest, ctx: object, /) -> rpc.GetCampaignResponse:
        found = await self._promotions.get_campaign(names.parse_campaign(request.name, "name"))
        return rpc.GetCampaignResponse(campaign=to_proto_campaign(found))

    async def list_campaigns(self, request: rpc.ListCampaignsRequest, ctx: object, /) -> rpc.ListCampaignsResponse:
        page = await self._promotions.list_campaigns(size=request.page_size, token=request.page_token)
        return rpc.ListCampaignsResponse(
            campaigns=[to_proto_campaign(row) for row in page.rows], next_page_token=page.next_page_token
        )

    async def create_promotion_codes(
        self, request: rpc.CreatePromotionCodesRequest, ctx: object, /
    ) -> rpc.CreatePromotionCodesResponse:
        campaign_id = names.parse_campaign(request.campaign_name, "campaign_name")
        codes = await self._promotions.create_codes(campaign_id, count=request.count or 1)
        return rpc.CreatePromotionCodesResponse(codes=codes)

    async def list_promotion_codes(
        self, request: rpc.ListPromotionCodesRequest, ctx: object, /
    ) -> rpc.ListPromotionCodesResponse:
        campaign_id = names.parse_campaign(request.campaign_name, "campaign_name")
        page = await self._promotions.list_codes(campaign_id, size=request.page_size, token=request.page_token)
        return rpc.ListPromotionCodesResponse(
            promotion_codes=[to_proto_code(row) for row in page.rows], next_page_token=page.next_page_token
        )


def from_proto_campaign(request: rpc.CreateCampaignRequest) -> NewCampaign:
    wanted = request.campaign
    assert wanted is not None, "validation requires it"
    return NewCampaign(
        campaign_id=request.campaign_id,
        display_name=wanted.display_name,
        percent=wanted.discount_pct,
        starts_at=from_proto_timestamp(wanted.discount_start_time, "campaign.discount_start_time"),
        ends_at=from_proto_timestamp(wanted.discount_end_time, "campaign.discount_end_time"),
        lasts=from_proto_duration(wanted.discount_duration, "campaign.discount_duration"),
        applies_to_usage=wanted.applies_to_usage,
        applies_to_prepaid=wanted.applies_to_prepaid,
        redeem_before=from_proto_timestamp(wanted.redeem_before_time, "campaign.redeem_before_time"),
    )


def to_proto_campaign(campaign: Campaign) -> rpc.Campaign:
    terms = campaign.terms
    return rpc.Campaign(
        name=names.campaign(terms.campaign_id),
        display_name=terms.display_name,
        discount_pct=terms.percent,
        discount_start_time=to_proto_timestamp(terms.starts_at),
        discount_end_time=to_proto_timestamp(terms.ends_at),
        discount_duration=to_proto_duration(terms.lasts),
        applies_to_usage=terms.applies_to_usage,
        applies_to_prepaid=terms.applies_to_prepaid,
        redeem_before_time=to_proto_timestamp(terms.redeem_before),
        code_count=campaign.code_count,
        redeemed_count=campaign.redeemed_count,
        create_time=to_proto_timestamp(campaign.created_at),
    )


def to_proto_code(code: PromotionCode) -> rpc.PromotionCode:
    return rpc.PromotionCode(
        name=names.promotion_code(code.campaign_id, str(code.code_id)),
        prefix=code.prefix,
        organization_name="" if code.org_slug is None else names.organization(code.org_slug),
        redeem_time=to_proto_timestamp(code.redeemed_at),
        create_time=to_proto_timestamp(code.created_at),
    )
