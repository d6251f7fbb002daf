"""Leases: which of several processes does what one of them is enough for.

Runs before the code that needs it.
"""

import sqlalchemy as sa
from alembic import op

from wallet_service.migrations.grants import grant

revision = "0019_leases"
down_revision = "0018_usage_partitions"


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
        sa.CheckConstraint("fence > 0", name="ck_leases_fence"),
    )
    grant("leases")
