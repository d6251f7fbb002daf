"""Steps that other domains join to their own transactions: they read what an organization has, or raise."""

import uuid
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service import names
from wallet_service.accounts import project_store, store
from wallet_service.accounts.model import BillingAccount, BillingAccountState, Organization, Project, Wallet
from wallet_service.errors import not_found


async def organization(conn: AsyncConnection, org_id: uuid.UUID) -> Organization:
    """The organization. Raises RESOURCE_NOT_FOUND."""
    found = await store.organization(conn, org_id)
    if found is None:
        raise not_found("organization", str(org_id))
    return found


async def billing_account(conn: AsyncConnection, org_id: uuid.UUID, *, lock: bool = False) -> BillingAccount:
    """The organization's one billing account; `lock` keeps its state as it is until the transaction ends.

    Raises RESOURCE_NOT_FOUND.
    """
    found = await store.billing_account(conn, org_id, lock=lock)
    if found is None:
        raise not_found("organization", str(org_id))
    return found


async def set_billing_account_state(
    conn: AsyncConnection, org_id: uuid.UUID, state: BillingAccountState, reason: str | None
) -> None:
    """Set the state of the billing account; `reason` only for a suspended one."""
    await store.set_billing_account_state(conn, org_id, state, reason)


async def has_open_wallet(conn: AsyncConnection, org_id: uuid.UUID) -> bool:
    """Whether the organization has a wallet at present."""
    return await store.open_wallet(conn, org_id) is not None


async def open_wallet(conn: AsyncConnection, org_id: uuid.UUID, *, lock: bool = False) -> Wallet:
    """The organization's open wallet; `lock` keeps it open until the transaction ends. Raises RESOURCE_NOT_FOUND."""
    found = await store.open_wallet(conn, org_id, lock=lock)
    if found is None:
        owner = await organization(conn, org_id)
        raise not_found("wallet", names.wallet(owner.slug))
    return found


async def project(conn: AsyncConnection, org_id: uuid.UUID, slug: str) -> Project:
    """A project of the organization. Raises RESOURCE_NOT_FOUND for another one's too."""
    found = await project_store.project(conn, org_id, slug)
    if found is None:
        raise not_found("project", names.project(slug))
    return found


async def project_ids(conn: AsyncConnection, org_id: uuid.UUID, slugs: Sequence[str]) -> dict[str, uuid.UUID]:
    """Ids of those of `slugs` that are projects of the organization."""
    return await project_store.project_ids(conn, org_id, slugs)
