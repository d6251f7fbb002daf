"""SQL of spending limits."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Text, and_, any_, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts.model import BillingAccountState, Wallet
from wallet_service.accounts.tables import billing_accounts, organization_directory, organizations, wallets
from wallet_service.due import first_times
from wallet_service.limits.model import DueLimit, Duration, SpendingLimit, Standing, Strategy
from wallet_service.limits.tables import spending_limits
from wallet_service.testclocks.steps import in_real_time

WITH_LIMITS: Final = "SELECT org_id FROM spending_limits WHERE org_id = ANY ($1)"
"""Those of the organizations that have set one."""


_LIMIT_COLUMNS: Final = (
    spending_limits.c.amount_minor,
    spending_limits.c.duration,
    spending_limits.c.strategy,
    spending_limits.c.updated_at,
    spending_limits.c.reached_at,
    spending_limits.c.reached_until,
)

_STANDINGS: Final = (
    select(
        *(column for column in wallets.c if column.name != "closed_at"),
        organizations.c.slug.label("org_slug"),
        billing_accounts.c.state,
        billing_accounts.c.suspended_reason,
        *(column.label(f"limit_{column.name}") for column in _LIMIT_COLUMNS),
    )
    .join_from(wallets, organizations, organizations.c.org_id == wallets.c.org_id)
    .join(
        billing_accounts,
        and_(
            billing_accounts.c.org_id == wallets.c.org_id,
            billing_accounts.c.billing_account_id == wallets.c.billing_account_id,
        ),
    )
    .outerjoin(
        spending_limits,
        and_(spending_limits.c.org_id == wallets.c.org_id, spending_limits.c.wallet_id == wallets.c.wallet_id),
    )
    .where(wallets.c.closed_at.is_(None))
)


_SLUGS: Final = bindparam("slugs", type_=ARRAY(Text))


async def standing(conn: AsyncConnection, org_id: UUID) -> Standing | None:
    """The open wallet with everything that has a say in what it spends, in one statement."""
    row = (await conn.execute(_STANDINGS.where(wallets.c.org_id == org_id))).one_or_none()
    return None if row is None else _standing_from_row(row)


async def standings(conn: AsyncConnection, slugs: Collection[str]) -> list[Standing]:
    """The same of the organizations of these slugs; those without an open wallet are left out."""
    named = select(organization_directory.c.org_id).where(organization_directory.c.slug == any_(_SLUGS))
    rows = await conn.execute(_STANDINGS.where(wallets.c.org_id.in_(named)), {"slugs": list(slugs)})
    return [_standing_from_row(row) for row in rows]


async def lock_limit(conn: AsyncConnection, wallet: Wallet) -> SpendingLimit | None:
    """The wallet's limit, which nobody else changes until the transaction ends."""
    row = (await conn.execute(select(*_LIMIT_COLUMNS).where(_of(wallet)).with_for_update())).one_or_none()
    return None if row is None else _limit_from_row(row)


async def upsert_limit(conn: AsyncConnection, wallet: Wallet, limit: SpendingLimit) -> None:
    """Write the limit, in place of the one that the wallet has."""
    values = {
        "amount_minor": limit.amount_minor,
        "duration": limit.duration.value,
        "strategy": limit.strategy.value,
        "updated_at": limit.updated_at,
        "reached_at": limit.reached_at,
        "reached_until": limit.reached_until,
    }
    await conn.execute(
        insert(spending_limits)
        .values(org_id=wallet.org_id, wallet_id=wallet.wallet_id, **values)
        .on_conflict_do_update(index_elements=["org_id", "wallet_id"], set_=values)
    )


async def update_marks(conn: AsyncConnection, wallet: Wallet, limit: SpendingLimit) -> None:
    """Write when the limit was reached, and until when."""
    await conn.execute(
        update(spending_limits)
        .where(_of(wallet))
        .values(reached_at=limit.reached_at, reached_until=limit.reached_until)
    )


async def forget_marks(conn: AsyncConnection, org_id: UUID, *, but: UUID | None) -> None:
    """Nothing is looked at again but the limit of the wallet `but`: the other wallets are closed."""
    limits = spending_limits.c
    others = and_(limits.org_id == org_id, limits.reached_until.is_not(None))
    if but is not None:
        others = and_(others, limits.wallet_id != but)
    await conn.execute(update(spending_limits).where(others).values(reached_until=None))


async def delete_limit(conn: AsyncConnection, wallet: Wallet) -> bool:
    """Whether there was one."""
    return (await conn.execute(delete(spending_limits).where(_of(wallet)))).rowcount == 1


async def next_due(conn: AsyncConnection, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
    """The earliest `reached_until` of each organization."""
    return await first_times(
        conn, "SELECT org_id, min(reached_until) FROM spending_limits WHERE org_id = ANY ($1) GROUP BY org_id", org_ids
    )


async def due_limits(conn: AsyncConnection, org_id: UUID | None, *, now: datetime, limit: int) -> Sequence[DueLimit]:
    """Reached limits to look at again, longest due first; of one organization, or (None) of those in real time."""
    limits = spending_limits.c
    query = select(limits.org_id, limits.wallet_id).where(limits.reached_until <= now)
    query = query.where(in_real_time(limits.org_id) if org_id is None else limits.org_id == org_id)
    rows = await conn.execute(query.order_by(limits.reached_until).limit(limit))
    return [DueLimit(row.org_id, row.wallet_id) for row in rows]


def _of(wallet: Wallet) -> Any:
    return and_(spending_limits.c.org_id == wallet.org_id, spending_limits.c.wallet_id == wallet.wallet_id)


def _standing_from_row(row: Row[Any]) -> Standing:
    wallet = Wallet(
        org_id=row.org_id,
        org_slug=row.org_slug,
        wallet_id=row.wallet_id,
        billing_account_id=row.billing_account_id,
        account_id=row.account_id,
        currency=row.currency,
        display_name=row.display_name,
        created_at=row.created_at,
        closed_at=None,
    )
    limit = None
    if row.limit_amount_minor is not None:
        limit = SpendingLimit(
            amount_minor=row.limit_amount_minor,
            duration=Duration(row.limit_duration),
            strategy=Strategy(row.limit_strategy),
            updated_at=row.limit_updated_at,
            reached_at=row.limit_reached_at,
            reached_until=row.limit_reached_until,
        )
    return Standing(wallet, BillingAccountState(row.state), row.suspended_reason, limit)


def _limit_from_row(row: Any) -> SpendingLimit:
    return SpendingLimit(
        amount_minor=row.amount_minor,
        duration=Duration(row.duration),
        strategy=Strategy(row.strategy),
        updated_at=row.updated_at,
        reached_at=row.reached_at,
        reached_until=row.reached_until,
    )
