"""The standing of billing accounts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from wallet_service.migrations.grants import grant

revision = "0015_account_states"
down_revision = "0014_invoices"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "account_standings",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("warn_hours", ARRAY(sa.Integer)),
        sa.Column("grace_hours", sa.Integer),
        sa.Column("suspends", sa.Boolean),
        sa.Column("is_manual", sa.Boolean, nullable=False),
        sa.Column("is_disputed", sa.Boolean, nullable=False),
        sa.Column("is_out_of_money", sa.Boolean, nullable=False),
        sa.Column("warned_hours", sa.Integer),
        sa.Column("grace_started_at", _TIME),
        sa.Column("suspend_at", _TIME),
        sa.Column("next_check_at", _TIME),
        sa.Column("checked_minor", sa.BigInteger),
        sa.Column("resumed_at", _TIME),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="pk_account_standings"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.org_id"], name="fk_account_standings_org_id"),
        sa.CheckConstraint("(grace_started_at IS NULL) = (suspend_at IS NULL)", name="ck_account_standings_grace"),
    )
    op.create_index(
        "ix_account_standings_suspend",
        "account_standings",
        ["suspend_at"],
        postgresql_where=sa.text("suspend_at IS NOT NULL"),
    )
    op.create_index(
        "ix_account_standings_check",
        "account_standings",
        ["next_check_at"],
        postgresql_where=sa.text("next_check_at IS NOT NULL"),
    )
    grant("account_standings")
