"""Who is told of what, and what has been told."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from wallet_service.accounts.tables import organizations
from wallet_service.db import metadata

_TIME: Final = DateTime(timezone=True)

notification_settings: Final = Table(
    "notification_settings",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("event_seq", BigInteger, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id"),
    ForeignKeyConstraint(["org_id"], [organizations.c.org_id]),
    info={"scope": "tenant"},
)
"""Organizations that have somebody to tell. event_seq: the last event that was looked at; its row is the lock of the
settings and of the right to look at what follows."""

notification_targets: Final = Table(
    "notification_targets",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("target_id", Uuid, nullable=False),
    Column("address", Text, nullable=False),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("created_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "target_id"),
    ForeignKeyConstraint(["org_id"], [notification_settings.c.org_id]),
    info={"scope": "tenant"},
)
"""address: an email address or a chat URL, whose secrets never leave the service. No event_types: those of the default."""

notification_deliveries: Final = Table(
    "notification_deliveries",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("event_seq", BigInteger, nullable=False),
    Column("target_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("last_error", Text),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "event_seq", "target_id"),
    Index("ix_notification_deliveries_done", "updated_at", postgresql_where=text("state <> 'pending'")),
    CheckConstraint("state IN ('pending', 'sent', 'failed', 'dropped')", name="state"),
    CheckConstraint("attempt_count >= 0", name="attempt_count"),
    info={"scope": "tenant"},
)
"""One message for each event and target. dropped: the target was removed before it was told."""
