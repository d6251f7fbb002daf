"""Tables of the ledger.

Every key leads with `org_id`, ids are made by us, and there is no default computed by the database. Entries, postings,
keys and accounts are append-only: the service's role has no UPDATE or DELETE on them. The three append-only hot tables
carry no foreign keys: all their rows are written by one statement under the lock of the organization's book, and a
foreign key would lock a parent row once per posting; `ledger.invariants` looks for orphans instead.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_TIME: Final = DateTime(timezone=True)

accounts: Final = Table(
    "ledger_accounts",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("wallet_id", Uuid),
    Column("created_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "account_id"),
    info={"scope": "tenant", "append_only": True},
)
"""What never changes of an account. `wallet_id`: the wallet whose live row it moves, for wallets and holds accounts."""

wallets: Final = Table(
    "ledger_wallets",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("holds_account_id", Uuid, nullable=False),
    Column("currency", Text, nullable=False),
    Column("available_minor", BigInteger, nullable=False),
    Column("held_minor", BigInteger, nullable=False),
    Column("carry", Numeric, nullable=False),
    Column("accrued_exact", Numeric, nullable=False),
    Column("last_entry_at", _TIME),
    Column("created_at", _TIME, nullable=False),
    Column("closed_at", _TIME),
    PrimaryKeyConstraint("org_id", "account_id"),
    ForeignKeyConstraint(
        ["org_id", "account_id"],
        ["ledger_accounts.org_id", "ledger_accounts.account_id"],
    ),
    CheckConstraint("held_minor >= 0", name="held_minor"),
    CheckConstraint("carry >= 0 AND carry < 1", name="carry"),
    info={"scope": "tenant"},
    postgresql_with={"fillfactor": 60},
)
"""Live balances. accrued_exact: the exact cost accrued since the beginning, in minor units; carry: its part not yet
posted.
"""

books: Final = Table(
    "ledger_books",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("entry_seq", BigInteger, nullable=False),
    Column("chain_hash", LargeBinary, nullable=False),
    Column("mark", BigInteger, nullable=False),
    Column("recorded_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id"),
    info={"scope": "tenant"},
    postgresql_with={"fillfactor": 60},
)
"""The head of an organization's journal: last number, last hash, last time. Its row is the lock of the whole ledger of
it, and `mark` is a number that every transaction that changes anything of it draws anew: the same mark, the same
state."""

entries: Final = Table(
    "ledger_entries",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("entry_seq", BigInteger, nullable=False),
    Column("entry_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("effective_at", _TIME, nullable=False),
    Column("recorded_at", _TIME, nullable=False),
    Column("reverses_entry_id", Uuid),
    Column("hold_id", Uuid),
    Column("metadata", JSONB(none_as_null=True)),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("org_id", "entry_seq"),
    UniqueConstraint("org_id", "entry_id"),
    info={"scope": "tenant", "append_only": True},
)
"""The journal. Numbered without gaps; recorded_at never decreases along the numbers; metadata NULL means none."""

postings: Final = Table(
    "ledger_postings",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("entry_seq", BigInteger, nullable=False),
    Column("leg", SmallInteger, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("balance_after_minor", BigInteger),
    PrimaryKeyConstraint("org_id", "entry_seq", "leg"),
    Index(None, "org_id", "account_id", "entry_seq", "leg"),
    CheckConstraint("amount_minor <> 0", name="amount_minor"),
    info={"scope": "tenant", "append_only": True},
)
"""Legs of entries, numbered from 0. Debit positive. balance_after_minor: of a wallet or its holds account, credit
positive.
"""

keys: Final = Table(
    "ledger_keys",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("entry_seq", BigInteger),
    Column("recorded_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "key_hash"),
    info={"scope": "tenant", "append_only": True},
)
"""Used keys, 16 bytes of hash each. entry_seq NULL: the request was done and moved no money."""

holds: Final = Table(
    "ledger_holds",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("hold_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("captured_minor", BigInteger, nullable=False),
    Column("remaining_minor", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("expires_at", _TIME),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "hold_id"),
    ForeignKeyConstraint(
        ["org_id", "account_id"],
        ["ledger_wallets.org_id", "ledger_wallets.account_id"],
    ),
    Index(None, "org_id", "account_id", "hold_id"),
    Index(
        "ix_ledger_holds_due",
        "expires_at",
        postgresql_where="state = 'open' AND expires_at IS NOT NULL",
    ),
    CheckConstraint("amount_minor > 0", name="amount_minor"),
    CheckConstraint(
        "captured_minor >= 0 AND remaining_minor >= 0 AND captured_minor + remaining_minor <= amount_minor",
        name="parts",
    ),
    CheckConstraint("(remaining_minor > 0) = (state = 'open')", name="state"),
    info={"scope": "tenant"},
)
"""Holds; `account_id` is the wallet. hold_id is the id of the entry that opened it. What was neither captured nor
remains was returned to the wallet."""

reversals: Final = Table(
    "ledger_reversals",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("entry_id", Uuid, nullable=False),
    Column("reversed_minor", BigInteger, nullable=False),
    PrimaryKeyConstraint("org_id", "entry_id"),
    ForeignKeyConstraint(
        ["org_id", "entry_id"],
        ["ledger_entries.org_id", "ledger_entries.entry_id"],
    ),
    CheckConstraint("reversed_minor > 0", name="reversed_minor"),
    info={"scope": "tenant"},
)
"""How much of an original entry has been reversed so far."""
