"""Tables of usage.

The hot tables carry no foreign keys: meters, projects and wallets were read in the transaction that writes, none of them is
ever removed, and a foreign key would lock its parent row once for each event.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from wallet_service.db import metadata
from wallet_service.rating.rules import PRICE_SCALE, PRICE_WHOLE_DIGITS, QUANTITY_SCALE, QUANTITY_WHOLE_DIGITS

_TIME: Final = DateTime(timezone=True)

usage_events: Final = Table(
    "usage_events",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("project_id", Uuid, nullable=False),
    Column("meter", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("datacenter", Text, nullable=False),
    Column("quantity", Numeric(QUANTITY_WHOLE_DIGITS + QUANTITY_SCALE, QUANTITY_SCALE), nullable=False),
    Column("event_time", _TIME, nullable=False),
    Column("recorded_at", _TIME, nullable=False),
    Column("currency", Text, nullable=False),
    Column("unit_price_minor", Numeric(PRICE_WHOLE_DIGITS + PRICE_SCALE, PRICE_SCALE), nullable=False),
    Column("cost_minor", Numeric, nullable=False),
    Column("discount_minor", Numeric, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("metadata", JSONB(none_as_null=True)),
    PrimaryKeyConstraint("org_id", "event_id"),
    Index(None, "org_id", "event_time"),
    CheckConstraint("cost_minor + discount_minor = quantity * unit_price_minor", name="cost_minor"),
    CheckConstraint("discount_minor = 0 OR (discount_minor > 0) = (quantity > 0)", name="discount_minor"),
    info={"scope": "tenant", "append_only": True},
    postgresql_partition_by="RANGE (event_id)",
)
"""Facts. event_id is a UUIDv7 of when it was recorded; cost_minor is exact and after discount_minor; resource and datacenter
are '' for none. Partitions are months of recording (`usage.months`), and a default one for what lies outside of them."""

usage_keys: Final = Table(
    "usage_keys",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("event_id", Uuid, nullable=False),
    PrimaryKeyConstraint("org_id", "key_hash"),
    # Few pages instead of an entry for each row: rows lie nearly in the order of their events.
    Index(None, "event_id", postgresql_using="brin"),
    CheckConstraint("octet_length(key_hash) = 16", name="key_hash"),
    CheckConstraint("octet_length(content_hash) = 16", name="content_hash"),
    info={"scope": "tenant", "append_only": True},
)
"""The keys of the events that are kept, whatever month they are of: what makes an event count once. A table of its own,
because a unique constraint of a partitioned table holds only within each partition."""

usage_retention: Final = Table(
    "usage_retention",
    metadata,
    Column("dropped_until", _TIME, nullable=False),
    Column("hours_until", _TIME, nullable=False),
    PrimaryKeyConstraint("dropped_until"),
    info={"scope": "reference", "append_only": True},
)
"""Each time that months were dropped: events recorded before dropped_until are gone, and from hours_until on, which is a
whole hour, every hour of the roll-up has all of its events."""

usage_hourly: Final = Table(
    "usage_hourly",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("hour", _TIME, nullable=False),
    Column("project_id", Uuid, nullable=False),
    Column("meter", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("datacenter", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("quantity", Numeric, nullable=False),
    Column("cost_minor", Numeric, nullable=False),
    Column("discount_minor", Numeric, nullable=False),
    Column("event_count", BigInteger, nullable=False),
    PrimaryKeyConstraint("org_id", "hour", "project_id", "meter", "resource", "datacenter", "currency"),
    CheckConstraint("event_count > 0", name="event_count"),
    info={"scope": "tenant"},
    postgresql_with={"fillfactor": 80},
)
"""Events summed by hour of their event_time, exactly."""

usage_batches: Final = Table(
    "usage_batches",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("currency", Text, nullable=False),
    Column("event_count", Integer, nullable=False),
    Column("cost_minor", Numeric, nullable=False),
    Column("journal_entry_id", Uuid),
    Column("recorded_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "batch_id"),
    info={"scope": "tenant", "append_only": True},
)
"""What an organization's events of one transaction cost, and the entry that carried it: NULL when the carry absorbed it."""
