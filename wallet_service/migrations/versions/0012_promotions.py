"""Nothing yet."""

revision = "0012_promotions"
down_revision = "0011_recharge"


def upgrade() -> None:
    """Nothing to do."""
