"""Tables of organizations and what belongs to them.

The two directories answer "whose is this slug?" without knowing the organization; they are reference tables, so no foreign
key leads from them to a tenant's table.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from ledger.tables import wallets as ledger_wallets
from wallet_service.db import metadata

_TIME: Final = DateTime(timezone=True)

organizations: Final = Table(
    "organizations",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("slug", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("usage_age_max_seconds", BigInteger),
    Column("created_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id"),
    CheckConstraint("usage_age_max_seconds > 0", name="usage_age_max_seconds"),
    info={"scope": "tenant"},
)
"""usage_age_max_seconds: NULL means the service's default. currency: of the first wallet, ISO 4217."""

organization_directory: Final = Table(
    "organization_directory",
    metadata,
    Column("slug", Text, nullable=False),
    Column("org_id", Uuid, nullable=False),
    PrimaryKeyConstraint("slug"),
    UniqueConstraint("org_id"),
    info={"scope": "reference"},
)
"""Which organization a slug is, and which slug an organization has."""

billing_accounts: Final = Table(
    "billing_accounts",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("billing_account_id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("suspended_reason", Text),
    Column("created_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "billing_account_id"),
    UniqueConstraint("org_id"),
    ForeignKeyConstraint(["org_id"], ["organizations.org_id"]),
    CheckConstraint("state IN ('active', 'suspended', 'closed')", name="state"),
    CheckConstraint(
        "suspended_reason IN ('low_balance', 'dispute', 'manual')",
        name="suspended_reason",
    ),
    CheckConstraint("(state = 'suspended') = (suspended_reason IS NOT NULL)", name="suspension"),
    info={"scope": "tenant"},
)
"""One for each organization."""

wallets: Final = Table(
    "wallets",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("wallet_id", Uuid, nullable=False),
    Column("billing_account_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("currency", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("closed_at", _TIME),
    PrimaryKeyConstraint("org_id", "wallet_id"),
    ForeignKeyConstraint(
        ["org_id", "billing_account_id"],
        ["billing_accounts.org_id", "billing_accounts.billing_account_id"],
    ),
    ForeignKeyConstraint(
        ["org_id", "account_id"],
        [ledger_wallets.c.org_id, ledger_wallets.c.account_id],
    ),
    Index(
        "uq_wallets_open",
        "org_id",
        "billing_account_id",
        unique=True,
        postgresql_where=text("closed_at IS NULL"),
    ),
    info={"scope": "tenant"},
)
"""Open and deleted wallets; `account_id` is the ledger account that holds the money."""

projects: Final = Table(
    "projects",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("project_id", Uuid, nullable=False),
    Column("slug", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "project_id"),
    UniqueConstraint("org_id", "slug"),
    ForeignKeyConstraint(["org_id"], ["organizations.org_id"]),
    info={"scope": "tenant"},
)
"""What usage is recorded for."""

project_directory: Final = Table(
    "project_directory",
    metadata,
    Column("slug", Text, nullable=False),
    Column("org_id", Uuid, nullable=False),
    Column("project_id", Uuid, nullable=False),
    PrimaryKeyConstraint("slug"),
    info={"scope": "reference"},
)
"""Whose a project's slug is."""
