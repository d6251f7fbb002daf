"""Organizations, billing accounts, wallets, projects, their directories, API keys and request ids.

Runs before the code that needs it.
"""

import sqlalchemy as sa
from alembic import op

from wallet_service.migrations.grants import grant, grant_append_only

revision = "0002_accounts"
down_revision = "0001_ledger"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _organizations()
    _billing()
    _projects()
    _keys()
    grant_append_only("request_keys")
    grant(
        "organizations",
        "organization_directory",
        "billing_accounts",
        "wallets",
        "projects",
        "project_directory",
        "api_keys",
    )


def _organizations() -> None:
    op.create_table(
        "organizations",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("usage_age_max_seconds", sa.BigInteger),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="pk_organizations"),
        sa.CheckConstraint("usage_age_max_seconds > 0", name="ck_organizations_usage_age_max_seconds"),
    )
    op.create_table(
        "organization_directory",
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("slug", name="pk_organization_directory"),
        sa.UniqueConstraint("org_id", name="uq_organization_directory_org_id"),
    )


def _billing() -> None:
    op.create_table(
        "billing_accounts",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("billing_account_id", sa.Uuid, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("suspended_reason", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "billing_account_id", name="pk_billing_accounts"),
        sa.UniqueConstraint("org_id", name="uq_billing_accounts_org_id"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.org_id"], name="fk_billing_accounts_org_id"),
        sa.CheckConstraint(
            "state IN ('active', 'suspended', 'closed')",
            name="ck_billing_accounts_state",
        ),
        sa.CheckConstraint(
            "suspended_reason IN ('low_balance', 'dispute', 'manual')",
            name="ck_billing_accounts_suspended_reason",
        ),
        sa.CheckConstraint(
            "(state = 'suspended') = (suspended_reason IS NOT NULL)",
            name="ck_billing_accounts_suspension",
        ),
    )
    op.create_table(
        "wallets",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("wallet_id", sa.Uuid, nullable=False),
        sa.Column("billing_account_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("closed_at", _TIME),
        sa.PrimaryKeyConstraint("org_id", "wallet_id", name="pk_wallets"),
        sa.ForeignKeyConstraint(
            ["org_id", "billing_account_id"],
            ["billing_accounts.org_id", "billing_accounts.billing_account_id"],
            name="fk_wallets_org_id_billing_account_id",
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "account_id"],
            ["ledger_wallets.org_id", "ledger_wallets.account_id"],
            name="fk_wallets_org_id_account_id",
        ),
    )
    op.create_index(
        "uq_wallets_open",
        "wallets",
        ["org_id", "billing_account_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )


def _projects() -> None:
    op.create_table(
        "projects",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("project_id", sa.Uuid, nullable=False),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "project_id", name="pk_projects"),
        sa.UniqueConstraint("org_id", "slug", name="uq_projects_org_id_slug"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.org_id"], name="fk_projects_org_id"),
    )
    op.create_table(
        "project_directory",
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("project_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("slug", name="pk_project_directory"),
    )


def _keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Uuid, nullable=False),
        sa.Column("key_hash", sa.LargeBinary, nullable=False),
        sa.Column("org_id", sa.Uuid),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME),
        sa.Column("revoked_at", _TIME),
        sa.Column("last_used_at", _TIME),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
        sa.UniqueConstraint("key_hash", name="uq_api_keys_key_hash"),
        sa.CheckConstraint("octet_length(key_hash) = 32", name="ck_api_keys_key_hash"),
        sa.CheckConstraint(
            "role IN ('viewer', 'editor', 'admin', 'operator')",
            name="ck_api_keys_role",
        ),
        sa.CheckConstraint("(role = 'operator') = (org_id IS NULL)", name="ck_api_keys_owner"),
    )
    op.create_index("ix_api_keys_org_id_key_id", "api_keys", ["org_id", "key_id"])
    op.create_table(
        "request_keys",
        sa.Column("org_id", sa.Uuid, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("key_hash", sa.LargeBinary, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "method", "key_hash", name="pk_request_keys"),
        sa.CheckConstraint("octet_length(key_hash) = 16", name="ck_request_keys_key_hash"),
        sa.CheckConstraint("octet_length(content_hash) = 32", name="ck_request_keys_content_hash"),
    )
