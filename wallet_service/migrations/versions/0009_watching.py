"""How far journals were watched, alerts of wallets, and messages to people.

Runs before the code that needs it. What is in the journals already was before anybody watched, so cursors begin behind it.
"""

import sqlalchemy as sa
from alembic import op

from wallet_service.migrations.grants import grant

revision = "0009_watching"
down_revision = "0008_topups"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _watch_cursors()
    _wallet_alerts()
    _notification_settings()
    _notification_targets()
    _notification_deliveries()
    grant(
        "watch_cursors",
        "wallet_alerts",
        "notification_settings",
        "notification_targets",
        "notification_deliveries",
    )


def _watch_cursors() -> None:
    op.create_table(
        "watch_cursors",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("entry_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="pk_watch_cursors"),
        sa.CheckConstraint("entry_seq >= 0", name="ck_watch_cursors_entry_seq"),
        postgresql_with={"fillfactor": 60},
    )
    op.execute("INSERT INTO watch_cursors (org_id, entry_seq) SELECT org_id, entry_seq FROM ledger_books")


def _wallet_alerts() -> None:
    op.create_table(
        "wallet_alerts",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("wallet_id", sa.Uuid, nullable=False),
        sa.Column("balance_alert_minor", sa.BigInteger),
        sa.Column("balance_from_seq", sa.BigInteger, nullable=False),
        sa.Column("balance_fired", sa.Boolean, nullable=False),
        sa.Column("last_balance_fired_at", _TIME),
        sa.Column("days_remaining_alert", sa.Integer),
        sa.Column("days_fired", sa.Boolean, nullable=False),
        sa.Column("last_days_fired_at", _TIME),
        sa.Column("days_check_at", _TIME),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "wallet_id", name="pk_wallet_alerts"),
        sa.ForeignKeyConstraint(
            ["org_id", "wallet_id"],
            ["wallets.org_id", "wallets.wallet_id"],
            name="fk_wallet_alerts_org_id_wallet_id",
        ),
        sa.CheckConstraint("balance_alert_minor > 0", name="ck_wallet_alerts_balance_alert_minor"),
        sa.CheckConstraint("days_remaining_alert > 0", name="ck_wallet_alerts_days_remaining_alert"),
        sa.CheckConstraint(
            "balance_alert_minor IS NOT NULL OR NOT balance_fired", name="ck_wallet_alerts_balance_fired"
        ),
        sa.CheckConstraint("days_remaining_alert IS NOT NULL OR NOT days_fired", name="ck_wallet_alerts_days_fired"),
        sa.CheckConstraint(
            "(days_remaining_alert IS NULL) = (days_check_at IS NULL)", name="ck_wallet_alerts_days_check_at"
        ),
    )
    op.create_index(
        "ix_wallet_alerts_due",
        "wallet_alerts",
        ["days_check_at"],
        postgresql_where=sa.text("days_check_at IS NOT NULL"),
    )


def _notification_settings() -> None:
    op.create_table(
        "notification_settings",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("event_seq", sa.BigInteger, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="pk_notification_settings"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.org_id"], name="fk_notification_settings_org_id"),
    )


def _notification_targets() -> None:
    op.create_table(
        "notification_targets",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("target_id", sa.Uuid, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("event_types", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "target_id", name="pk_notification_targets"),
        sa.ForeignKeyConstraint(["org_id"], ["notification_settings.org_id"], name="fk_notification_targets_org_id"),
    )


def _notification_deliveries() -> None:
    op.create_table(
        "notification_deliveries",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("event_seq", sa.BigInteger, nullable=False),
        sa.Column("target_id", sa.Uuid, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempt_count", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "event_seq", "target_id", name="pk_notification_deliveries"),
        sa.CheckConstraint(
            "state IN ('pending', 'sent', 'failed', 'dropped')", name="ck_notification_deliveries_state"
        ),
        sa.CheckConstraint("attempt_count >= 0", name="ck_notification_deliveries_attempt_count"),
    )
    op.create_index(
        "ix_notification_deliveries_done",
        "notification_deliveries",
        ["updated_at"],
        postgresql_where=sa.text("state <> 'pending'"),
    )
