"""The use case of GetCostForecast."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.money import EXACT
from ledger.queries import spend
from wallet_service.accounts import steps as accounts
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.forecast import steps
from wallet_service.forecast.projection_rules import (
    HISTORY_HOURS,
    CategoryProjection,
    Depletion,
    Method,
    Projection,
    by_category,
    deplete,
    project,
)
from wallet_service.forecast.rules import BURN_HOURS, HOUR, Line, Period, PeriodKind, hour_of, line_of, period_of
from wallet_service.forecast.store import HourlySpend


@dataclass(frozen=True, slots=True)
class Forecast:
    """The present period of a wallet. `spent_minor` is from the ledger; committed_per_hour is what runs now, exact."""

    currency: str
    now: datetime
    period: Period
    spent_minor: int
    line: Line
    projection: Projection
    depletion: Depletion
    method: Method
    categories: tuple[CategoryProjection, ...]
    committed_per_hour: Decimal


class Forecasts:
    """Forecasts of an organization's open wallet, each on one snapshot."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def forecast(self, org_id: UUID, kind: PeriodKind = PeriodKind.MONTHLY) -> Forecast:
        """The calendar period of now. Raises RESOURCE_NOT_FOUND without an open wallet."""
        now = self._clock.now()

        async def work(conn: AsyncConnection) -> Forecast:
            wallet = await accounts.open_wallet(conn, org_id)
            period, hour = period_of(kind, now), hour_of(now)
            since = min(period.start, hour - HISTORY_HOURS * HOUR)
            rows = await steps.spend_since(conn, wallet, since, now)
            committed = await steps.running_per_hour(conn, wallet, hour)
            # Everything since: entries may be recorded a moment after `now` was read.
            spent = await spend(conn, org_id, wallet.account_id, since=period.start)
            model = steps.model_of(rows, hour, committed)
            line = line_of(period, now, spent_minor=spent)
            projection = project(model, line, period, now, spent_minor=spent)
            return Forecast(
                currency=wallet.currency,
                now=now,
                period=period,
                spent_minor=spent,
                line=line,
                projection=projection,
                depletion=deplete(model, await steps.available(conn, wallet), now),
                method=model.method,
                categories=tuple(
                    by_category(
                        _by_category(rows, lambda at: period.start <= at < period.end),
                        _by_category(rows, lambda at: at >= hour - BURN_HOURS * HOUR),
                        rest_minor=projection.expected_minor - spent,
                    )
                ),
                committed_per_hour=committed,
            )

        return await self._db.read(work)


def _by_category(rows: Iterable[HourlySpend], is_wanted: Callable[[datetime], bool]) -> dict[str, Decimal]:
    """Exact cost of the wanted hours."""
    found: dict[str, Decimal] = {}
    for row in rows:
        if is_wanted(row.hour):
            found[row.category] = EXACT.add(found.get(row.category, Decimal(0)), row.cost_minor)
    return found
