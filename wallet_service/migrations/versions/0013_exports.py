"""Nothing yet."""

revision = "0013_exports"
down_revision = "0012_promotions"


def upgrade() -> None:
    """Nothing to do."""
