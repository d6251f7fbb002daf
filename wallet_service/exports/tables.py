"""The table of exports."""

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
    Uuid,
)

from wallet_service.accounts.tables import organizations
from wallet_service.db import metadata

_TIME: Final = DateTime(timezone=True)

exports: Final = Table(
    "exports",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("export_id", Uuid, nullable=False),
    Column("key_id", Uuid, nullable=False),
    Column("format", Text, nullable=False),
    Column("project_id", Uuid),
    Column("meter_prefix", Text, nullable=False),
    Column("start_at", _TIME),
    Column("end_at", _TIME),
    Column("object_key", Text, nullable=False),
    Column("row_count", BigInteger),
    Column("created_at", _TIME, nullable=False),
    Column("expires_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "export_id"),
    ForeignKeyConstraint(["org_id"], [organizations.c.org_id]),
    CheckConstraint("format IN ('csv', 'ndjson', 'parquet', 'focus')", name="format"),
    CheckConstraint("row_count >= 0", name="row_count"),
    Index(None, "expires_at"),
    info={"scope": "tenant"},
)
"""Files that are being written (row_count is NULL) or can be fetched, in times of the machine. key_id: of who asked."""
