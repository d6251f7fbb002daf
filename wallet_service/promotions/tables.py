"""Tables of promotions.

Campaigns and codes belong to the platform: who redeems a code is not known before it is found. Promotions are the tenants'.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from wallet_service.accounts.tables import organizations
from wallet_service.db import metadata

_TIME: Final = DateTime(timezone=True)

promotion_campaigns: Final = Table(
    "promotion_campaigns",
    metadata,
    Column("campaign_id", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("starts_at", _TIME),
    Column("ends_at", _TIME),
    Column("lasts_seconds", BigInteger),
    Column("applies_to_usage", Boolean, nullable=False),
    Column("applies_to_prepaid", Boolean, nullable=False),
    Column("redeem_before_at", _TIME),
    Column("created_at", _TIME, nullable=False),
    PrimaryKeyConstraint("campaign_id"),
    CheckConstraint("percent BETWEEN 1 AND 100", name="percent"),
    CheckConstraint("(ends_at IS NULL) <> (lasts_seconds IS NULL)", name="end"),
    CheckConstraint("starts_at < ends_at", name="window"),
    CheckConstraint("lasts_seconds > 0", name="lasts_seconds"),
    CheckConstraint("applies_to_usage OR applies_to_prepaid", name="applies"),
    info={"scope": "platform", "append_only": True},
)
"""Terms of campaigns. starts_at NULL: when a code is redeemed. redeem_before_at NULL: for ever."""

promotion_codes: Final = Table(
    "promotion_codes",
    metadata,
    Column("campaign_id", Text, nullable=False),
    Column("code_id", Uuid, nullable=False),
    Column("code_hash", LargeBinary, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("redeemed_org_id", Uuid),
    Column("redeemed_at", _TIME),
    PrimaryKeyConstraint("campaign_id", "code_id"),
    UniqueConstraint("code_hash"),
    ForeignKeyConstraint(["campaign_id"], [promotion_campaigns.c.campaign_id]),
    CheckConstraint("(redeemed_org_id IS NULL) = (redeemed_at IS NULL)", name="redeemed"),
    info={"scope": "platform"},
)
"""Codes by the SHA-256 of their text, and who redeemed them. code_id is a UUIDv7."""

promotions: Final = Table(
    "promotions",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("code_id", Uuid, nullable=False),
    Column("campaign_id", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("starts_at", _TIME, nullable=False),
    Column("ends_at", _TIME, nullable=False),
    Column("applies_to_usage", Boolean, nullable=False),
    Column("applies_to_prepaid", Boolean, nullable=False),
    Column("redeemed_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "code_id"),
    ForeignKeyConstraint(["org_id"], [organizations.c.org_id]),
    CheckConstraint("percent BETWEEN 1 AND 100", name="percent"),
    CheckConstraint("starts_at < ends_at", name="window"),
    info={"scope": "tenant", "append_only": True},
)
"""What organizations have redeemed, with the terms as they were; windows of one organization do not overlap."""
