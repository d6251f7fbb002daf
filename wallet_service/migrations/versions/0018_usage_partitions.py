"""Usage events in partitions by month of recording, and their keys in a table of their own, where they are unique over all
months. Existing events move, so it takes about twenty seconds for each million of them.

Runs before the code that needs it; code of before cannot write usage afterwards.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from wallet_service.migrations.grants import grant_append_only

revision = "0018_usage_partitions"
down_revision = "0017_audit_log"

_TIME = sa.DateTime(timezone=True)
_MONTHS_AHEAD = 3
_MONTHS_MAX = 240
_COLUMNS = (
    "org_id, event_id, batch_id, project_id, meter, resource, datacenter, quantity, event_time, recorded_at, currency,"
    " unit_price_minor, cost_minor, discount_minor, idempotency_key, metadata"
)


def upgrade() -> None:
    _put_aside()
    _events()
    _keys()
    _months()
    op.execute(f"INSERT INTO usage_events ({_COLUMNS}) SELECT {_COLUMNS} FROM usage_events_before ORDER BY event_id")
    op.execute(
        "INSERT INTO usage_keys (org_id, key_hash, content_hash, event_id)"
        " SELECT org_id, key_hash, content_hash, event_id FROM usage_events_before ORDER BY event_id"
    )
    op.drop_table("usage_events_before")
    # Last, because an index is made faster of rows that are there.
    op.create_index("ix_usage_events_org_id_event_time", "usage_events", ["org_id", "event_time"])
    op.create_index("ix_usage_keys_event_id", "usage_keys", ["event_id"], postgresql_using="brin")
    op.create_table(
        "usage_retention",
        sa.Column("dropped_until", _TIME, nullable=False),
        sa.Column("hours_until", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("dropped_until", name="pk_usage_retention"),
    )
    grant_append_only("usage_events", "usage_keys", "usage_retention")


def _put_aside() -> None:
    op.rename_table("usage_events", "usage_events_before")
    op.drop_index("ix_usage_events_org_id_event_time")
    op.execute("ALTER TABLE usage_events_before DROP CONSTRAINT pk_usage_events")


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
        sa.Column("discount_minor", sa.Numeric, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("metadata", JSONB(none_as_null=True)),
        sa.PrimaryKeyConstraint("org_id", "event_id", name="pk_usage_events"),
        sa.CheckConstraint(
            "cost_minor + discount_minor = quantity * unit_price_minor", name="ck_usage_events_cost_minor"
        ),
        sa.CheckConstraint(
            "discount_minor = 0 OR (discount_minor > 0) = (quantity > 0)", name="ck_usage_events_discount_minor"
        ),
        postgresql_partition_by="RANGE (event_id)",
    )


def _keys() -> None:
    op.create_table(
        "usage_keys",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("key_hash", sa.LargeBinary, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "key_hash", name="pk_usage_keys"),
        sa.CheckConstraint("octet_length(key_hash) = 16", name="ck_usage_keys_key_hash"),
        sa.CheckConstraint("octet_length(content_hash) = 16", name="ck_usage_keys_content_hash"),
    )


def _months() -> None:
    """A partition for each month that has events, for this month and three to come, and one for everything else."""
    op.execute("CREATE TABLE usage_events_default PARTITION OF usage_events DEFAULT")
    # The first six bytes of an event's id are the milliseconds since 1970 when it was recorded.
    rows = op.get_bind().execute(
        sa.text(
            "SELECT DISTINCT to_char(to_timestamp((('x' || left(replace(event_id::text, '-', ''), 12))::bit(48)::bigint)"
            " / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM') AS month FROM usage_events_before ORDER BY month LIMIT :limit"
        ),
        {"limit": _MONTHS_MAX},
    )
    months = {(int(year), int(month)) for year, _, month in (row.month.rpartition("-") for row in rows)}
    today = op.get_bind().execute(sa.text("SELECT now()")).scalar_one().astimezone(UTC)
    months |= {_month_after(today.year, today.month, number) for number in range(_MONTHS_AHEAD + 1)}
    for year, month in sorted(months):
        if year < 9999:
            after = _month_after(year, month, 1)
            op.execute(
                f"CREATE TABLE usage_events_y{year:04}m{month:02} PARTITION OF usage_events"
                f" FOR VALUES FROM ('{_first_id(year, month)}') TO ('{_first_id(*after)}')"
            )


def _month_after(year: int, month: int, count: int) -> tuple[int, int]:
    number = year * 12 + month - 1 + count
    return number // 12, number % 12 + 1


def _first_id(year: int, month: int) -> str:
    text = f"{int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000:012x}"
    return f"{text[:8]}-{text[8:]}-0000-0000-000000000000"
