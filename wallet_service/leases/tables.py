"""The table of leases."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, PrimaryKeyConstraint, Table, Text

from wallet_service.db import metadata

leases: Final = Table(
    "leases",
    metadata,
    Column("name", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("name"),
    CheckConstraint("fence > 0", name="fence"),
    info={"scope": "platform"},
)
"""expires_at is of the database's clock. A row is never deleted, so that fences only grow."""
