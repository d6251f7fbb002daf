"""Nothing yet."""

revision = "0015_account_states"
down_revision = "0014_invoices"


def upgrade() -> None:
    """Nothing to do."""
