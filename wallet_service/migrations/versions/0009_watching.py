"""Nothing yet."""

revision = "0009_watching"
down_revision = "0008_topups"


def upgrade() -> None:
    """Nothing to do."""
