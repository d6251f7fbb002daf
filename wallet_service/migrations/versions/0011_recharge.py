"""Automatic recharging: configurations, consents and attempts.

Runs before the code that needs it.
"""

import sqlalchemy as sa
from alembic import op

from wallet_service.migrations.grants import grant, grant_append_only

revision = "0011_recharge"
down_revision = "0010_limits"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _auto_recharge_consents()
    _auto_recharges()
    _auto_recharge_attempts()
    grant("auto_recharges", "auto_recharge_attempts")
    grant_append_only("auto_recharge_consents")


def _auto_recharge_consents() -> None:
    op.create_table(
        "auto_recharge_consents",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("consent_id", sa.Uuid, nullable=False),
        sa.Column("wallet_id", sa.Uuid, nullable=False),
        sa.Column("key_id", sa.Uuid, nullable=False),
        sa.Column("mandate_version", sa.Text, nullable=False),
        sa.Column("mandate_text", sa.Text, nullable=False),
        sa.Column("threshold_minor", sa.BigInteger, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("payment_method_id", sa.Text, nullable=False),
        sa.Column("close_gap_max_minor", sa.BigInteger, nullable=False),
        sa.Column("daily_cap_minor", sa.BigInteger, nullable=False),
        sa.Column("monthly_cap_minor", sa.BigInteger, nullable=False),
        sa.Column("cooldown_seconds", sa.Integer, nullable=False),
        sa.Column("agreed_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "consent_id", name="pk_auto_recharge_consents"),
        _wallet_key("auto_recharge_consents"),
    )


def _auto_recharges() -> None:
    op.create_table(
        "auto_recharges",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("wallet_id", sa.Uuid, nullable=False),
        sa.Column("is_enabled", sa.Boolean, nullable=False),
        sa.Column("threshold_minor", sa.BigInteger, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("payment_method_id", sa.Text, nullable=False),
        sa.Column("close_gap_max_minor", sa.BigInteger, nullable=False),
        sa.Column("daily_cap_minor", sa.BigInteger, nullable=False),
        sa.Column("monthly_cap_minor", sa.BigInteger, nullable=False),
        sa.Column("cooldown_seconds", sa.Integer, nullable=False),
        sa.Column("consent_id", sa.Uuid, nullable=False),
        sa.Column("armed_seq", sa.BigInteger, nullable=False),
        sa.Column("disabled_reason", sa.Text),
        sa.Column("last_error_code", sa.Text),
        sa.Column("last_error", sa.Text),
        sa.Column("last_failed_at", _TIME),
        sa.Column("last_succeeded_at", _TIME),
        sa.Column("failure_count", sa.Integer, nullable=False),
        sa.Column("last_skip", sa.Text),
        sa.Column("next_attempt_at", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "wallet_id", name="pk_auto_recharges"),
        _wallet_key("auto_recharges"),
        sa.ForeignKeyConstraint(
            ["org_id", "consent_id"],
            ["auto_recharge_consents.org_id", "auto_recharge_consents.consent_id"],
            name="fk_auto_recharges_org_id_consent_id",
        ),
        sa.CheckConstraint("threshold_minor > 0 AND amount_minor > 0", name="ck_auto_recharges_amounts"),
        sa.CheckConstraint(
            "close_gap_max_minor = 0 OR close_gap_max_minor >= amount_minor",
            name="ck_auto_recharges_close_gap_max_minor",
        ),
        sa.CheckConstraint(
            "daily_cap_minor >= amount_minor AND monthly_cap_minor >= amount_minor", name="ck_auto_recharges_caps"
        ),
        sa.CheckConstraint("cooldown_seconds >= 0 AND failure_count >= 0", name="ck_auto_recharges_counts"),
        sa.CheckConstraint("NOT is_enabled OR disabled_reason IS NULL", name="ck_auto_recharges_disabled_reason"),
    )
    op.create_index(
        "ix_auto_recharges_due",
        "auto_recharges",
        ["next_attempt_at"],
        postgresql_where=sa.text("is_enabled AND next_attempt_at IS NOT NULL"),
    )


def _auto_recharge_attempts() -> None:
    op.create_table(
        "auto_recharge_attempts",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("attempt_id", sa.Uuid, nullable=False),
        sa.Column("wallet_id", sa.Uuid, nullable=False),
        sa.Column("topup_id", sa.Uuid, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("try_count", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("settled_at", _TIME),
        sa.Column("next_check_at", _TIME),
        sa.PrimaryKeyConstraint("org_id", "attempt_id", name="pk_auto_recharge_attempts"),
        sa.UniqueConstraint("org_id", "topup_id", name="uq_auto_recharge_attempts_org_id_topup_id"),
        _wallet_key("auto_recharge_attempts"),
        sa.ForeignKeyConstraint(
            ["org_id", "topup_id"],
            ["topups.org_id", "topups.topup_id"],
            name="fk_auto_recharge_attempts_org_id_topup_id",
        ),
        sa.CheckConstraint("amount_minor > 0", name="ck_auto_recharge_attempts_amount_minor"),
        sa.CheckConstraint(
            "state IN ('in_flight', 'action_required', 'succeeded', 'failed')", name="ck_auto_recharge_attempts_state"
        ),
        sa.CheckConstraint(
            "(state IN ('succeeded', 'failed')) = (settled_at IS NOT NULL)", name="ck_auto_recharge_attempts_settled"
        ),
        sa.CheckConstraint(
            "state IN ('in_flight', 'action_required') OR next_check_at IS NULL",
            name="ck_auto_recharge_attempts_next_check_at",
        ),
    )
    op.create_index(
        "uq_auto_recharge_attempts_open",
        "auto_recharge_attempts",
        ["org_id", "wallet_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('in_flight', 'action_required')"),
    )
    op.create_index(
        "ix_auto_recharge_attempts_org_id_wallet_id_created_at",
        "auto_recharge_attempts",
        ["org_id", "wallet_id", "created_at"],
    )
    op.create_index(
        "ix_auto_recharge_attempts_due",
        "auto_recharge_attempts",
        ["next_check_at"],
        postgresql_where=sa.text("next_check_at IS NOT NULL"),
    )


def _wallet_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["org_id", "wallet_id"], ["wallets.org_id", "wallets.wallet_id"], name=f"fk_{table}_org_id_wallet_id"
    )
