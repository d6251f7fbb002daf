"""wallet.v1.WalletService: forecasts."""

from decimal import Decimal
from typing import Final

from wallet_api.wallet.v1 import wallet_service_pb as rpc

from wallet_service.forecast.operations import Forecast, Forecasts
from wallet_service.forecast.projection_rules import CategoryProjection
from wallet_service.forecast.rules import DAY, PeriodKind
from wallet_service.rating.rules import plain_text
from wallet_service.rpc.convert import to_unix
from wallet_service.rpc.scope import Scope

_COMMITTED_DIGITS: Final = Decimal("0.000001")


class WalletForecast:
    """GetCostForecast."""

    def __init__(self, scope: Scope, forecasts: Forecasts) -> None:
        self._scope = scope
        self._forecasts = forecasts

    async def get_cost_forecast(
        self, request: rpc.GetCostForecastRequest, ctx: object, /
    ) -> rpc.GetCostForecastResponse:
        if request.wallet_name:
            owner = await self._scope.owner("wallet", request.wallet_name)
        else:
            owner = await self._scope.owner("billing account", request.billing_account_name)
        kind = PeriodKind(request.period or PeriodKind.MONTHLY)
        return to_proto_forecast(await self._forecasts.forecast(owner.org_id, kind))


def to_proto_forecast(found: Forecast) -> rpc.GetCostForecastResponse:
    empty_at = found.depletion.expected
    return rpc.GetCostForecastResponse(
        currency=found.currency,
        mtd_spend_minor=found.spent_minor,
        days_elapsed=found.line.days_elapsed,
        days_in_period=found.period.day_count,
        projected_period_total_minor=found.line.projected_total_minor,
        daily_run_rate_minor=found.line.daily_run_rate_minor,
        period_start_unix=to_unix(found.period.start),
        period_end_unix=to_unix(found.period.end),
        pattern_total_minor=found.projection.expected_minor,
        pattern_total_p10_minor=found.projection.p10_minor,
        pattern_total_p90_minor=found.projection.p90_minor,
        depletes_at_unix=to_unix(empty_at),
        depletes_at_p10_unix=to_unix(found.depletion.p10),
        depletes_at_p90_unix=to_unix(found.depletion.p90),
        days_remaining=None if empty_at is None else (empty_at - found.now) // DAY,
        method=found.method.value,
        categories=[to_proto_category(row) for row in found.categories],
        committed_hourly_minor_decimal=plain_text(found.committed_per_hour.quantize(_COMMITTED_DIGITS)),
    )


def to_proto_category(row: CategoryProjection) -> rpc.CategoryForecast:
    return rpc.CategoryForecast(category=row.category, spend_minor=row.spent_minor, projected_minor=row.projected_minor)
