"""Nothing yet."""

revision = "0021_spare"
down_revision = "0020_row_security"


def upgrade() -> None:
    """Nothing to do."""
