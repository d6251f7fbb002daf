"""Opening and closing accounts: steps that join the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.accounts import (
    CHART_KINDS,
    AccountKind,
    chart_account_id,
    holds_account_id,
)
from ledger.chain import genesis
from ledger.ids import new_id, new_mark
from ledger.money import minor_exponent
from ledger.tables import accounts, books, wallets


@dataclass(frozen=True, slots=True)
class Closed:
    """The wallet is closed and refuses every posting from now on; also when it was closed before."""


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """The wallet still has money, or owes some, or holds some."""

    available_minor: int
    held_minor: int


@dataclass(frozen=True, slots=True)
class NoSuchWallet:
    """The organization has no such wallet."""


async def ensure_chart(conn: AsyncConnection, org_id: UUID, currency: str, *, now: datetime) -> dict[AccountKind, UUID]:
    """Make the organization's book and its chart of accounts in a currency, where missing; the ids by kind.

    Raises ValueError for a currency that ISO 4217 does not list.
    """
    minor_exponent(currency)
    ids = {kind: chart_account_id(org_id, currency, kind) for kind in CHART_KINDS}
    await conn.execute(
        insert(books)
        .values(org_id=org_id, entry_seq=0, chain_hash=genesis(org_id), mark=0, recorded_at=now)
        .on_conflict_do_nothing()
    )
    rows = [(account_id, kind, None) for kind, account_id in ids.items()]
    await _insert_accounts(conn, org_id, currency, rows, now=now)
    return ids


async def open_account(
    conn: AsyncConnection,
    org_id: UUID,
    currency: str,
    *,
    now: datetime,
    wallet_id: UUID | None = None,
) -> UUID:
    """Open a wallet with its holds account, and the chart where missing; the wallet's id.

    Give `wallet_id` to make the call safe to repeat: an existing wallet of that id is left as it is.
    """
    await ensure_chart(conn, org_id, currency, now=now)
    wallet_id = wallet_id or new_id(now)
    holds_id = holds_account_id(wallet_id)
    rows = [
        (wallet_id, AccountKind.WALLET, wallet_id),
        (holds_id, AccountKind.HOLDS, wallet_id),
    ]
    await _insert_accounts(conn, org_id, currency, rows, now=now)
    await conn.execute(
        insert(wallets)
        .values(
            org_id=org_id,
            account_id=wallet_id,
            holds_account_id=holds_id,
            currency=currency,
            available_minor=0,
            held_minor=0,
            carry=0,
            accrued_exact=0,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )
    return wallet_id


async def lock_book(conn: AsyncConnection, org_id: UUID) -> None:
    """Take the organization's book: until the transaction ends nobody else posts, and what is read from now on is true."""
    await conn.execute(select(books.c.org_id).where(books.c.org_id == org_id).with_for_update(key_share=True))


async def close_account(
    conn: AsyncConnection, org_id: UUID, wallet_id: UUID, *, now: datetime
) -> Closed | NotEmpty | NoSuchWallet:
    """Close an empty wallet. Takes the organization's book, so no posting runs beside it."""
    await lock_book(conn, org_id)
    mine = (wallets.c.org_id == org_id) & (wallets.c.account_id == wallet_id)
    row = (
        await conn.execute(select(wallets.c.available_minor, wallets.c.held_minor, wallets.c.closed_at).where(mine))
    ).one_or_none()
    if row is None:
        return NoSuchWallet()
    if row.available_minor or row.held_minor:
        return NotEmpty(row.available_minor, row.held_minor)
    if row.closed_at is None:
        await conn.execute(update(wallets).where(mine).values(closed_at=now))
        await conn.execute(update(books).where(books.c.org_id == org_id).values(mark=new_mark()))
    return Closed()


async def _insert_accounts(
    conn: AsyncConnection,
    org_id: UUID,
    currency: str,
    rows: Sequence[tuple[UUID, AccountKind, UUID | None]],
    *,
    now: datetime,
) -> None:
    values = [
        {
            "org_id": org_id,
            "account_id": account_id,
            "kind": kind.value,
            "currency": currency,
            "wallet_id": wallet_id,
            "created_at": now,
        }
        for account_id, kind, wallet_id in rows
    ]
    await conn.execute(insert(accounts).values(values).on_conflict_do_nothing())
