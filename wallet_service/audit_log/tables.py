"""Tables of the audit log. `org_id` is the nil UUID for the platform, which is no organization."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)

from wallet_service.db import metadata

audit_heads: Final = Table(
    "audit_heads",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("org_id"),
    CheckConstraint("seq > 0", name="seq"),
    info={"scope": "tenant"},
)
"""Number and hash of the newest record of a chain; no row before the first. The last lock of a transaction."""

audit_events: Final = Table(
    "audit_events",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column("method", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("key_name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("remote_address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("call_count", BigInteger, nullable=False),
    Column("resources", ARRAY(Text), nullable=False),
    Column("detail", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("org_id", "seq"),
    ForeignKeyConstraint(["org_id"], [audit_heads.c.org_id]),
    Index(None, "org_id", "method", "seq"),
    Index(None, "org_id", "key_name", "seq"),
    Index(None, "org_id", "recorded_at", "seq"),
    CheckConstraint("seq > 0", name="seq"),
    CheckConstraint("call_count > 0", name="call_count"),
    CheckConstraint("(outcome = 'refused') = (reason <> '')", name="reason"),
    info={"scope": "tenant", "append_only": True},
)
"""detail is JSON as text: what the hash covers is what stands here, to the byte."""
