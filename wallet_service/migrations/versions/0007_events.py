"""Events, and the endpoints that are told of them.

Runs before the code that needs it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from wallet_service.migrations.grants import grant, grant_append_only

revision = "0007_events"
down_revision = "0006_test_clocks"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _event_heads()
    _events()
    _webhook_endpoints()
    _webhook_deliveries()
    grant("event_heads", "webhook_endpoints", "webhook_deliveries")
    grant_append_only("events")


def _event_heads() -> None:
    op.create_table(
        "event_heads",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="pk_event_heads"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.org_id"], name="fk_event_heads_org_id"),
        sa.CheckConstraint("seq > 0", name="ck_event_heads_seq"),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("data", postgresql.JSONB, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "seq", name="pk_events"),
        sa.UniqueConstraint("org_id", "event_id", name="uq_events_org_id_event_id"),
        sa.ForeignKeyConstraint(["org_id"], ["event_heads.org_id"], name="fk_events_org_id"),
        sa.CheckConstraint("seq > 0", name="ck_events_seq"),
    )
    op.create_index("ix_events_org_id_type_seq", "events", ["org_id", "type", "seq"])


def _webhook_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("endpoint_id", sa.Uuid, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("event_types", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("paused_reason", sa.Text),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("previous_secret", sa.Text),
        sa.Column("previous_secret_expires_at", _TIME),
        sa.Column("handled_seq", sa.BigInteger, nullable=False),
        sa.Column("failure_count", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", _TIME),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("lease_id", sa.Uuid),
        sa.Column("lease_expires_at", _TIME, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "endpoint_id", name="pk_webhook_endpoints"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.org_id"], name="fk_webhook_endpoints_org_id"),
        sa.CheckConstraint("state IN ('active', 'paused')", name="ck_webhook_endpoints_state"),
        sa.CheckConstraint("paused_reason IN ('manual', 'failing', 'gone')", name="ck_webhook_endpoints_paused_reason"),
        sa.CheckConstraint("(state = 'paused') = (paused_reason IS NOT NULL)", name="ck_webhook_endpoints_paused"),
        sa.CheckConstraint(
            "(previous_secret IS NULL) = (previous_secret_expires_at IS NULL)",
            name="ck_webhook_endpoints_previous_secret",
        ),
    )
    op.create_index(
        "ix_webhook_endpoints_active", "webhook_endpoints", ["org_id"], postgresql_where=sa.text("state = 'active'")
    )


def _webhook_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("endpoint_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempt_count", sa.Integer, nullable=False),
        sa.Column("status_code", sa.Integer),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("response_snippet", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("last_attempt_at", _TIME, nullable=False),
        sa.Column("next_attempt_at", _TIME),
        sa.Column("delivered_at", _TIME),
        sa.PrimaryKeyConstraint("org_id", "endpoint_id", "seq", name="pk_webhook_deliveries"),
        sa.ForeignKeyConstraint(
            ["org_id", "endpoint_id"],
            ["webhook_endpoints.org_id", "webhook_endpoints.endpoint_id"],
            name="fk_webhook_deliveries_org_id_endpoint_id",
        ),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="ck_webhook_deliveries_state"),
        sa.CheckConstraint(
            "(state = 'delivered') = (delivered_at IS NOT NULL)", name="ck_webhook_deliveries_delivered"
        ),
    )
