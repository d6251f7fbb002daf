"""Nothing yet."""

revision = "0007_events"
down_revision = "0006_test_clocks"


def upgrade() -> None:
    """Nothing to do."""
