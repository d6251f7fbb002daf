"""Table of spending limits."""

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
    text,
)

from wallet_service.accounts.tables import wallets
from wallet_service.db import metadata

_TIME: Final = DateTime(timezone=True)

spending_limits: Final = Table(
    "spending_limits",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("wallet_id", Uuid, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("duration", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    Column("reached_at", _TIME),
    Column("reached_until", _TIME),
    PrimaryKeyConstraint("org_id", "wallet_id"),
    ForeignKeyConstraint(["org_id", "wallet_id"], [wallets.c.org_id, wallets.c.wallet_id]),
    Index("ix_spending_limits_reached_until", "reached_until", postgresql_where=text("reached_until IS NOT NULL")),
    CheckConstraint("amount_minor >= 100", name="amount_minor"),
    CheckConstraint("duration IN ('daily', 'weekly', 'monthly')", name="duration"),
    CheckConstraint("strategy IN ('fixed', 'sliding')", name="strategy"),
    CheckConstraint("reached_until IS NULL OR reached_at IS NOT NULL", name="reached"),
    info={"scope": "tenant"},
)
"""reached_at: when the limit was last reached. reached_until: while it is, when to look whether it still is."""
