"""Payments that are not the credit of their top-up are asked for again; what is taken back says of which payment.

Runs before the code that needs it. What the code before it books meanwhile is followed by webhooks alone, as all of it was.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021_payments_followed"
down_revision = "0020_row_security"


def upgrade() -> None:
    op.add_column("unmatched_payments", sa.Column("next_check_at", sa.DateTime(timezone=True)))
    # Due by any clock, also by a test clock: the first look plans the next one, or finds that it was the last.
    op.execute("UPDATE unmatched_payments SET next_check_at = created_at")
    op.create_index(
        "ix_unmatched_payments_due",
        "unmatched_payments",
        ["next_check_at"],
        postgresql_where=sa.text("next_check_at IS NOT NULL"),
    )
    op.add_column("topup_reversals", sa.Column("external_id", sa.Text))
    op.add_column("topup_reversals", sa.Column("currency", sa.Text))
