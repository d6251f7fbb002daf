"""Tables of automatic recharging."""

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
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from wallet_service.accounts.tables import wallets
from wallet_service.db import metadata
from wallet_service.topups.tables import topups

_TIME: Final = DateTime(timezone=True)

auto_recharge_consents: Final = Table(
    "auto_recharge_consents",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("consent_id", Uuid, nullable=False),
    Column("wallet_id", Uuid, nullable=False),
    Column("key_id", Uuid, nullable=False),
    Column("mandate_version", Text, nullable=False),
    Column("mandate_text", Text, nullable=False),
    Column("threshold_minor", BigInteger, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("payment_method_id", Text, nullable=False),
    Column("close_gap_max_minor", BigInteger, nullable=False),
    Column("daily_cap_minor", BigInteger, nullable=False),
    Column("monthly_cap_minor", BigInteger, nullable=False),
    Column("cooldown_seconds", Integer, nullable=False),
    Column("agreed_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "consent_id"),
    ForeignKeyConstraint(["org_id", "wallet_id"], [wallets.c.org_id, wallets.c.wallet_id]),
    info={"scope": "tenant", "append_only": True},
)
"""One row for each time that it was turned on: which API key, when, the words and the terms."""

auto_recharges: Final = Table(
    "auto_recharges",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("wallet_id", Uuid, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("threshold_minor", BigInteger, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("payment_method_id", Text, nullable=False),
    Column("close_gap_max_minor", BigInteger, nullable=False),
    Column("daily_cap_minor", BigInteger, nullable=False),
    Column("monthly_cap_minor", BigInteger, nullable=False),
    Column("cooldown_seconds", Integer, nullable=False),
    Column("consent_id", Uuid, nullable=False),
    Column("armed_seq", BigInteger, nullable=False),
    Column("disabled_reason", Text),
    Column("last_error_code", Text),
    Column("last_error", Text),
    Column("last_failed_at", _TIME),
    Column("last_succeeded_at", _TIME),
    Column("failure_count", Integer, nullable=False),
    Column("last_skip", Text),
    Column("next_attempt_at", _TIME),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "wallet_id"),
    ForeignKeyConstraint(["org_id", "wallet_id"], [wallets.c.org_id, wallets.c.wallet_id]),
    ForeignKeyConstraint(
        ["org_id", "consent_id"], [auto_recharge_consents.c.org_id, auto_recharge_consents.c.consent_id]
    ),
    Index(
        "ix_auto_recharges_due",
        "next_attempt_at",
        postgresql_where=text("is_enabled AND next_attempt_at IS NOT NULL"),
    ),
    CheckConstraint("threshold_minor > 0 AND amount_minor > 0", name="amounts"),
    CheckConstraint("close_gap_max_minor = 0 OR close_gap_max_minor >= amount_minor", name="close_gap_max_minor"),
    CheckConstraint("daily_cap_minor >= amount_minor AND monthly_cap_minor >= amount_minor", name="caps"),
    CheckConstraint("cooldown_seconds >= 0 AND failure_count >= 0", name="counts"),
    CheckConstraint("NOT is_enabled OR disabled_reason IS NULL", name="disabled_reason"),
    info={"scope": "tenant"},
)
"""consent_id: what it was last turned on with. armed_seq: the number of the last ledger entry when it was turned on; only
later ones may set off a recharge.
close_gap_max_minor 0: every recharge is of amount_minor. failure_count: failures since the last success. last_skip: the
reason of the last recharge that did not happen, NULL once one began or none was due. next_attempt_at: when it is looked at
again without a posting."""

auto_recharge_attempts: Final = Table(
    "auto_recharge_attempts",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("attempt_id", Uuid, nullable=False),
    Column("wallet_id", Uuid, nullable=False),
    Column("topup_id", Uuid, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("try_count", Integer, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("settled_at", _TIME),
    Column("next_check_at", _TIME),
    PrimaryKeyConstraint("org_id", "attempt_id"),
    UniqueConstraint("org_id", "topup_id"),
    ForeignKeyConstraint(["org_id", "wallet_id"], [wallets.c.org_id, wallets.c.wallet_id]),
    ForeignKeyConstraint(["org_id", "topup_id"], [topups.c.org_id, topups.c.topup_id]),
    Index(
        "uq_auto_recharge_attempts_open",
        "org_id",
        "wallet_id",
        unique=True,
        postgresql_where=text("state IN ('in_flight', 'action_required')"),
    ),
    Index(None, "org_id", "wallet_id", "created_at"),
    Index("ix_auto_recharge_attempts_due", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
    CheckConstraint("amount_minor > 0", name="amount_minor"),
    CheckConstraint("state IN ('in_flight', 'action_required', 'succeeded', 'failed')", name="state"),
    CheckConstraint("(state IN ('succeeded', 'failed')) = (settled_at IS NOT NULL)", name="settled"),
    CheckConstraint("state IN ('in_flight', 'action_required') OR next_check_at IS NULL", name="next_check_at"),
    info={"scope": "tenant"},
)
"""Recharges that were claimed, each with its top-up. Not of the configuration: that can be deleted, and the caps still hold.
try_count: how often its payment was worked on."""
