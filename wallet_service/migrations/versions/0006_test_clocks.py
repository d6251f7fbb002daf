"""Nothing yet."""

revision = "0006_test_clocks"
down_revision = "0005_jobs"


def upgrade() -> None:
    """Nothing to do."""
