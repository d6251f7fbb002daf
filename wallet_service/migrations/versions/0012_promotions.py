"""Campaigns, their codes, the discounts of organizations, and what usage was discounted.

Runs before the code that needs it: code that knows no discount cannot record usage after it.
"""

import sqlalchemy as sa
from alembic import op

from wallet_service.migrations.grants import grant, grant_append_only

revision = "0012_promotions"
down_revision = "0011_recharge"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _campaigns()
    _promotions()
    _discounts_of_usage()
    grant("promotion_codes")
    grant_append_only("promotion_campaigns", "promotions")


def _campaigns() -> None:
    op.create_table(
        "promotion_campaigns",
        sa.Column("campaign_id", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("percent", sa.Integer, nullable=False),
        sa.Column("starts_at", _TIME),
        sa.Column("ends_at", _TIME),
        sa.Column("lasts_seconds", sa.BigInteger),
        sa.Column("applies_to_usage", sa.Boolean, nullable=False),
        sa.Column("applies_to_prepaid", sa.Boolean, nullable=False),
        sa.Column("redeem_before_at", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", name="pk_promotion_campaigns"),
        sa.CheckConstraint("percent BETWEEN 1 AND 100", name="ck_promotion_campaigns_percent"),
        sa.CheckConstraint("(ends_at IS NULL) <> (lasts_seconds IS NULL)", name="ck_promotion_campaigns_end"),
        sa.CheckConstraint("starts_at < ends_at", name="ck_promotion_campaigns_window"),
        sa.CheckConstraint("lasts_seconds > 0", name="ck_promotion_campaigns_lasts_seconds"),
        sa.CheckConstraint("applies_to_usage OR applies_to_prepaid", name="ck_promotion_campaigns_applies"),
    )
    op.create_table(
        "promotion_codes",
        sa.Column("campaign_id", sa.Text, nullable=False),
        sa.Column("code_id", sa.Uuid, nullable=False),
        sa.Column("code_hash", sa.LargeBinary, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("redeemed_org_id", sa.Uuid),
        sa.Column("redeemed_at", _TIME),
        sa.PrimaryKeyConstraint("campaign_id", "code_id", name="pk_promotion_codes"),
        sa.UniqueConstraint("code_hash", name="uq_promotion_codes_code_hash"),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["promotion_campaigns.campaign_id"], name="fk_promotion_codes_campaign_id"
        ),
        sa.CheckConstraint("(redeemed_org_id IS NULL) = (redeemed_at IS NULL)", name="ck_promotion_codes_redeemed"),
    )


def _promotions() -> None:
    op.create_table(
        "promotions",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("code_id", sa.Uuid, nullable=False),
        sa.Column("campaign_id", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("percent", sa.Integer, nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.Column("applies_to_usage", sa.Boolean, nullable=False),
        sa.Column("applies_to_prepaid", sa.Boolean, nullable=False),
        sa.Column("redeemed_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "code_id", name="pk_promotions"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.org_id"], name="fk_promotions_org_id"),
        sa.CheckConstraint("percent BETWEEN 1 AND 100", name="ck_promotions_percent"),
        sa.CheckConstraint("starts_at < ends_at", name="ck_promotions_window"),
    )


def _discounts_of_usage() -> None:
    """What was recorded before had none; the default only fills those rows, without rewriting them."""
    for table in ("usage_events", "usage_hourly"):
        op.add_column(table, sa.Column("discount_minor", sa.Numeric, nullable=False, server_default="0"))
        op.alter_column(table, "discount_minor", server_default=None)
    op.drop_constraint("ck_usage_events_cost_minor", "usage_events")
    op.create_check_constraint(
        "ck_usage_events_cost_minor", "usage_events", "cost_minor + discount_minor = quantity * unit_price_minor"
    )
    op.create_check_constraint(
        "ck_usage_events_discount_minor",
        "usage_events",
        "discount_minor = 0 OR (discount_minor > 0) = (quantity > 0)",
    )
