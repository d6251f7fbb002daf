"""Nothing yet."""

revision = "0018_usage_partitions"
down_revision = "0017_audit_log"


def upgrade() -> None:
    """Nothing to do."""
