"""Tables of top-ups and of what providers took back."""

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

_TIME: Final = DateTime(timezone=True)

topups: Final = Table(
    "topups",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("topup_id", Uuid, nullable=False),
    Column("wallet_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("provider", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("provider_key", Text, nullable=False),
    Column("customer_id", Text),
    Column("payment_method_id", Text),
    Column("provider_method_id", Text),
    Column("external_id", Text),
    Column("failure_reason", Text),
    Column("failure_code", Text),
    Column("failure_message", Text),
    Column("entry_id", Uuid),
    Column("fee_minor", BigInteger),
    Column("fee_currency", Text),
    Column("revision", Integer, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    Column("settled_at", _TIME),
    Column("next_check_at", _TIME),
    Column("origin", Text, nullable=False),
    Column("action_required", Boolean, nullable=False),
    Column("failure_kind", Text),
    Column("hosted_url", Text),
    PrimaryKeyConstraint("org_id", "topup_id"),
    UniqueConstraint("org_id", "provider", "external_id"),
    ForeignKeyConstraint(["org_id", "wallet_id"], [wallets.c.org_id, wallets.c.wallet_id]),
    Index(None, "provider", "external_id"),
    Index(
        "ix_topups_due",
        "next_check_at",
        postgresql_where=text("next_check_at IS NOT NULL"),
    ),
    CheckConstraint("amount_minor > 0", name="amount_minor"),
    CheckConstraint("state IN ('PENDING', 'SUCCEEDED', 'FAILED', 'CANCELED')", name="state"),
    CheckConstraint("method IN ('stripe-card', 'stripe-ach', 'coinbase')", name="method"),
    CheckConstraint("(state = 'SUCCEEDED') = (entry_id IS NOT NULL)", name="credited"),
    CheckConstraint("(state = 'PENDING') = (settled_at IS NULL)", name="settled"),
    CheckConstraint("(fee_minor IS NULL) = (fee_currency IS NULL)", name="fee"),
    CheckConstraint("origin IN ('manual', 'auto')", name="origin"),
    info={"scope": "tenant"},
)
"""account_id: the ledger account of the wallet. provider_key: the idempotency key of every attempt to start the payment.
payment_method_id is ours, provider_method_id the provider's; both NULL when the payer brings a card. revision counts the
complete answers of the provider that were stored. next_check_at: when the reconciler asks again, NULL for never.
failure_reason is a published reason, failure_kind says whether the method may be tried again. action_required: the payment
waits for the customer's bank to see the customer. origin: auto for a recharge without the customer. hosted_url: where the
payer of a checkout pays. fee_minor is what the provider kept, once it is booked."""

topup_reversals: Final = Table(
    "topup_reversals",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("reversal_id", Uuid, nullable=False),
    Column("topup_id", Uuid, nullable=False),
    Column("provider", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("provider_reference", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("is_away", Boolean, nullable=False),
    Column("turn_count", Integer, nullable=False),
    Column("entry_id", Uuid),
    Column("fee_minor", BigInteger, nullable=False),
    Column("fee_currency", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    Column("status", Text, nullable=False),
    Column("external_id", Text),
    Column("currency", Text),
    PrimaryKeyConstraint("org_id", "reversal_id"),
    UniqueConstraint("org_id", "provider", "provider_reference"),
    ForeignKeyConstraint(["org_id", "topup_id"], [topups.c.org_id, topups.c.topup_id]),
    Index(None, "org_id", "topup_id"),
    CheckConstraint("kind IN ('refund', 'dispute', 'fraud_warning')", name="kind"),
    CheckConstraint("amount_minor > 0", name="amount_minor"),
    info={"scope": "tenant"},
)
"""Refunds, disputes and fraud warnings. status: how the provider has it now, "" where it is older than this column.
is_away: whether the money is gone from the wallet now; turn_count: how often that changed, part of the ledger key of each
change. entry_id: the entry that last took it. fee_minor: what the provider charged for it so far. external_id: the payment
that it is of; it and currency are NULL where they are older than these columns, and then the top-up's."""

unmatched_payments: Final = Table(
    "unmatched_payments",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("provider", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("topup_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("entry_id", Uuid, nullable=False),
    Column("is_in_wallet", Boolean, nullable=False),
    Column("fee_minor", BigInteger),
    Column("fee_currency", Text),
    Column("created_at", _TIME, nullable=False),
    Column("next_check_at", _TIME),
    PrimaryKeyConstraint("org_id", "provider", "external_id"),
    ForeignKeyConstraint(["org_id", "topup_id"], [topups.c.org_id, topups.c.topup_id]),
    Index(None, "org_id", "topup_id"),
    Index(
        "ix_unmatched_payments_due",
        "next_check_at",
        postgresql_where=text("next_check_at IS NOT NULL"),
    ),
    CheckConstraint("amount_minor > 0", name="amount_minor"),
    CheckConstraint("reason IN ('late', 'other_amount', 'second_payment', 'wallet_closed')", name="reason"),
    CheckConstraint("(fee_minor IS NULL) = (fee_currency IS NULL)", name="fee"),
    info={"scope": "tenant"},
)
"""Payments that arrived and are not the credit of their top-up. The money is in the wallet, or where that takes none, in the
receivable account to the customer's credit; entry_id says where. fee_minor is what the provider kept, once it is booked.
next_check_at: when the reconciler asks again, NULL for never."""
