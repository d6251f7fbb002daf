"""Campaigns, codes and promotions as values. Times are aware UTC, windows half-open."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """What an operator asks for.

    starts_at None: when a code is redeemed. Exactly one of `ends_at` and `lasts` (from the start) is set. redeem_before
    None: codes can be redeemed for ever.
    """

    campaign_id: str
    display_name: str
    percent: int
    starts_at: datetime | None
    ends_at: datetime | None
    lasts: timedelta | None
    applies_to_usage: bool
    applies_to_prepaid: bool
    redeem_before: datetime | None


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign, and how many codes of it were made and redeemed."""

    terms: NewCampaign
    created_at: datetime
    code_count: int
    redeemed_count: int


@dataclass(frozen=True, slots=True)
class PromotionCode:
    """A code without its text. `org_slug` and `redeemed_at` are None until it is redeemed."""

    campaign_id: str
    code_id: UUID
    prefix: str
    created_at: datetime
    redeemed_org_id: UUID | None
    org_slug: str | None
    redeemed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Promotion:
    """What an organization has redeemed: a discount of `percent` in [starts_at, ends_at)."""

    org_id: UUID
    code_id: UUID
    campaign_id: str
    display_name: str
    percent: int
    starts_at: datetime
    ends_at: datetime
    applies_to_usage: bool
    applies_to_prepaid: bool
    redeemed_at: datetime
