"""Spending limits of wallets.

Runs before the code that needs it.
"""

import sqlalchemy as sa
from alembic import op

from wallet_service.migrations.grants import grant

revision = "0010_limits"
down_revision = "0009_watching"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "spending_limits",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("wallet_id", sa.Uuid, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("duration", sa.Text, nullable=False),
        sa.Column("strategy", sa.Text, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("reached_at", _TIME),
        sa.Column("reached_until", _TIME),
        sa.PrimaryKeyConstraint("org_id", "wallet_id", name="pk_spending_limits"),
        sa.ForeignKeyConstraint(
            ["org_id", "wallet_id"],
            ["wallets.org_id", "wallets.wallet_id"],
            name="fk_spending_limits_org_id_wallet_id",
        ),
        sa.CheckConstraint("amount_minor >= 100", name="ck_spending_limits_amount_minor"),
        sa.CheckConstraint("duration IN ('daily', 'weekly', 'monthly')", name="ck_spending_limits_duration"),
        sa.CheckConstraint("strategy IN ('fixed', 'sliding')", name="ck_spending_limits_strategy"),
        sa.CheckConstraint("reached_until IS NULL OR reached_at IS NOT NULL", name="ck_spending_limits_reached"),
    )
    op.create_index(
        "ix_spending_limits_reached_until",
        "spending_limits",
        ["reached_until"],
        postgresql_where=sa.text("reached_until IS NOT NULL"),
    )
    grant("spending_limits")
