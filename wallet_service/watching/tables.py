"""How far the journal of each organization has been watched."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, PrimaryKeyConstraint, Table, Uuid

from wallet_service.db import metadata

watch_cursors: Final = Table(
    "watch_cursors",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("entry_seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("org_id"),
    CheckConstraint("entry_seq >= 0", name="entry_seq"),
    info={"scope": "tenant"},
    postgresql_with={"fillfactor": 60},
)
"""entry_seq: the last entry that watchers were shown. No row means 0. Its lock is the right to show what follows."""
