"""Monthly statements and receipts, their numbers, and where the statements of each wallet stand.

Runs before the code that needs it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from wallet_service.migrations.grants import grant, grant_append_only

revision = "0014_invoices"
down_revision = "0013_exports"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _invoices()
    op.create_table(
        "invoice_numbers",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("last_number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "kind", name="pk_invoice_numbers"),
        sa.CheckConstraint("kind IN ('statement', 'receipt')", name="ck_invoice_numbers_kind"),
    )
    _statement_cursors()
    grant_append_only("invoices")
    grant("invoice_numbers", "statement_cursors")


def _invoices() -> None:
    op.create_table(
        "invoices",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("invoice_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("wallet_id", sa.Uuid, nullable=False),
        sa.Column("topup_id", sa.Uuid),
        sa.Column("origin", sa.Text),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("period_start_at", _TIME, nullable=False),
        sa.Column("period_end_at", _TIME, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("content", JSONB, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "invoice_id", name="pk_invoices"),
        sa.UniqueConstraint("org_id", "kind", "number", name="uq_invoices_org_id_kind_number"),
        sa.UniqueConstraint("org_id", "topup_id", name="uq_invoices_org_id_topup_id"),
        sa.ForeignKeyConstraint(
            ["org_id", "wallet_id"],
            ["wallets.org_id", "wallets.wallet_id"],
            name="fk_invoices_org_id_wallet_id",
        ),
        sa.CheckConstraint("kind IN ('statement', 'receipt')", name="ck_invoices_kind"),
        sa.CheckConstraint("number > 0", name="ck_invoices_number"),
        sa.CheckConstraint("(kind = 'receipt') = (topup_id IS NOT NULL)", name="ck_invoices_topup_id"),
        sa.CheckConstraint("(topup_id IS NOT NULL) = (origin IS NOT NULL)", name="ck_invoices_origin"),
    )
    op.create_index(
        "ix_invoices_org_id_period_end_at_invoice_id", "invoices", ["org_id", "period_end_at", "invoice_id"]
    )
    op.create_index(
        "uq_invoices_period",
        "invoices",
        ["org_id", "wallet_id", "period_start_at"],
        unique=True,
        postgresql_where=sa.text("kind = 'statement'"),
    )


def _statement_cursors() -> None:
    op.create_table(
        "statement_cursors",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("wallet_id", sa.Uuid, nullable=False),
        sa.Column("period_start_at", _TIME, nullable=False),
        sa.Column("entry_seq", sa.BigInteger, nullable=False),
        sa.Column("carry", sa.Numeric, nullable=False),
        sa.Column("due_at", _TIME),
        sa.PrimaryKeyConstraint("org_id", "wallet_id", name="pk_statement_cursors"),
        sa.ForeignKeyConstraint(
            ["org_id", "wallet_id"],
            ["wallets.org_id", "wallets.wallet_id"],
            name="fk_statement_cursors_org_id_wallet_id",
        ),
        sa.CheckConstraint("carry >= 0 AND carry < 1", name="ck_statement_cursors_carry"),
    )
    op.create_index(
        "ix_statement_cursors_due",
        "statement_cursors",
        ["due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
