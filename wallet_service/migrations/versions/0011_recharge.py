"""Nothing yet."""

revision = "0011_recharge"
down_revision = "0010_limits"


def upgrade() -> None:
    """Nothing to do."""
