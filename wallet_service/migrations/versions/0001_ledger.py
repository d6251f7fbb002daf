"""The ledger: accounts, wallets, books, entries, postings, keys, holds, reversals, and the service's role.

Runs before the code that needs it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from wallet_service.migrations.grants import (
    create_service_role,
    grant,
    grant_append_only,
)

revision = "0001_ledger"
down_revision = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_service_role()
    _accounts()
    _journal()
    _holds_and_reversals()
    grant_append_only("ledger_accounts", "ledger_entries", "ledger_postings", "ledger_keys")
    grant("ledger_wallets", "ledger_books", "ledger_holds", "ledger_reversals")


def _accounts() -> None:
    op.create_table(
        "ledger_accounts",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("wallet_id", sa.Uuid),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "account_id", name="pk_ledger_accounts"),
    )
    op.create_table(
        "ledger_wallets",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("holds_account_id", sa.Uuid, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("available_minor", sa.BigInteger, nullable=False),
        sa.Column("held_minor", sa.BigInteger, nullable=False),
        sa.Column("carry", sa.Numeric, nullable=False),
        sa.Column("accrued_exact", sa.Numeric, nullable=False),
        sa.Column("last_entry_at", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("closed_at", _TIME),
        sa.PrimaryKeyConstraint("org_id", "account_id", name="pk_ledger_wallets"),
        sa.ForeignKeyConstraint(
            ["org_id", "account_id"],
            ["ledger_accounts.org_id", "ledger_accounts.account_id"],
            name="fk_ledger_wallets_org_id_account_id",
        ),
        sa.CheckConstraint("held_minor >= 0", name="ck_ledger_wallets_held_minor"),
        sa.CheckConstraint("carry >= 0 AND carry < 1", name="ck_ledger_wallets_carry"),
        postgresql_with={"fillfactor": 60},
    )


def _journal() -> None:
    op.create_table(
        "ledger_books",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("entry_seq", sa.BigInteger, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
        sa.Column("mark", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="pk_ledger_books"),
        postgresql_with={"fillfactor": 60},
    )
    op.create_table(
        "ledger_entries",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("entry_seq", sa.BigInteger, nullable=False),
        sa.Column("entry_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("effective_at", _TIME, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.Column("reverses_entry_id", sa.Uuid),
        sa.Column("hold_id", sa.Uuid),
        sa.Column("metadata", JSONB(none_as_null=True)),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "entry_seq", name="pk_ledger_entries"),
        sa.UniqueConstraint("org_id", "entry_id", name="uq_ledger_entries_org_id_entry_id"),
    )
    op.create_table(
        "ledger_postings",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("entry_seq", sa.BigInteger, nullable=False),
        sa.Column("leg", sa.SmallInteger, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("balance_after_minor", sa.BigInteger),
        sa.PrimaryKeyConstraint("org_id", "entry_seq", "leg", name="pk_ledger_postings"),
        sa.CheckConstraint("amount_minor <> 0", name="ck_ledger_postings_amount_minor"),
    )
    op.create_index(
        "ix_ledger_postings_org_id_account_id_entry_seq_leg",
        "ledger_postings",
        ["org_id", "account_id", "entry_seq", "leg"],
    )
    op.create_table(
        "ledger_keys",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("key_hash", sa.LargeBinary, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("entry_seq", sa.BigInteger),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "key_hash", name="pk_ledger_keys"),
    )


def _holds_and_reversals() -> None:
    op.create_table(
        "ledger_holds",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("hold_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("captured_minor", sa.BigInteger, nullable=False),
        sa.Column("remaining_minor", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("expires_at", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "hold_id", name="pk_ledger_holds"),
        sa.ForeignKeyConstraint(
            ["org_id", "account_id"],
            ["ledger_wallets.org_id", "ledger_wallets.account_id"],
            name="fk_ledger_holds_org_id_account_id",
        ),
        sa.CheckConstraint("amount_minor > 0", name="ck_ledger_holds_amount_minor"),
        sa.CheckConstraint(
            "captured_minor >= 0 AND remaining_minor >= 0 AND captured_minor + remaining_minor <= amount_minor",
            name="ck_ledger_holds_parts",
        ),
        sa.CheckConstraint("(remaining_minor > 0) = (state = 'open')", name="ck_ledger_holds_state"),
    )
    op.create_index(
        "ix_ledger_holds_org_id_account_id_hold_id",
        "ledger_holds",
        ["org_id", "account_id", "hold_id"],
    )
    op.create_index(
        "ix_ledger_holds_due",
        "ledger_holds",
        ["expires_at"],
        postgresql_where="state = 'open' AND expires_at IS NOT NULL",
    )
    op.create_table(
        "ledger_reversals",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("entry_id", sa.Uuid, nullable=False),
        sa.Column("reversed_minor", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "entry_id", name="pk_ledger_reversals"),
        sa.ForeignKeyConstraint(
            ["org_id", "entry_id"],
            ["ledger_entries.org_id", "ledger_entries.entry_id"],
            name="fk_ledger_reversals_org_id_entry_id",
        ),
        sa.CheckConstraint("reversed_minor > 0", name="ck_ledger_reversals_reversed_minor"),
    )
