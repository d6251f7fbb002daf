"""Steps that other domains join to their transactions: what stands behind a wallet, and how much of its limit is used."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import queries
from wallet_service import names
from wallet_service.accounts import steps as accounts
from wallet_service.accounts.model import Wallet
from wallet_service.errors import not_found
from wallet_service.limits import store
from wallet_service.limits.model import LimitStatus, SpendingLimit, Standing
from wallet_service.limits.rules import sliding_length, window_at

_PRECISION: Final = timedelta(seconds=1)


async def standing(conn: AsyncConnection, org_id: UUID) -> Standing:
    """The organization's open wallet, its limit and the state of its billing account, by one statement.

    Raises RESOURCE_NOT_FOUND.
    """
    found = await store.standing(conn, org_id)
    if found is None:
        owner = await accounts.organization(conn, org_id)
        raise not_found("wallet", names.wallet(owner.slug))
    return found


async def standings(conn: AsyncConnection, slugs: Collection[str]) -> list[Standing]:
    """The same of the organizations of these slugs, in one statement; those without an open wallet are left out."""
    return await store.standings(conn, slugs)


async def status(conn: AsyncConnection, wallet: Wallet, limit: SpendingLimit, *, now: datetime) -> LimitStatus:
    """How much of a limit is used now."""
    window = window_at(limit, now)
    spent = await queries.spend(conn, wallet.org_id, wallet.account_id, since=window.start)
    balance = await queries.balance(conn, wallet.org_id, wallet.account_id)
    assert balance is not None, "every wallet has a ledger account"
    return LimitStatus(wallet, limit, window, spent, balance.held_minor)


async def ages_below(
    conn: AsyncConnection, wallet: Wallet, limit: SpendingLimit, *, room_minor: int, now: datetime
) -> datetime:
    """When the spend of a sliding window will have aged to at most `room_minor`, if nothing more is spent.

    To the second, never too early; about twenty statements. Call it when more than `room_minor` is spent.
    """
    length = sliding_length(limit)
    low, high = now - length, now
    while high - low > _PRECISION:
        middle = low + (high - low) / 2
        if await queries.spend(conn, wallet.org_id, wallet.account_id, since=middle) <= room_minor:
            high = middle
        else:
            low = middle
    return high + length
