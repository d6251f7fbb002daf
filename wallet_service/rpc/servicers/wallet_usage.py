"""wallet.v1.WalletService: usage and public rates."""

from typing import Final

from wallet_api.wallet.v1 import meter_rate_pb, usage_pb
from wallet_api.wallet.v1 import wallet_service_pb as rpc

from ledger.money import round_half_even
from wallet_service import names
from wallet_service.catalog.operations import CatalogOperations
from wallet_service.catalog.rules import PublicRate
from wallet_service.rating.rules import plain_text
from wallet_service.rpc.convert import from_unix, to_unix
from wallet_service.rpc.scope import Scope
from wallet_service.usage.query_operations import UsageQueries
from wallet_service.usage.query_rules import Bucket, Dimension, UsageRow

_GROUPS: Final = {
    usage_pb.UsageGroupBy.CATEGORY: Dimension.CATEGORY,
    usage_pb.UsageGroupBy.RESOURCE: Dimension.RESOURCE,
    usage_pb.UsageGroupBy.DATACENTER: Dimension.DATACENTER,
    usage_pb.UsageGroupBy.PROJECT: Dimension.PROJECT,
    usage_pb.UsageGroupBy.METER: Dimension.METER,
}


class WalletUsage:
    """QueryUsage and ListPublicMeterRates."""

    def __init__(
        self, scope: Scope, queries: UsageQueries, catalog: CatalogOperations, *, egress_free_gib: int
    ) -> None:
        """egress_free_gib: Data Transfer that is free for each project and month, as it is shown."""
        self._scope = scope
        self._queries = queries
        self._catalog = catalog
        self._egress_free_gib = egress_free_gib

    async def query_usage(self, request: rpc.QueryUsageRequest, ctx: object, /) -> rpc.QueryUsageResponse:
        if request.project_name:
            project = await self._scope.project(request.project_name, "project_name")
            org_id, project_id = project.org_id, project.project_id
        else:
            owner = await self._scope.owner("organization", request.organization_name)
            org_id, project_id = owner.org_id, None
        dimensions = [Dimension(text) for text in request.dimensions]
        if request.group_by in _GROUPS:
            dimensions.append(_GROUPS[request.group_by])
        page = await self._queries.query(
            org_id,
            project_id=project_id,
            meter_prefix=request.meter_prefix,
            start=from_unix(request.start_time_unix, "start_time_unix"),
            end=from_unix(request.end_time_unix, "end_time_unix"),
            bucket=Bucket(request.bucket or Bucket.DAY),
            dimensions=dimensions,
            size=request.page_size,
            token=request.page_token,
        )
        return rpc.QueryUsageResponse(
            rows=[to_proto_row(row) for row in page.rows],
            next_page_token=page.next_page_token,
            egress_free_gib=self._egress_free_gib,
        )

    async def list_public_meter_rates(
        self, request: rpc.ListPublicMeterRatesRequest, ctx: object, /
    ) -> rpc.ListPublicMeterRatesResponse:
        page = await self._catalog.list_public_rates(
            prefix=request.meter_prefix,
            currency=request.currency.upper(),
            size=request.page_size,
            token=request.page_token,
        )
        return rpc.ListPublicMeterRatesResponse(
            public_meter_rates=[to_proto_public_rate(row) for row in page.rows],
            next_page_token=page.next_page_token,
        )


def to_proto_row(row: UsageRow) -> usage_pb.UsageRow:
    return usage_pb.UsageRow(
        bucket_start_unix=to_unix(row.bucket_start),
        project_name=names.project(row.project) if row.project else "",
        meter=row.meter,
        datacenter_name=names.datacenter(row.datacenter),
        resource_name=row.resource,
        quantity="" if row.quantity is None else plain_text(row.quantity),
        unit=row.unit,
        cost_minor=row.cost_minor,
        currency=row.currency,
        category=row.category,
        cost_minor_decimal=plain_text(row.cost_minor_exact),
        discount_minor_decimal=plain_text(row.discount_minor_exact),
    )


def to_proto_public_rate(public: PublicRate) -> meter_rate_pb.PublicMeterRate:
    rate = public.rate
    return meter_rate_pb.PublicMeterRate(
        meter=rate.meter,
        currency=rate.currency,
        unit_price_minor=round_half_even(rate.unit_price_minor),
        display_name=public.display_name,
        effective_at_unix=to_unix(rate.effective_at),
        unit_price_minor_decimal=plain_text(rate.unit_price_minor),
    )
