"""SQL of campaigns, codes and promotions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, tuple_, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts.tables import billing_accounts, organization_directory
from wallet_service.promotions.model import Campaign, NewCampaign, Promotion, PromotionCode
from wallet_service.promotions.tables import promotion_campaigns, promotion_codes, promotions

_SECOND: Final = timedelta(seconds=1)

_COUNTS: Final = (
    select(
        func.count().label("code_count"),
        func.count(promotion_codes.c.redeemed_at).label("redeemed_count"),
    )
    .where(promotion_codes.c.campaign_id == promotion_campaigns.c.campaign_id)
    .lateral()
)
_CAMPAIGNS: Final = select(promotion_campaigns, _COUNTS.c.code_count, _COUNTS.c.redeemed_count).select_from(
    promotion_campaigns.join(_COUNTS, onclause=promotion_campaigns.c.campaign_id.is_not(None))
)


async def insert_campaign(conn: AsyncConnection, new: NewCampaign, *, created_at: datetime) -> bool:
    """Whether the id was free."""
    written = await conn.execute(
        insert(promotion_campaigns)
        .values(
            campaign_id=new.campaign_id,
            display_name=new.display_name,
            percent=new.percent,
            starts_at=new.starts_at,
            ends_at=new.ends_at,
            lasts_seconds=None if new.lasts is None else new.lasts // _SECOND,
            applies_to_usage=new.applies_to_usage,
            applies_to_prepaid=new.applies_to_prepaid,
            redeem_before_at=new.redeem_before,
            created_at=created_at,
        )
        .on_conflict_do_nothing()
    )
    return written.rowcount == 1


async def campaign(conn: AsyncConnection, campaign_id: str) -> Campaign | None:
    """A campaign with its counts."""
    query = _CAMPAIGNS.where(promotion_campaigns.c.campaign_id == campaign_id)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _campaign_from_row(row)


async def list_campaigns(
    conn: AsyncConnection, *, before: tuple[datetime, str] | None, limit: int
) -> Sequence[Campaign]:
    """Newest first, from behind `before`."""
    columns = promotion_campaigns.c
    position = tuple_(columns.created_at, columns.campaign_id)
    query = _CAMPAIGNS if before is None else _CAMPAIGNS.where(position < tuple_(*before))
    rows = await conn.execute(query.order_by(columns.created_at.desc(), columns.campaign_id.desc()).limit(limit))
    return [_campaign_from_row(row) for row in rows]


async def insert_codes(
    conn: AsyncConnection, campaign_id: str, codes: Sequence[tuple[UUID, bytes, str]], *, created_at: datetime
) -> None:
    """Codes as (id, hash, prefix)."""
    rows = [
        {
            "campaign_id": campaign_id,
            "code_id": code_id,
            "code_hash": code_hash,
            "prefix": prefix,
            "created_at": created_at,
        }
        for code_id, code_hash, prefix in codes
    ]
    await conn.execute(plain_insert(promotion_codes).values(rows))


async def list_codes(
    conn: AsyncConnection, campaign_id: str, *, after: UUID | None, limit: int
) -> Sequence[PromotionCode]:
    """Oldest first, from behind `after`."""
    codes, organization = promotion_codes.c, organization_directory.c
    query = (
        select(promotion_codes, organization.slug.label("org_slug"))
        .join_from(promotion_codes, organization_directory, organization.org_id == codes.redeemed_org_id, isouter=True)
        .where(codes.campaign_id == campaign_id)
    )
    if after is not None:
        query = query.where(codes.code_id > after)
    rows = await conn.execute(query.order_by(codes.code_id).limit(limit))
    return [
        PromotionCode(
            row.campaign_id, row.code_id, row.prefix, row.created_at, row.redeemed_org_id, row.org_slug, row.redeemed_at
        )
        for row in rows
    ]


async def lock_organization(conn: AsyncConnection, org_id: UUID) -> None:
    """Nobody else redeems for the organization until the transaction ends."""
    columns = billing_accounts.c
    await conn.execute(select(columns.org_id).where(columns.org_id == org_id).with_for_update(key_share=True))


async def lock_code(conn: AsyncConnection, code_hash: bytes) -> tuple[UUID, str, UUID | None] | None:
    """Id, campaign and redeemer of a code, which nobody else redeems until the transaction ends."""
    codes = promotion_codes.c
    query = select(codes.code_id, codes.campaign_id, codes.redeemed_org_id).where(codes.code_hash == code_hash)
    row = (await conn.execute(query.with_for_update())).one_or_none()
    return None if row is None else (row.code_id, row.campaign_id, row.redeemed_org_id)


async def redeem(conn: AsyncConnection, made: Promotion) -> None:
    """Write the promotion, and on its code who redeemed it."""
    codes = promotion_codes.c
    await conn.execute(
        update(promotion_codes)
        .where(codes.campaign_id == made.campaign_id, codes.code_id == made.code_id)
        .values(redeemed_org_id=made.org_id, redeemed_at=made.redeemed_at)
    )
    await conn.execute(
        plain_insert(promotions).values(
            org_id=made.org_id,
            code_id=made.code_id,
            campaign_id=made.campaign_id,
            display_name=made.display_name,
            percent=made.percent,
            starts_at=made.starts_at,
            ends_at=made.ends_at,
            applies_to_usage=made.applies_to_usage,
            applies_to_prepaid=made.applies_to_prepaid,
            redeemed_at=made.redeemed_at,
        )
    )


async def promotion_of_code(conn: AsyncConnection, org_id: UUID, code_id: UUID) -> Promotion | None:
    """What the organization got for a code."""
    query = select(promotions).where(promotions.c.org_id == org_id, promotions.c.code_id == code_id)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _promotion_from_row(row)


async def current_promotion(conn: AsyncConnection, org_id: UUID, *, now: datetime) -> Promotion | None:
    """The organization's promotion whose window has not ended: it may begin later."""
    query = select(promotions).where(promotions.c.org_id == org_id, promotions.c.ends_at > now)
    row = (await conn.execute(query.order_by(promotions.c.starts_at).limit(1))).one_or_none()
    return None if row is None else _promotion_from_row(row)


def _campaign_from_row(row: Any) -> Campaign:
    lasts: int | None = row.lasts_seconds
    return Campaign(
        terms=NewCampaign(
            campaign_id=row.campaign_id,
            display_name=row.display_name,
            percent=row.percent,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            lasts=None if lasts is None else timedelta(seconds=lasts),
            applies_to_usage=row.applies_to_usage,
            applies_to_prepaid=row.applies_to_prepaid,
            redeem_before=row.redeem_before_at,
        ),
        created_at=row.created_at,
        code_count=row.code_count,
        redeemed_count=row.redeemed_count,
    )


def _promotion_from_row(row: Any) -> Promotion:
    return Promotion(
        org_id=row.org_id,
        code_id=row.code_id,
        campaign_id=row.campaign_id,
        display_name=row.display_name,
        percent=row.percent,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        applies_to_usage=row.applies_to_usage,
        applies_to_prepaid=row.applies_to_prepaid,
        redeemed_at=row.redeemed_at,
    )
