"""Who started a top-up, what claims stand at, and payments that are not the credit of their top-up."""

import sqlalchemy as sa
from alembic import op

from wallet_service.migrations.grants import grant

revision = "0008_topups"
down_revision = "0007_events"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("topups", sa.Column("origin", sa.Text, nullable=False, server_default="manual"))
    op.add_column("topups", sa.Column("action_required", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("topups", sa.Column("failure_kind", sa.Text))
    op.add_column("topups", sa.Column("hosted_url", sa.Text))
    op.create_check_constraint("ck_topups_origin", "topups", "origin IN ('manual', 'auto')")
    op.add_column("topup_reversals", sa.Column("status", sa.Text, nullable=False, server_default=""))
    for table, column in (("topups", "origin"), ("topups", "action_required"), ("topup_reversals", "status")):
        op.alter_column(table, column, server_default=None)
    op.drop_constraint("ck_topup_reversals_kind", "topup_reversals", type_="check")
    op.create_check_constraint(
        "ck_topup_reversals_kind", "topup_reversals", "kind IN ('refund', 'dispute', 'fraud_warning')"
    )
    _unmatched_payments()
    grant("unmatched_payments")


def _unmatched_payments() -> None:
    op.create_table(
        "unmatched_payments",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text, nullable=False),
        sa.Column("topup_id", sa.Uuid, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("entry_id", sa.Uuid, nullable=False),
        sa.Column("is_in_wallet", sa.Boolean, nullable=False),
        sa.Column("fee_minor", sa.BigInteger),
        sa.Column("fee_currency", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "provider", "external_id", name="pk_unmatched_payments"),
        sa.ForeignKeyConstraint(
            ["org_id", "topup_id"], ["topups.org_id", "topups.topup_id"], name="fk_unmatched_payments_org_id_topup_id"
        ),
        sa.CheckConstraint("amount_minor > 0", name="ck_unmatched_payments_amount_minor"),
        sa.CheckConstraint(
            "reason IN ('late', 'other_amount', 'second_payment', 'wallet_closed')", name="ck_unmatched_payments_reason"
        ),
        sa.CheckConstraint("(fee_minor IS NULL) = (fee_currency IS NULL)", name="ck_unmatched_payments_fee"),
    )
    op.create_index("ix_unmatched_payments_org_id_topup_id", "unmatched_payments", ["org_id", "topup_id"])
