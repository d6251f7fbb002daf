"""billing.v1.CatalogService."""

import re
from typing import Final

from wallet_api.billing.v1 import catalog_pb as pb
from wallet_api.billing.v1 import catalog_service_pb as rpc
from wallet_api.billing.v1.catalog_service_connect import CatalogService

from wallet_service.catalog.operations import CatalogOperations
from wallet_service.catalog.rules import METER_PATTERN, Meter, NewMeter, NewRate, Rate
from wallet_service.clock import Clock
from wallet_service.errors import Reason, invalid_field
from wallet_service.rating.rules import parse_unit_price, plain_text
from wallet_service.rpc.convert import from_proto_timestamp, to_proto_timestamp

_METER_NAME: Final = re.compile(rf"meters/({METER_PATTERN})", re.ASCII)


class CatalogServicer(CatalogService):
    """Meters and rates, the same for every organization."""

    def __init__(self, catalog: CatalogOperations, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    async def create_meter(self, request: rpc.CreateMeterRequest, ctx: object, /) -> rpc.CreateMeterResponse:
        new = NewMeter(
            meter=request.meter_id,
            unit=request.unit,
            category=request.category,
            display_name=request.display_name,
        )
        made = await self._catalog.create_meter(new, request_id=request.request_id)
        return rpc.CreateMeterResponse(meter=to_proto_meter(made))

    async def get_meter(self, request: rpc.GetMeterRequest, ctx: object, /) -> rpc.GetMeterResponse:
        found = await self._catalog.get_meter(parse_meter(request.name, "name"))
        return rpc.GetMeterResponse(meter=to_proto_meter(found))

    async def list_meters(self, request: rpc.ListMetersRequest, ctx: object, /) -> rpc.ListMetersResponse:
        page = await self._catalog.list_meters(
            prefix=request.meter_prefix, size=request.page_size, token=request.page_token
        )
        return rpc.ListMetersResponse(
            meters=[to_proto_meter(row) for row in page.rows], next_page_token=page.next_page_token
        )

    async def update_meter(self, request: rpc.UpdateMeterRequest, ctx: object, /) -> rpc.UpdateMeterResponse:
        changed = await self._catalog.update_meter(
            parse_meter(request.name, "name"),
            display_name=request.display_name if request.has_field("display_name") else None,
            category=request.category if request.has_field("category") else None,
        )
        return rpc.UpdateMeterResponse(meter=to_proto_meter(changed))

    async def create_rate(self, request: rpc.CreateRateRequest, ctx: object, /) -> rpc.CreateRateResponse:
        price = parse_unit_price(request.unit_price_minor_decimal)
        if price is None:
            raise invalid_field("unit_price_minor_decimal", "must be decimal text, 0 or more")
        effective_at = from_proto_timestamp(request.effective_time, "effective_time")
        new = NewRate(
            meter=parse_meter(request.meter_name, "meter_name"),
            currency=request.currency or "USD",
            unit_price_minor=price,
            effective_at=effective_at or self._clock.now(),
        )
        made = await self._catalog.create_rate(
            new, request_id=request.request_id, effective_given=effective_at is not None
        )
        return rpc.CreateRateResponse(rate=to_proto_rate(made))

    async def list_rates(self, request: rpc.ListRatesRequest, ctx: object, /) -> rpc.ListRatesResponse:
        page = await self._catalog.list_rates(
            meter=parse_meter(request.meter_name, "meter_name") if request.meter_name else "",
            currency=request.currency,
            in_force_at=from_proto_timestamp(request.in_force_time, "in_force_time"),
            size=request.page_size,
            token=request.page_token,
        )
        return rpc.ListRatesResponse(
            rates=[to_proto_rate(row) for row in page.rows], next_page_token=page.next_page_token
        )


def parse_meter(name: str, field: str) -> str:
    """The meter of `meters/{meter}`. Raises INVALID_RESOURCE_NAME."""
    found = _METER_NAME.fullmatch(name)
    if found is None:
        raise invalid_field(field, "must be a name of the form meters/{meter}", reason=Reason.INVALID_RESOURCE_NAME)
    return found.group(1)


def to_proto_meter(meter: Meter) -> pb.Meter:
    return pb.Meter(
        name=f"meters/{meter.meter}",
        display_name=meter.display_name,
        unit=meter.unit,
        category=meter.category,
        aggregation=pb.Aggregation.SUM,
        create_time=to_proto_timestamp(meter.created_at),
    )


def to_proto_rate(rate: Rate) -> pb.Rate:
    return pb.Rate(
        name=f"meters/{rate.meter}/rates/{rate.rate_id}",
        meter_name=f"meters/{rate.meter}",
        currency=rate.currency,
        unit_price_minor_decimal=plain_text(rate.unit_price_minor),
        effective_time=to_proto_timestamp(rate.effective_at),
        create_time=to_proto_timestamp(rate.created_at),
    )
