"""Tables of events."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from wallet_service.accounts.tables import organizations
from wallet_service.db import metadata

event_heads: Final = Table(
    "event_heads",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("org_id"),
    ForeignKeyConstraint(["org_id"], [organizations.c.org_id]),
    CheckConstraint("seq > 0", name="seq"),
    info={"scope": "tenant"},
)
"""The number of an organization's newest event; no row before the first."""

events: Final = Table(
    "events",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("org_id", "seq"),
    UniqueConstraint("org_id", "event_id"),
    ForeignKeyConstraint(["org_id"], [event_heads.c.org_id]),
    Index(None, "org_id", "type", "seq"),
    CheckConstraint("seq > 0", name="seq"),
    info={"scope": "tenant", "append_only": True},
)
"""created_at is in the organization's time and may run behind that of the event before: seq is the order."""
