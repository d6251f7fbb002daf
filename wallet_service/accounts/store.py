"""SQL of organizations, billing accounts and wallets."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.tables import wallets as ledger_wallets
from wallet_service.accounts.model import (
    BillingAccount,
    BillingAccountState,
    Organization,
    Wallet,
    WalletBalance,
)
from wallet_service.accounts.rows import from_row_wallet
from wallet_service.accounts.tables import (
    billing_accounts,
    organization_directory,
    organizations,
    wallets,
)


async def claim_slug(conn: AsyncConnection, *, slug: str, org_id: uuid.UUID) -> bool:
    """Whether the organization's slug was free."""
    written = await conn.execute(
        insert_or_skip(organization_directory).values(slug=slug, org_id=org_id).on_conflict_do_nothing()
    )
    return written.rowcount == 1


async def insert_organization(conn: AsyncConnection, made: Organization) -> None:
    await conn.execute(
        insert(organizations).values(
            org_id=made.org_id,
            slug=made.slug,
            display_name=made.display_name,
            currency=made.currency,
            usage_age_max_seconds=_seconds(made.usage_age_max),
            created_at=made.created_at,
        )
    )


async def update_organization(
    conn: AsyncConnection,
    org_id: uuid.UUID,
    *,
    display_name: str | None,
    usage_age_max: timedelta | None,
) -> None:
    """Change what is not None."""
    changes: dict[str, Any] = {}
    if display_name is not None:
        changes["display_name"] = display_name
    if usage_age_max is not None:
        changes["usage_age_max_seconds"] = _seconds(usage_age_max)
    if changes:
        await conn.execute(update(organizations).where(organizations.c.org_id == org_id).values(**changes))


async def organization(conn: AsyncConnection, org_id: uuid.UUID) -> Organization | None:
    found = await conn.execute(select(organizations).where(organizations.c.org_id == org_id))
    row = found.one_or_none()
    return None if row is None else from_row_organization(row)


async def list_organizations(
    conn: AsyncConnection, org_id: uuid.UUID | None, *, after: str | None, limit: int
) -> Sequence[Organization]:
    """By slug, from behind `after`; None: of the whole platform."""
    query = select(organizations).join_from(
        organization_directory,
        organizations,
        organizations.c.org_id == organization_directory.c.org_id,
    )
    found = await conn.execute(_by_slug(query, org_id, after=after, limit=limit))
    return [from_row_organization(row) for row in found]


async def insert_billing_account(conn: AsyncConnection, made: BillingAccount) -> None:
    await conn.execute(
        insert(billing_accounts).values(
            org_id=made.org_id,
            billing_account_id=made.billing_account_id,
            display_name=made.display_name,
            state=made.state.value,
            suspended_reason=made.suspended_reason,
            created_at=made.created_at,
        )
    )


async def rename_billing_account(conn: AsyncConnection, org_id: uuid.UUID, display_name: str) -> None:
    await conn.execute(
        update(billing_accounts).where(billing_accounts.c.org_id == org_id).values(display_name=display_name)
    )


async def billing_account(conn: AsyncConnection, org_id: uuid.UUID, *, lock: bool = False) -> BillingAccount | None:
    query = _BILLING_ACCOUNTS.where(organization_directory.c.org_id == org_id)
    found = await conn.execute(query.with_for_update(of=billing_accounts, key_share=True) if lock else query)
    row = found.one_or_none()
    return None if row is None else from_row_billing_account(row)


async def set_billing_account_state(
    conn: AsyncConnection, org_id: uuid.UUID, state: BillingAccountState, reason: str | None
) -> None:
    await conn.execute(
        update(billing_accounts)
        .where(billing_accounts.c.org_id == org_id)
        .values(state=state.value, suspended_reason=reason)
    )


async def list_billing_accounts(
    conn: AsyncConnection, org_id: uuid.UUID | None, *, after: str | None, limit: int
) -> Sequence[BillingAccount]:
    """By slug of the organization, from behind `after`; None: of the whole platform."""
    found = await conn.execute(_by_slug(_BILLING_ACCOUNTS, org_id, after=after, limit=limit))
    return [from_row_billing_account(row) for row in found]


