"""The alerts of wallets, and whether they have fired."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Uuid,
    text,
)

from wallet_service.accounts.tables import wallets
from wallet_service.db import metadata

_TIME: Final = DateTime(timezone=True)

wallet_alerts: Final = Table(
    "wallet_alerts",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("wallet_id", Uuid, nullable=False),
    Column("balance_alert_minor", BigInteger),
    Column("balance_from_seq", BigInteger, nullable=False),
    Column("balance_fired", Boolean, nullable=False),
    Column("last_balance_fired_at", _TIME),
    Column("days_remaining_alert", Integer),
    Column("days_fired", Boolean, nullable=False),
    Column("last_days_fired_at", _TIME),
    Column("days_check_at", _TIME),
    Column("updated_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "wallet_id"),
    ForeignKeyConstraint(["org_id", "wallet_id"], [wallets.c.org_id, wallets.c.wallet_id]),
    Index("ix_wallet_alerts_due", "days_check_at", postgresql_where=text("days_check_at IS NOT NULL")),
    CheckConstraint("balance_alert_minor > 0", name="balance_alert_minor"),
    CheckConstraint("days_remaining_alert > 0", name="days_remaining_alert"),
    CheckConstraint("balance_alert_minor IS NOT NULL OR NOT balance_fired", name="balance_fired"),
    CheckConstraint("days_remaining_alert IS NOT NULL OR NOT days_fired", name="days_fired"),
    CheckConstraint("(days_remaining_alert IS NULL) = (days_check_at IS NULL)", name="days_check_at"),
    info={"scope": "tenant"},
)
"""NULL thresholds are alerts that are off. fired: below the threshold, and said so. balance_from_seq: entries up to this one
were before the threshold. days_check_at: when the days are looked at again even if nothing is posted. updated_at: of the
configuration."""
