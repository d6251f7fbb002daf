"""Use cases of promotions: campaigns and codes for operators, redeeming for organizations."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id, unix_us
from wallet_service import names
from wallet_service.accounts import steps as accounts
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import already_exists, invalid_field, not_found
from wallet_service.events.model import EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.pages import Page, decode_id, decode_token, page_of, page_size, query_digest
from wallet_service.promotions import store
from wallet_service.promotions.model import Campaign, NewCampaign, Promotion, PromotionCode
from wallet_service.promotions.rules import (
    CODE_BYTES,
    already_active,
    check_campaign,
    code_invalid,
    code_of,
    code_used,
    granted,
    hash_of_code,
    prefix_of,
)
from wallet_service.requests.operations import PLATFORM, claim

CODES_MAX: Final = 1000
"""Codes of one call."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Promotions:
    """Campaigns and codes of the platform, promotions of organizations."""

    def __init__(self, db: Database, clock: Clock, random: Callable[[int], bytes] = os.urandom) -> None:
        self._db = db
        self._clock = clock
        self._random = random

    async def create_campaign(self, new: NewCampaign, *, request_id: str = "") -> Campaign:
        """Create a campaign. Raises RESOURCE_EXISTS, unless this is a repeat of the call with the same request id."""
        check_campaign(new)
        now = self._clock.now()

        async def work(conn: AsyncConnection) -> Campaign:
            first = await claim(
                conn,
                org_id=PLATFORM,
                method="CreateCampaign",
                request_id=request_id,
                content=_content(new),
                resource=new.campaign_id,
                now=now,
            )
            if first is None and not await store.insert_campaign(conn, new, created_at=now):
                raise already_exists("campaign", names.campaign(new.campaign_id))
            return await _campaign(conn, new.campaign_id)

        return await self._db.transact(work)

    async def get_campaign(self, campaign_id: str) -> Campaign:
        """One campaign. Raises RESOURCE_NOT_FOUND."""
        return await self._db.read(lambda conn: _campaign(conn, campaign_id))

    async def list_campaigns(self, *, size: int = 0, token: str = "") -> Page[Campaign]:
        """Newest first."""
        limit, digest = page_size(size), query_digest("campaigns")
        key = decode_token(token, digest, (int, str))
        before = None if key is None else (_EPOCH + timedelta(microseconds=int(key[0])), str(key[1]))
        rows = await self._db.read(lambda conn: store.list_campaigns(conn, before=before, limit=limit + 1))
        return page_of(
            rows, size=limit, digest=digest, key=lambda row: (unix_us(row.created_at), row.terms.campaign_id)
        )

    async def create_codes(self, campaign_id: str, *, count: int) -> list[str]:
        """Make codes of a campaign; they are told here and never again. Raises RESOURCE_NOT_FOUND."""
        if not 1 <= count <= CODES_MAX:
            raise invalid_field("count", f"must be 1 to {CODES_MAX}")
        now = self._clock.now()
        codes = [code_of(self._random(CODE_BYTES)) for _ in range(count)]
        rows = [(new_id(now), hash_of_code(code), prefix_of(code)) for code in codes]

        async def work(conn: AsyncConnection) -> None:
            await _campaign(conn, campaign_id)
            await store.insert_codes(conn, campaign_id, rows, created_at=now)

        await self._db.transact(work)
        return codes

    async def list_codes(self, campaign_id: str, *, size: int = 0, token: str = "") -> Page[PromotionCode]:
        """Oldest first, without their text. Raises RESOURCE_NOT_FOUND."""
        limit, digest = page_size(size), query_digest("promotion-codes", campaign_id)
        after = decode_id(token, digest)

        async def work(conn: AsyncConnection) -> Sequence[PromotionCode]:
            await _campaign(conn, campaign_id)
            return await store.list_codes(conn, campaign_id, after=after, limit=limit + 1)

        rows = await self._db.read(work)
        return page_of(rows, size=limit, digest=digest, key=lambda row: (str(row.code_id),))

    async def redeem(self, org_id: UUID, code: str) -> Promotion:
        """Redeem a code; the same organization may ask again and gets the same answer.

        Raises PROMOTION_CODE_INVALID, PROMOTION_CODE_USED, PROMOTION_ALREADY_ACTIVE.
        """
        digest = hash_of_code(code)

        async def work(conn: AsyncConnection) -> Promotion:
            owner = await accounts.organization(conn, org_id)
            await store.lock_organization(conn, org_id)
            found = await store.lock_code(conn, digest)
            if found is None:
                raise code_invalid()
            code_id, campaign_id, redeemed_org_id = found
            if redeemed_org_id == org_id:
                first = await store.promotion_of_code(conn, org_id, code_id)
                assert first is not None, "a code is redeemed together with its promotion"
                return first
            if redeemed_org_id is not None:
                raise code_used()
            now = self._clock.now()
            made = granted((await _campaign(conn, campaign_id)).terms, org_id=org_id, code_id=code_id, now=now)
            present = await store.current_promotion(conn, org_id, now=now)
            if present is not None:
                raise already_active(present)
            await store.redeem(conn, made)
            await append(conn, org_id, [_redeemed(owner.slug, made)], now=now)
            return made

        return await self._db.transact(work)

    async def active(self, org_id: UUID) -> Promotion | None:
        """The promotion whose window has not ended, also one that begins later; None without one."""
        now = self._clock.now()
        return await self._db.read(lambda conn: store.current_promotion(conn, org_id, now=now))


async def _campaign(conn: AsyncConnection, campaign_id: str) -> Campaign:
    found = await store.campaign(conn, campaign_id)
    if found is None:
        raise not_found("campaign", names.campaign(campaign_id))
    return found


def _redeemed(slug: str, made: Promotion) -> NewEvent:
    return NewEvent(
        EventType.PROMOTION_REDEEMED,
        names.billing_account(slug),
        {
            "campaign": names.campaign(made.campaign_id),
            "display_name": made.display_name,
            "discount_pct": made.percent,
            "starts_at": made.starts_at.isoformat(),
            "ends_at": made.ends_at.isoformat(),
            "applies_to_usage": made.applies_to_usage,
            "applies_to_prepaid": made.applies_to_prepaid,
        },
    )


def _content(new: NewCampaign) -> dict[str, str | int | bool | None]:
    return {
        "campaign_id": new.campaign_id,
        "display_name": new.display_name,
        "percent": new.percent,
        "starts_us": None if new.starts_at is None else unix_us(new.starts_at),
        "ends_us": None if new.ends_at is None else unix_us(new.ends_at),
        "lasts_seconds": None if new.lasts is None else new.lasts // timedelta(seconds=1),
        "applies_to_usage": new.applies_to_usage,
        "applies_to_prepaid": new.applies_to_prepaid,
        "redeem_before_us": None if new.redeem_before is None else unix_us(new.redeem_before),
    }
