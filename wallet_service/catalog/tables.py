"""Tables of the catalog: reference data, without an organization."""

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from wallet_service.db import metadata
from wallet_service.rating.rules import PRICE_SCALE, PRICE_WHOLE_DIGITS

_TIME: Final = DateTime(timezone=True)

meters: Final = Table(
    "meters",
    metadata,
    Column("meter", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("aggregation", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    PrimaryKeyConstraint("meter"),
    CheckConstraint("aggregation IN ('sum')", name="aggregation"),
    info={"scope": "reference"},
)

rates: Final = Table(
    "rates",
    metadata,
    Column("meter", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("effective_at", _TIME, nullable=False),
    Column("rate_id", Uuid, nullable=False),
    Column(
        "unit_price_minor",
        Numeric(PRICE_WHOLE_DIGITS + PRICE_SCALE, PRICE_SCALE),
        nullable=False,
    ),
    Column("created_at", _TIME, nullable=False),
    PrimaryKeyConstraint("meter", "currency", "effective_at"),
    UniqueConstraint("rate_id"),
    ForeignKeyConstraint(["meter"], ["meters.meter"]),
    CheckConstraint("unit_price_minor >= 0", name="unit_price_minor"),
    info={"scope": "reference", "append_only": True},
)
"""unit_price_minor: minor units for one unit of the meter, in force from effective_at on."""
