"""Nothing yet."""

revision = "0020_row_security"
down_revision = "0019_leases"


def upgrade() -> None:
    """Nothing to do."""
