"""Steps that other domains join to their transactions: what a wallet burns, and when it will be empty."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts import steps as accounts
from wallet_service.accounts.model import Wallet
from wallet_service.forecast import store
from wallet_service.forecast.rules import BURN_HOURS, HOUR, RUNNING_HOURS, STATISTICS, burn_per_hour, hour_of


async def hourly_burn(conn: AsyncConnection, org_id: UUID, now: datetime) -> Decimal:
    """Minor units an hour that the organization's open wallet spends at present; 0 when nothing is spent.

    The mean of the last 168 complete hours, of fewer (at least 24) where spending began later, or what runs now where that
    is more than ever before. Cheap: two statements. Raises RESOURCE_NOT_FOUND without an open wallet.
    """
    wallet = await accounts.open_wallet(conn, org_id)
    hour = hour_of(now)
    since = hour - BURN_HOURS * HOUR
    spent: dict[datetime, Decimal] = {}
    for row in await store.hourly_spend(
        conn, org_id, wallet.account_id, wallet.currency, since=since, until=hour + HOUR
    ):
        spent[row.hour] = spent.get(row.hour, Decimal(0)) + row.cost_minor
    current = spent.pop(hour, Decimal(0))
    first = min(spent, default=hour)
    hours = [spent.get(first + number * HOUR, Decimal(0)) for number in range((hour - first) // HOUR)]
    return burn_per_hour(
        hours,
        current_hour=current,
        running_per_hour=await running_per_hour(conn, wallet, hour),
    )


async def running_per_hour(conn: AsyncConnection, wallet: Wallet, hour: datetime) -> Decimal:
    """What an hour of the resources that run at `hour` (a whole one) costs; 0 when none is known to run."""
    cost = await store.running_cost(conn, wallet.org_id, wallet.currency, until=hour, hour_count=RUNNING_HOURS)
    return STATISTICS.divide(cost, Decimal(RUNNING_HOURS))
