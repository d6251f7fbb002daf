"""Steps that other domains join to their transactions: what a wallet burns, and when it will be empty."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.money import EXACT
from ledger.queries import balance
from wallet_service.accounts import steps as accounts
from wallet_service.accounts.model import Wallet
from wallet_service.errors import not_found
from wallet_service.forecast import store
from wallet_service.forecast.projection_rules import HISTORY_HOURS, Depletion, Model, deplete, fit, flat
from wallet_service.forecast.rules import BURN_HOURS, HOUR, RUNNING_HOURS, STATISTICS, burn_per_hour, hour_of
from wallet_service.forecast.store import HourlySpend


async def hourly_burn(conn: AsyncConnection, org_id: UUID, now: datetime) -> Decimal:
    """Minor units an hour that the organization's open wallet spends at present; 0 when nothing is spent.

    The mean of the last 168 complete hours, of fewer (at least 24) where spending began later, or what runs now where that
    is more than ever before. Cheap: a few statements. Raises RESOURCE_NOT_FOUND without an open wallet.
    """
    wallet = await accounts.open_wallet(conn, org_id)
    hour = hour_of(now)
    rows = await spend_since(conn, wallet, hour - BURN_HOURS * HOUR, now)
    return burn_of(rows, hour, await running_per_hour(conn, wallet, hour))


async def depletion(conn: AsyncConnection, org_id: UUID, now: datetime) -> Depletion:
    """When the organization's open wallet will be empty if nothing is added, by the projection that GetCostForecast shows.

    `now` where nothing is available and something is spent. Raises RESOURCE_NOT_FOUND without an open wallet.
    """
    wallet = await accounts.open_wallet(conn, org_id)
    hour = hour_of(now)
    rows = await spend_since(conn, wallet, hour - HISTORY_HOURS * HOUR, now)
    model = model_of(rows, hour, await running_per_hour(conn, wallet, hour))
    return deplete(model, await available(conn, wallet), now)


async def spend_since(conn: AsyncConnection, wallet: Wallet, since: datetime, now: datetime) -> list[HourlySpend]:
    """Hours with spend from `since` (a whole one) up to the present one and the next, whose usage may be ahead of us."""
    return await store.hourly_spend(
        conn, wallet.org_id, wallet.account_id, wallet.currency, since=since, until=hour_of(now) + 2 * HOUR
    )


async def running_per_hour(conn: AsyncConnection, wallet: Wallet, hour: datetime) -> Decimal:
    """What an hour of the resources that run at `hour` (a whole one) costs; 0 when none is known to run."""
    cost = await store.running_cost(conn, wallet.org_id, wallet.currency, until=hour, hour_count=RUNNING_HOURS)
    return STATISTICS.divide(cost, Decimal(RUNNING_HOURS))


async def available(conn: AsyncConnection, wallet: Wallet) -> Decimal:
    """What the wallet may still spend, exactly: usage that is not yet a whole minor unit is taken off."""
    found = await balance(conn, wallet.org_id, wallet.account_id)
    if found is None:
        raise not_found("wallet", str(wallet.account_id))
    return EXACT.subtract(Decimal(found.available_minor), found.carry)


def burn_of(rows: Iterable[HourlySpend], hour: datetime, running: Decimal) -> Decimal:
    """The burn of an hour at `hour`, from the spend of the last week; older rows do not count."""
    since = hour - BURN_HOURS * HOUR
    recent = [row for row in rows if row.hour >= since]
    current = sum((row.cost_minor for row in recent if row.hour >= hour), Decimal(0))
    return burn_per_hour(_complete_hours(recent, hour), current_hour=current, running_per_hour=running)


def model_of(rows: Iterable[HourlySpend], hour: datetime, running: Decimal) -> Model:
    """The model of the last 28 days at `hour`; a flat one where too little is known."""
    since = hour - HISTORY_HOURS * HOUR
    recent = [row for row in rows if row.hour >= since]
    model = fit(_complete_hours(recent, hour), end=hour, running_per_hour=running)
    return flat(burn_of(recent, hour, running), end=hour) if model is None else model


def _complete_hours(rows: Iterable[HourlySpend], hour: datetime) -> list[Decimal]:
    """Each hour from the first with spend to `hour`."""
    spent: dict[datetime, Decimal] = {}
    for row in rows:
        if row.hour < hour:
            spent[row.hour] = EXACT.add(spent.get(row.hour, Decimal(0)), row.cost_minor)
    first = min(spent, default=hour)
    return [spent.get(first + number * HOUR, Decimal(0)) for number in range((hour - first) // HOUR)]
