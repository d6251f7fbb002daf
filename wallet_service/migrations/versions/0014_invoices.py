"""Nothing yet."""

revision = "0014_invoices"
down_revision = "0013_exports"


def upgrade() -> None:
    """Nothing to do."""
