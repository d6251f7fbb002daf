"""Nothing yet."""

revision = "0010_limits"
down_revision = "0009_watching"


def upgrade() -> None:
    """Nothing to do."""
