"""Tables of customers at providers, saved cards, and set-ups of cards."""

from typing import Final

from sqlalchemy import (
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

from wallet_service.accounts.tables import billing_accounts
from wallet_service.db import metadata

_TIME: Final = DateTime(timezone=True)

payment_customers: Final = Table(
    "payment_customers",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("provider", Text, nullable=False),
    Column("billing_account_id", Uuid, nullable=False),
    Column("provider_key", Text, nullable=False),
    Column("customer_id", Text),
    Column("created_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "provider"),
    ForeignKeyConstraint(
        ["org_id", "billing_account_id"],
        [billing_accounts.c.org_id, billing_accounts.c.billing_account_id],
    ),
    info={"scope": "tenant"},
)
"""provider_key: the idempotency key with which the customer is made; customer_id: NULL until the provider has answered."""

payment_methods: Final = Table(
    "payment_methods",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("payment_method_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_method_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("brand", Text, nullable=False),
    Column("last4", Text, nullable=False),
    Column("exp_month", Integer, nullable=False),
    Column("exp_year", Integer, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "payment_method_id"),
    UniqueConstraint("org_id", "provider", "provider_method_id"),
    ForeignKeyConstraint(
        ["org_id", "provider"],
        [payment_customers.c.org_id, payment_customers.c.provider],
    ),
    Index(
        "uq_payment_methods_default",
        "org_id",
        unique=True,
        postgresql_where=text("is_default"),
    ),
    CheckConstraint("state IN ('attached', 'detaching', 'detached')", name="state"),
    CheckConstraint("state = 'attached' OR NOT is_default", name="is_default"),
    info={"scope": "tenant"},
)
"""payment_method_id: ours, in resource names; the provider's id unless the caller gave another."""

card_setups: Final = Table(
    "card_setups",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("setup_id", Uuid, nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_key", Text, nullable=False),
    Column("external_id", Text),
    Column("created_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "setup_id"),
    ForeignKeyConstraint(
        ["org_id", "provider"],
        [payment_customers.c.org_id, payment_customers.c.provider],
    ),
    info={"scope": "tenant"},
)
"""Started set-ups; provider_key is the idempotency key, external_id NULL until the provider has answered."""
