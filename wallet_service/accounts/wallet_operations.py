"""Use cases of wallets, and the step that opens one."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.chart import close_account, open_account
from wallet_service import names
from wallet_service.accounts import steps, store
from wallet_service.accounts.model import BillingAccount, Wallet
from wallet_service.accounts.rules import currency_of, refuse_if_closed, refuse_unless_empty
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import already_exists
from wallet_service.events.model import EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.pages import Page, decode_id, page_of, page_size, query_digest

CloseGuard: TypeAlias = Callable[[AsyncConnection, Wallet], Awaitable[None]]
"""Raises a ServiceError when a wallet that is about to be closed is still needed. The wallet is locked."""


class Wallets:
    """Create, get, list and delete wallets of an organization."""

    def __init__(self, db: Database, clock: Clock, *, close_guards: Sequence[CloseGuard] = ()) -> None:
        self._db = db
        self._clock = clock
        self._close_guards = tuple(close_guards)

    async def create(self, org_id: uuid.UUID, *, currency: str, display_name: str) -> Wallet:
        """Open a wallet again; an empty currency means the organization's.

        Raises RESOURCE_EXISTS while one is open, BILLING_ACCOUNT_CLOSED, INVALID_FIELD for an unknown currency.
        """
        now = self._clock.now()

        async def work(conn: AsyncConnection) -> Wallet:
            owner = await steps.organization(conn, org_id)
            account = await steps.billing_account(conn, org_id, lock=True)
            refuse_if_closed(account)
            opened = await insert_open_wallet(
                conn,
                account,
                currency=currency_of(currency, default=owner.currency, field="currency"),
                display_name=display_name,
                now=now,
            )
            await append(conn, org_id, [wallet_event(EventType.WALLET_CREATED, opened)], now=now)
            return opened

        return await self._db.transact(work)

    async def get(self, org_id: uuid.UUID) -> Wallet:
        """The open wallet. Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> Wallet:
            return await steps.open_wallet(conn, org_id)

        return await self._db.read(work)

    async def list(self, org_id: uuid.UUID, *, size: int, token: str) -> Page[Wallet]:
        """Oldest first, deleted ones included."""
        limit, digest = page_size(size), query_digest("wallets", org_id)
        after = decode_id(token, digest)

        async def work(conn: AsyncConnection) -> Page[Wallet]:
            rows = await store.list_wallets(conn, org_id, after=after, limit=limit + 1)
            return page_of(
                rows,
                size=limit,
                digest=digest,
                key=lambda wallet: (str(wallet.wallet_id),),
            )

        return await self._db.read(work)

    async def delete(self, org_id: uuid.UUID) -> None:
        """Close the open wallet. Raises RESOURCE_NOT_FOUND when none is open, WALLET_NOT_EMPTY, and what a guard raises."""

        async def work(conn: AsyncConnection) -> None:
            now = self._clock.now()
            wallet = await steps.open_wallet(conn, org_id, lock=True)
            for guard in self._close_guards:
                await guard(conn, wallet)
            await close_account(conn, org_id, wallet.account_id, now=now)
            # Closing took the lock of the organization's book, so this balance is the last one; a refusal undoes it all.
            refuse_unless_empty(await store.balance(conn, wallet))
            await store.close_wallet(conn, wallet, now)
            await append(conn, org_id, [wallet_event(EventType.WALLET_CLOSED, wallet)], now=now)

        await self._db.transact(work)


def wallet_event(happened: EventType, wallet: Wallet) -> NewEvent:
    """That a wallet was opened or closed."""
    return NewEvent(happened, names.wallet(wallet.org_slug), {"currency": wallet.currency})


async def insert_open_wallet(
    conn: AsyncConnection,
    account: BillingAccount,
    *,
    currency: str,
    display_name: str,
    now: datetime,
) -> Wallet:
    """Open a wallet with its ledger accounts, in the caller's transaction. Raises RESOURCE_EXISTS while one is open."""
    account_id = await open_account(conn, account.org_id, currency, now=now)
    wallet = Wallet(
        org_id=account.org_id,
        org_slug=account.org_slug,
        wallet_id=account_id,
        billing_account_id=account.billing_account_id,
        account_id=account_id,
        currency=currency,
        display_name=display_name,
        created_at=now,
        closed_at=None,
    )
    if not await store.insert_wallet(conn, wallet):
        raise already_exists("wallet", names.wallet(account.org_slug))
    return wallet
