"""Organizations with a wallet each, inserted by the thousand: what takes the service a minute takes seconds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import tables
from ledger.accounts import CHART_KINDS, AccountKind, chart_account_id, holds_account_id
from ledger.chain import genesis
from ledger.ids import new_id
from wallet_service.account_states.tables import account_standings
from wallet_service.accounts.tables import billing_accounts, organization_directory, organizations, wallets
from wallet_service.watching.tables import watch_cursors

CURRENCY: Final = "USD"
_FUNDS_MINOR: Final = 10**12


@dataclass(frozen=True, slots=True)
class Place:
    """Where a transfer may take place: a wallet and the revenue account of its organization."""

    org_id: UUID
    wallet: UUID
    revenue: UUID


async def open_books(
    conn: AsyncConnection, now: datetime, *, org_count: int, wallets_each: int, funds_minor: int = 0
) -> list[Place]:
    """Books, charts and wallets of the ledger alone."""
    places: list[Place] = []
    books: list[dict[str, object]] = []
    accounts: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    for _ in range(org_count):
        org_id = new_id(now)
        books.append({"org_id": org_id, "entry_seq": 0, "chain_hash": genesis(org_id), "mark": 0, "recorded_at": now})
        for kind in CHART_KINDS:
            accounts.append(_account(org_id, chart_account_id(org_id, CURRENCY, kind), kind, None, now))
        for _ in range(wallets_each):
            wallet = new_id(now)
            holds = holds_account_id(wallet)
            accounts.append(_account(org_id, wallet, AccountKind.WALLET, wallet, now))
            accounts.append(_account(org_id, holds, AccountKind.HOLDS, wallet, now))
            rows.append(
                {
                    "org_id": org_id,
                    "account_id": wallet,
                    "holds_account_id": holds,
                    "currency": CURRENCY,
                    "available_minor": funds_minor,
                    "held_minor": 0,
                    "carry": 0,
                    "accrued_exact": 0,
                    "created_at": now,
                }
            )
            places.append(Place(org_id, wallet, chart_account_id(org_id, CURRENCY, AccountKind.REVENUE)))
    await conn.execute(insert(tables.books), books)
    await conn.execute(insert(tables.accounts), accounts)
    await conn.execute(insert(tables.wallets), rows)
    return places


async def open_customers(conn: AsyncConnection, now: datetime, *, count: int, prefix: str) -> list[str]:
    """Organizations `{prefix}-{number}` as the service knows them, their wallets full and watched for long; their slugs.

    The money comes from nowhere, so the audit of such a database fails: it is for measuring only.
    """
    places = await open_books(conn, now, org_count=count, wallets_each=1, funds_minor=_FUNDS_MINOR)
    slugs = [f"{prefix}-{number}" for number in range(count)]
    owners = list(zip(places, slugs, strict=True))
    named = {"display_name": "bench", "created_at": now}
    await conn.execute(
        insert(organizations),
        [{"org_id": place.org_id, "slug": slug, "currency": CURRENCY, **named} for place, slug in owners],
    )
    await conn.execute(
        insert(organization_directory), [{"org_id": place.org_id, "slug": slug} for place, slug in owners]
    )
    await conn.execute(
        insert(billing_accounts),
        [{"org_id": p.org_id, "billing_account_id": p.org_id, "state": "active", **named} for p in places],
    )
    await conn.execute(
        insert(wallets),
        [
            {
                "org_id": place.org_id,
                "wallet_id": place.wallet,
                "billing_account_id": place.org_id,
                "account_id": place.wallet,
                "currency": CURRENCY,
                **named,
            }
            for place in places
        ],
    )
    await conn.execute(insert(watch_cursors), [{"org_id": place.org_id, "entry_seq": 0} for place in places])
    seen = {"is_manual": False, "is_disputed": False, "is_out_of_money": False, "updated_at": now}
    await conn.execute(
        insert(account_standings),
        [
            {"org_id": place.org_id, "checked_minor": _FUNDS_MINOR, "next_check_at": now + timedelta(days=1), **seen}
            for place in places
        ],
    )
    return slugs


def _account(
    org_id: UUID, account_id: UUID, kind: AccountKind, wallet_id: UUID | None, now: datetime
) -> dict[str, object]:
    return {
        "org_id": org_id,
        "account_id": account_id,
        "kind": kind.value,
        "currency": CURRENCY,
        "wallet_id": wallet_id,
        "created_at": now,
    }
