"""Table of used request ids."""

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)

from wallet_service.db import metadata

request_keys: Final = Table(
    "request_keys",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("method", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("resource", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("org_id", "method", "key_hash"),
    CheckConstraint("octet_length(key_hash) = 16", name="key_hash"),
    CheckConstraint("octet_length(content_hash) = 32", name="content_hash"),
    info={"scope": "tenant", "append_only": True},
)
"""One row for each used request id. org_id is the nil UUID where the platform itself is the owner."""
