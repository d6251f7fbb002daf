"""Nothing yet."""

revision = "0016_credit"
down_revision = "0015_account_states"


def upgrade() -> None:
    """Nothing to do."""
