"""Row-level security on every table of tenants.

Runs before the code that needs it; code that knows nothing of it goes on as before.
"""

from typing import Final

from wallet_service.migrations.row_security import create_tenant_role, wall

revision = "0020_row_security"
down_revision = "0019_leases"

_TABLES: Final = (
    "account_standings",
    "audit_events",
    "audit_heads",
    "auto_recharge_attempts",
    "auto_recharge_consents",
    "auto_recharges",
    "billing_accounts",
    "card_setups",
    "event_heads",
    "events",
    "exports",
    "invoice_numbers",
    "invoices",
    "ledger_accounts",
    "ledger_books",
    "ledger_entries",
    "ledger_holds",
    "ledger_keys",
    "ledger_postings",
    "ledger_reversals",
    "ledger_wallets",
    "notification_deliveries",
    "notification_settings",
    "notification_targets",
    "organizations",
    "payment_customers",
    "payment_methods",
    "projects",
    "promotions",
    "request_keys",
    "spending_limits",
    "statement_cursors",
    "test_clock_organizations",
    "topup_reversals",
    "topups",
    "unmatched_payments",
    "usage_batches",
    "usage_events",
    "usage_hourly",
    "usage_keys",
    "wallet_alerts",
    "wallets",
    "watch_cursors",
    "webhook_deliveries",
    "webhook_endpoints",
)


def upgrade() -> None:
    create_tenant_role()
    wall(*_TABLES)
