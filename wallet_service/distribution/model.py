"""What of a table decides where it is placed."""

from dataclasses import dataclass
from enum import StrEnum


class Placement(StrEnum):
    """Where the rows of a table are."""

    DISTRIBUTED = "distributed"
    """Each on the machine of its organization."""
    REFERENCE = "reference"
    """All of them on every machine."""
    LOCAL = "local"
    """On the coordinator, as without Citus."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: pairs of own column and column of the other table, in order."""

    table: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TableShape:
    """keys: columns of the primary key and of every unique constraint and index. generated: columns that the database
    fills.
    """

    name: str
    scope: str
    keys: tuple[tuple[str, ...], ...]
    references: tuple[Reference, ...] = ()
    generated: tuple[str, ...] = ()


class DistributionRefused(RuntimeError):
    """The database cannot be distributed, or not be used as it is; the text is meant for whoever runs it."""
