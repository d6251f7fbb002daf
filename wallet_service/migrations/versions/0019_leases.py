"""Nothing yet."""

revision = "0019_leases"
down_revision = "0018_usage_partitions"


def upgrade() -> None:
    """Nothing to do."""
