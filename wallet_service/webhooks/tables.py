"""Table of provider events."""

from typing import Final

from sqlalchemy import Column, DateTime, Index, PrimaryKeyConstraint, Table, Text

from wallet_service.db import metadata

_TIME: Final = DateTime(timezone=True)

provider_events: Final = Table(
    "provider_events",
    metadata,
    Column("provider", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("payment_external_id", Text),
    Column("created_at", _TIME, nullable=False),
    Column("received_at", _TIME, nullable=False),
    Column("processed_at", _TIME),
    PrimaryKeyConstraint("provider", "event_id"),
    Index(None, "processed_at"),
    info={"scope": "platform"},
)
"""created_at is the provider's time. Payloads are not kept. processed_at NULL: its job waits, runs, or was given up."""
