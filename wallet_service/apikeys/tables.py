"""Table of API keys. It is looked up before the organization is known, so it is the platform's, not a tenant's."""

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from wallet_service.db import metadata

_TIME: Final = DateTime(timezone=True)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("key_id", Uuid, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    Column("org_id", Uuid),
    Column("role", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("expires_at", _TIME),
    Column("revoked_at", _TIME),
    Column("last_used_at", _TIME),
    PrimaryKeyConstraint("key_id"),
    UniqueConstraint("key_hash"),
    Index(None, "org_id", "key_id"),
    CheckConstraint("octet_length(key_hash) = 32", name="key_hash"),
    CheckConstraint("role IN ('viewer', 'editor', 'admin', 'operator')", name="role"),
    CheckConstraint("(role = 'operator') = (org_id IS NULL)", name="owner"),
    info={"scope": "platform"},
)
"""key_hash: SHA-256 of the secret. last_used_at: to the minute."""
