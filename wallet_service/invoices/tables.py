"""Tables of statements and receipts."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from wallet_service.accounts.tables import wallets
from wallet_service.db import metadata

_TIME: Final = DateTime(timezone=True)

invoices: Final = Table(
    "invoices",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("invoice_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("wallet_id", Uuid, nullable=False),
    Column("topup_id", Uuid),
    Column("origin", Text),
    Column("currency", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("period_start_at", _TIME, nullable=False),
    Column("period_end_at", _TIME, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("created_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "invoice_id"),
    UniqueConstraint("org_id", "kind", "number"),
    UniqueConstraint("org_id", "topup_id"),
    ForeignKeyConstraint(["org_id", "wallet_id"], [wallets.c.org_id, wallets.c.wallet_id]),
    Index(None, "org_id", "period_end_at", "invoice_id"),
    Index(
        "uq_invoices_period",
        "org_id",
        "wallet_id",
        "period_start_at",
        unique=True,
        postgresql_where=text("kind = 'statement'"),
    ),
    CheckConstraint("kind IN ('statement', 'receipt')", name="kind"),
    CheckConstraint("number > 0", name="number"),
    CheckConstraint("(kind = 'receipt') = (topup_id IS NOT NULL)", name="topup_id"),
    CheckConstraint("(topup_id IS NOT NULL) = (origin IS NOT NULL)", name="origin"),
    info={"scope": "tenant", "append_only": True},
)
"""Written once, when final. content: what the document says, with decimals as text. display_name: of the organization when
it was written. A receipt's period begins and ends when the top-up was credited."""

invoice_numbers: Final = Table(
    "invoice_numbers",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("last_number", BigInteger, nullable=False),
    PrimaryKeyConstraint("org_id", "kind"),
    CheckConstraint("kind IN ('statement', 'receipt')", name="kind"),
    info={"scope": "tenant"},
)
"""The last number given, in the transaction of its document: so there is none without one."""

statement_cursors: Final = Table(
    "statement_cursors",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("wallet_id", Uuid, nullable=False),
    Column("period_start_at", _TIME, nullable=False),
    Column("entry_seq", BigInteger, nullable=False),
    Column("carry", Numeric, nullable=False),
    Column("due_at", _TIME),
    PrimaryKeyConstraint("org_id", "wallet_id"),
    ForeignKeyConstraint(["org_id", "wallet_id"], [wallets.c.org_id, wallets.c.wallet_id]),
    Index("ix_statement_cursors_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    CheckConstraint("carry >= 0 AND carry < 1", name="carry"),
    info={"scope": "tenant"},
)
"""Where the next statement of a wallet begins: the month, the last entry of the one before, and its exact cost not yet
debited. due_at NULL: the wallet is closed and its last month stated."""
