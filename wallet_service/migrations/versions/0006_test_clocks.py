"""Test clocks, and the organizations that live on one. Runs before the code that needs it."""

import sqlalchemy as sa
from alembic import op

from wallet_service.migrations.grants import grant

revision = "0006_test_clocks"
down_revision = "0005_jobs"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "test_clocks",
        sa.Column("clock_id", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("present_at", _TIME, nullable=False),
        sa.Column("target_at", _TIME),
        sa.Column("lease_id", sa.Uuid),
        sa.Column("leased_until", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("clock_id", name="pk_test_clocks"),
        sa.CheckConstraint("state IN ('READY', 'ADVANCING')", name="ck_test_clocks_state"),
        sa.CheckConstraint("(state = 'ADVANCING') = (target_at IS NOT NULL)", name="ck_test_clocks_target_at"),
        sa.CheckConstraint("target_at >= present_at", name="ck_test_clocks_forward"),
        sa.CheckConstraint("(lease_id IS NULL) = (leased_until IS NULL)", name="ck_test_clocks_lease"),
        sa.CheckConstraint("lease_id IS NULL OR state = 'ADVANCING'", name="ck_test_clocks_leased"),
    )
    op.create_table(
        "test_clock_organizations",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("clock_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="pk_test_clock_organizations"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.org_id"], name="fk_test_clock_organizations_org_id"),
        sa.ForeignKeyConstraint(["clock_id"], ["test_clocks.clock_id"], name="fk_test_clock_organizations_clock_id"),
    )
    op.create_index("ix_test_clock_organizations_clock_id", "test_clock_organizations", ["clock_id"])
    grant("test_clocks", "test_clock_organizations")
