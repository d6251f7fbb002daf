"""Table of standings."""

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
from sqlalchemy.dialects.postgresql import ARRAY

from wallet_service.accounts.tables import organizations
from wallet_service.db import metadata

_TIME: Final = DateTime(timezone=True)

account_standings: Final = Table(
    "account_standings",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("warn_hours", ARRAY(Integer)),
    Column("grace_hours", Integer),
    Column("suspends", Boolean),
    Column("is_manual", Boolean, nullable=False),
    Column("is_disputed", Boolean, nullable=False),
    Column("is_out_of_money", Boolean, nullable=False),
    Column("warned_hours", Integer),
    Column("grace_started_at", _TIME),
    Column("suspend_at", _TIME),
    Column("next_check_at", _TIME),
    Column("checked_minor", BigInteger),
    Column("resumed_at", _TIME),
    Column("updated_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id"),
    ForeignKeyConstraint(["org_id"], [organizations.c.org_id]),
    Index("ix_account_standings_suspend", "suspend_at", postgresql_where=text("suspend_at IS NOT NULL")),
    Index("ix_account_standings_check", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
    CheckConstraint("(grace_started_at IS NULL) = (suspend_at IS NULL)", name="grace"),
    info={"scope": "tenant"},
)
"""One row for each organization whose wallet has moved or whose account was acted on. The policy's columns: what an
operator chose, NULL for the service's default. is_manual, is_disputed, is_out_of_money: each a reason to be suspended.
warned_hours: the shortest warning that was given while the wallet runs empty. suspend_at: end of the grace that began at
grace_started_at. next_check_at: when the forecast is asked again, which saw checked_minor available the last time.
resumed_at: when an operator last ended a suspension; disputes of before do not count any more."""
