"""Tables of test clocks: the clocks, and which organizations live on one (all others live in real time)."""

from typing import Final

from sqlalchemy import (
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

test_clocks: Final = Table(
    "test_clocks",
    metadata,
    Column("clock_id", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("present_at", _TIME, nullable=False),
    Column("target_at", _TIME),
    Column("lease_id", Uuid),
    Column("leased_until", _TIME),
    Column("created_at", _TIME, nullable=False),
    PrimaryKeyConstraint("clock_id"),
    CheckConstraint("state IN ('READY', 'ADVANCING')", name="state"),
    CheckConstraint("(state = 'ADVANCING') = (target_at IS NOT NULL)", name="target_at"),
    CheckConstraint("target_at >= present_at", name="forward"),
    CheckConstraint("(lease_id IS NULL) = (leased_until IS NULL)", name="lease"),
    CheckConstraint("lease_id IS NULL OR state = 'ADVANCING'", name="leased"),
    info={"scope": "reference"},
)
"""leased_until and created_at are real time; present_at and target_at are times of the clock. A reference, as
organizations of all tenants refer to it."""

test_clock_organizations: Final = Table(
    "test_clock_organizations",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("clock_id", Text, nullable=False),
    PrimaryKeyConstraint("org_id"),
    ForeignKeyConstraint(["org_id"], [organizations.c.org_id]),
    ForeignKeyConstraint(["clock_id"], [test_clocks.c.clock_id]),
    Index(None, "clock_id"),
    info={"scope": "tenant"},
)
"""Written with the organization, and never changed."""