async def insert_wallet(conn: AsyncConnection, made: Wallet) -> bool:
    """False, and nothing written, while the billing account has an open wallet."""
    written = await conn.execute(
        insert_or_skip(wallets)
        .values(
            org_id=made.org_id,
            wallet_id=made.wallet_id,
            billing_account_id=made.billing_account_id,
            account_id=made.account_id,
            currency=made.currency,
            display_name=made.display_name,
            created_at=made.created_at,
        )
        .on_conflict_do_nothing()
    )
    return written.rowcount == 1


async def open_wallet(conn: AsyncConnection, org_id: uuid.UUID, *, lock: bool = False) -> Wallet | None:
    query = _WALLETS.where(wallets.c.org_id == org_id, wallets.c.closed_at.is_(None))
    found = await conn.execute(query.with_for_update(of=wallets) if lock else query)
    row = found.one_or_none()
    return None if row is None else from_row_wallet(row)


async def list_wallets(
    conn: AsyncConnection,
    org_id: uuid.UUID,
    *,
    after: uuid.UUID | None,
    limit: int,
) -> Sequence[Wallet]:
    """Oldest first, closed ones included."""
    query = _WALLETS.where(wallets.c.org_id == org_id)
    if after is not None:
        query = query.where(wallets.c.wallet_id > after)
    found = await conn.execute(query.order_by(wallets.c.wallet_id).limit(limit))
    return [from_row_wallet(row) for row in found]


async def close_wallet(conn: AsyncConnection, wallet: Wallet, at: datetime) -> None:
    await conn.execute(
        update(wallets)
        .where(wallets.c.org_id == wallet.org_id, wallets.c.wallet_id == wallet.wallet_id)
        .values(closed_at=at)
    )


async def balance(conn: AsyncConnection, wallet: Wallet) -> WalletBalance:
    """The balance as this transaction sees it."""
    found = await conn.execute(
        select(ledger_wallets).where(
            ledger_wallets.c.org_id == wallet.org_id,
            ledger_wallets.c.account_id == wallet.account_id,
        )
    )
    row = found.one()
    return WalletBalance(
        currency=row.currency,
        available_minor=row.available_minor,
        held_minor=row.held_minor,
        carry=row.carry,
        last_entry_at=row.last_entry_at,
    )


def from_row_organization(row: Row[Any]) -> Organization:
    age: int | None = row.usage_age_max_seconds
    return Organization(
        org_id=row.org_id,
        slug=row.slug,
        display_name=row.display_name,
        currency=row.currency,
        usage_age_max=None if age is None else timedelta(seconds=age),
        created_at=row.created_at,
    )


def from_row_billing_account(row: Row[Any]) -> BillingAccount:
    return BillingAccount(
        org_id=row.org_id,
        org_slug=row.org_slug,
        billing_account_id=row.billing_account_id,
        display_name=row.display_name,
        state=BillingAccountState(row.state),
        suspended_reason=row.suspended_reason,
        created_at=row.created_at,
    )


def _by_slug(query: Select[Any], org_id: uuid.UUID | None, *, after: str | None, limit: int) -> Select[Any]:
    directory = organization_directory.c
    if org_id is not None:
        query = query.where(directory.org_id == org_id)
    if after is not None:
        query = query.where(directory.slug > after)
    return query.order_by(directory.slug).limit(limit)


def _seconds(age: timedelta | None) -> int | None:
    return None if age is None else age // timedelta(seconds=1)


_BILLING_ACCOUNTS: Final = select(billing_accounts, organization_directory.c.slug.label("org_slug")).join_from(
    organization_directory,
    billing_accounts,
    billing_accounts.c.org_id == organization_directory.c.org_id,
)
_WALLETS: Final = select(wallets, organizations.c.slug.label("org_slug")).join_from(
    wallets, organizations, organizations.c.org_id == wallets.c.org_id
)
