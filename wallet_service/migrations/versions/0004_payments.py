"""Top-ups and what was taken back of them, customers, saved cards, card set-ups, and the inbox of provider events.

Runs before the code that needs it.
"""

import sqlalchemy as sa
from alembic import op

from wallet_service.migrations.grants import grant

revision = "0004_payments"
down_revision = "0003_catalog_usage"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _topups()
    _topup_reversals()
    _payment_customers()
    _payment_methods()
    _card_setups()
    _provider_events()
    grant(
        "topups",
        "topup_reversals",
        "payment_customers",
        "payment_methods",
        "card_setups",
        "provider_events",
    )


def _topups() -> None:
    op.create_table(
        "topups",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("topup_id", sa.Uuid, nullable=False),
        sa.Column("wallet_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("provider_key", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text),
        sa.Column("payment_method_id", sa.Text),
        sa.Column("provider_method_id", sa.Text),
        sa.Column("external_id", sa.Text),
        sa.Column("failure_reason", sa.Text),
        sa.Column("failure_code", sa.Text),
        sa.Column("failure_message", sa.Text),
        sa.Column("entry_id", sa.Uuid),
        sa.Column("fee_minor", sa.BigInteger),
        sa.Column("fee_currency", sa.Text),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("settled_at", _TIME),
        sa.Column("next_check_at", _TIME),
        sa.PrimaryKeyConstraint("org_id", "topup_id", name="pk_topups"),
        sa.UniqueConstraint("org_id", "provider", "external_id", name="uq_topups_org_id_provider_external_id"),
        sa.ForeignKeyConstraint(
            ["org_id", "wallet_id"], ["wallets.org_id", "wallets.wallet_id"], name="fk_topups_org_id_wallet_id"
        ),
        sa.CheckConstraint("amount_minor > 0", name="ck_topups_amount_minor"),
        sa.CheckConstraint("state IN ('PENDING', 'SUCCEEDED', 'FAILED', 'CANCELED')", name="ck_topups_state"),
        sa.CheckConstraint("method IN ('stripe-card', 'stripe-ach', 'coinbase')", name="ck_topups_method"),
        sa.CheckConstraint("(state = 'SUCCEEDED') = (entry_id IS NOT NULL)", name="ck_topups_credited"),
        sa.CheckConstraint("(state = 'PENDING') = (settled_at IS NULL)", name="ck_topups_settled"),
        sa.CheckConstraint("(fee_minor IS NULL) = (fee_currency IS NULL)", name="ck_topups_fee"),
    )
    op.create_index("ix_topups_provider_external_id", "topups", ["provider", "external_id"])
    op.create_index("ix_topups_due", "topups", ["next_check_at"], postgresql_where=sa.text("next_check_at IS NOT NULL"))


def _topup_reversals() -> None:
    op.create_table(
        "topup_reversals",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("reversal_id", sa.Uuid, nullable=False),
        sa.Column("topup_id", sa.Uuid, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("provider_reference", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("is_away", sa.Boolean, nullable=False),
        sa.Column("turn_count", sa.Integer, nullable=False),
        sa.Column("entry_id", sa.Uuid),
        sa.Column("fee_minor", sa.BigInteger, nullable=False),
        sa.Column("fee_currency", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "reversal_id", name="pk_topup_reversals"),
        sa.UniqueConstraint(
            "org_id",
            "provider",
            "provider_reference",
            name="uq_topup_reversals_org_id_provider_provider_reference",
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "topup_id"], ["topups.org_id", "topups.topup_id"], name="fk_topup_reversals_org_id_topup_id"
        ),
        sa.CheckConstraint("kind IN ('refund', 'dispute')", name="ck_topup_reversals_kind"),
        sa.CheckConstraint("amount_minor > 0", name="ck_topup_reversals_amount_minor"),
    )
    op.create_index("ix_topup_reversals_org_id_topup_id", "topup_reversals", ["org_id", "topup_id"])


def _payment_customers() -> None:
    op.create_table(
        "payment_customers",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("billing_account_id", sa.Uuid, nullable=False),
        sa.Column("provider_key", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "provider", name="pk_payment_customers"),
        sa.ForeignKeyConstraint(
            ["org_id", "billing_account_id"],
            ["billing_accounts.org_id", "billing_accounts.billing_account_id"],
            name="fk_payment_customers_org_id_billing_account_id",
        ),
    )


def _payment_methods() -> None:
    op.create_table(
        "payment_methods",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("payment_method_id", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("provider_method_id", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("last4", sa.Text, nullable=False),
        sa.Column("exp_month", sa.Integer, nullable=False),
        sa.Column("exp_year", sa.Integer, nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "payment_method_id", name="pk_payment_methods"),
        sa.UniqueConstraint(
            "org_id",
            "provider",
            "provider_method_id",
            name="uq_payment_methods_org_id_provider_provider_method_id",
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "provider"],
            ["payment_customers.org_id", "payment_customers.provider"],
            name="fk_payment_methods_org_id_provider",
        ),
        sa.CheckConstraint("state IN ('attached', 'detaching', 'detached')", name="ck_payment_methods_state"),
        sa.CheckConstraint("state = 'attached' OR NOT is_default", name="ck_payment_methods_is_default"),
    )
    op.create_index(
        "uq_payment_methods_default",
        "payment_methods",
        ["org_id"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )


def _card_setups() -> None:
    op.create_table(
        "card_setups",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("setup_id", sa.Uuid, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("provider_key", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "setup_id", name="pk_card_setups"),
        sa.ForeignKeyConstraint(
            ["org_id", "provider"],
            ["payment_customers.org_id", "payment_customers.provider"],
            name="fk_card_setups_org_id_provider",
        ),
    )


def _provider_events() -> None:
    op.create_table(
        "provider_events",
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("object_id", sa.Text, nullable=False),
        sa.Column("payment_external_id", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("processed_at", _TIME),
        sa.PrimaryKeyConstraint("provider", "event_id", name="pk_provider_events"),
    )
    op.create_index("ix_provider_events_processed_at", "provider_events", ["processed_at"])
