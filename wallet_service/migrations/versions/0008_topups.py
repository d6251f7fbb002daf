"""Nothing yet."""

revision = "0008_topups"
down_revision = "0007_events"


def upgrade() -> None:
    """Nothing to do."""
