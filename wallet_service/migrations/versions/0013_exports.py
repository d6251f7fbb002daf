"""Files of usage that were asked for.

Runs before the code that needs it.
"""

import sqlalchemy as sa
from alembic import op

from wallet_service.migrations.grants import grant

revision = "0013_exports"
down_revision = "0012_promotions"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("export_id", sa.Uuid, nullable=False),
        sa.Column("key_id", sa.Uuid, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("project_id", sa.Uuid),
        sa.Column("meter_prefix", sa.Text, nullable=False),
        sa.Column("start_at", _TIME),
        sa.Column("end_at", _TIME),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.Column("row_count", sa.BigInteger),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "export_id", name="pk_exports"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.org_id"], name="fk_exports_org_id"),
        sa.CheckConstraint("format IN ('csv', 'ndjson', 'parquet', 'focus')", name="ck_exports_format"),
        sa.CheckConstraint("row_count >= 0", name="ck_exports_row_count"),
    )
    op.create_index("ix_exports_expires_at", "exports", ["expires_at"])
    grant("exports")
