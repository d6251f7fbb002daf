"""The audit log: every write call, chained by hashes.

Runs before the code that needs it.
"""

import sqlalchemy as sa
from alembic import op

from wallet_service.migrations.grants import grant, grant_append_only

revision = "0017_audit_log"
down_revision = "0016_credit"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "audit_heads",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="pk_audit_heads"),
        sa.CheckConstraint("seq > 0", name="ck_audit_heads_seq"),
    )
    op.create_table(
        "audit_events",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.Column("first_at", _TIME, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("key_name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("remote_address", sa.Text, nullable=False),
        sa.Column("user_agent", sa.Text, nullable=False),
        sa.Column("correlation_id", sa.Text, nullable=False),
        sa.Column("call_count", sa.BigInteger, nullable=False),
        sa.Column("resources", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "seq", name="pk_audit_events"),
        sa.ForeignKeyConstraint(["org_id"], ["audit_heads.org_id"], name="fk_audit_events_org_id"),
        sa.CheckConstraint("seq > 0", name="ck_audit_events_seq"),
        sa.CheckConstraint("call_count > 0", name="ck_audit_events_call_count"),
        sa.CheckConstraint("(outcome = 'refused') = (reason <> '')", name="ck_audit_events_reason"),
    )
    for column in ("method", "key_name", "recorded_at"):
        op.create_index(f"ix_audit_events_org_id_{column}_seq", "audit_events", ["org_id", column, "seq"])
    grant("audit_heads")
    grant_append_only("audit_events")
