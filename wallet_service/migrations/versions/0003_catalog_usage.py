"""Meters and rates; usage events, their hourly roll-up and the batches that charged them.

Runs before the code that needs it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from wallet_service.migrations.grants import grant, grant_append_only

revision = "0003_catalog_usage"
down_revision = "0002_accounts"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _catalog()
    _events()
    _sums()
    grant("meters", "usage_hourly")
    grant_append_only("rates", "usage_events", "usage_batches")


def _catalog() -> None:
    op.create_table(
        "meters",
        sa.Column("meter", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("aggregation", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("meter", name="pk_meters"),
        sa.CheckConstraint("aggregation IN ('sum')", name="ck_meters_aggregation"),
    )
    op.create_table(
        "rates",
        sa.Column("meter", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("effective_at", _TIME, nullable=False),
        sa.Column("rate_id", sa.Uuid, nullable=False),
        sa.Column("unit_price_minor", sa.Numeric(33, 18), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("meter", "currency", "effective_at", name="pk_rates"),
        sa.UniqueConstraint("rate_id", name="uq_rates_rate_id"),
        sa.ForeignKeyConstraint(["meter"], ["meters.meter"], name="fk_rates_meter"),
        sa.CheckConstraint("unit_price_minor >= 0", name="ck_rates_unit_price_minor"),
    )


def _events() -> None:
    op.create_table(
        "usage_events",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("batch_id", sa.Uuid, nullable=False),
        sa.Column("project_id", sa.Uuid, nullable=False),
        sa.Column("meter", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("datacenter", sa.Text, nullable=False),
        sa.Column("quantity", sa.Numeric(30, 12), nullable=False),
        sa.Column("event_time", _TIME, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("unit_price_minor", sa.Numeric(33, 18), nullable=False),
        sa.Column("cost_minor", sa.Numeric, nullable=False),
        sa.Column("key_hash", sa.LargeBinary, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("metadata", JSONB(none_as_null=True)),
        sa.PrimaryKeyConstraint("org_id", "event_id", name="pk_usage_events"),
        sa.UniqueConstraint("org_id", "key_hash", name="uq_usage_events_org_id_key_hash"),
        sa.CheckConstraint("octet_length(key_hash) = 16", name="ck_usage_events_key_hash"),
        sa.CheckConstraint("octet_length(content_hash) = 16", name="ck_usage_events_content_hash"),
        sa.CheckConstraint("cost_minor = quantity * unit_price_minor", name="ck_usage_events_cost_minor"),
    )
    op.create_index("ix_usage_events_org_id_event_time", "usage_events", ["org_id", "event_time"])


def _sums() -> None:
    key = ("org_id", "hour", "project_id", "meter", "resource", "datacenter", "currency")
    op.create_table(
        "usage_hourly",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("hour", _TIME, nullable=False),
        sa.Column("project_id", sa.Uuid, nullable=False),
        sa.Column("meter", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("datacenter", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("quantity", sa.Numeric, nullable=False),
        sa.Column("cost_minor", sa.Numeric, nullable=False),
        sa.Column("event_count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_usage_hourly"),
        sa.CheckConstraint("event_count > 0", name="ck_usage_hourly_event_count"),
        postgresql_with={"fillfactor": 80},
    )
    op.create_table(
        "usage_batches",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("batch_id", sa.Uuid, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("event_count", sa.Integer, nullable=False),
        sa.Column("cost_minor", sa.Numeric, nullable=False),
        sa.Column("journal_entry_id", sa.Uuid),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "batch_id", name="pk_usage_batches"),
    )
