"""Which table goes where, what stands in the way, and the statements that bring it there. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from wallet_service.distribution.model import Placement, TableShape

TENANT_COLUMN: Final = "org_id"
BESIDE: Final = "organizations"
"""All distributed tables have their rows beside those of this one; it refers to no other."""

SHARDS_MAX: Final = 64
"""As many lanes as the ledger has at most: each shard is one."""

_PLACEMENTS: Final[Mapping[str, Placement]] = {
    "tenant": Placement.DISTRIBUTED,
    "reference": Placement.REFERENCE,
    "platform": Placement.LOCAL,
    "jobs": Placement.LOCAL,
}

_ALLOWED_REFERENCES: Final = frozenset(
    {
        (Placement.DISTRIBUTED, Placement.DISTRIBUTED),
        (Placement.DISTRIBUTED, Placement.REFERENCE),
        (Placement.REFERENCE, Placement.REFERENCE),
        (Placement.LOCAL, Placement.REFERENCE),
        (Placement.LOCAL, Placement.LOCAL),
    }
)

SETTINGS: Final[Mapping[str, str]] = {
    # What a transaction sets for itself holds on the machines that it reaches too: row security reads it there.
    "citus.propagate_set_commands": "local",
    # Otherwise each new connection hides the shards' tables from the catalog, and asking for a type takes a second.
    "citus.override_table_visibility": "off",
}
"""Of the database, for every connection to it."""


def placement_of(table: TableShape) -> Placement:
    return _PLACEMENTS[table.scope]


def obstacles(tables: Iterable[TableShape]) -> list[str]:
    """What Citus would refuse, in the words of whoever declares the tables; none of a schema that keeps the rules."""
    by_name = {table.name: table for table in tables}
    found: list[str] = []
    for table in by_name.values():
        found += _of_references(table, by_name)
        if placement_of(table) is Placement.DISTRIBUTED:
            found += [
                f"{table.name}: the key ({', '.join(key)}) does not begin with {TENANT_COLUMN}"
                for key in table.keys
                if key[0] != TENANT_COLUMN
            ]
            found += [f"{table.name}: {column} is made by the database" for column in table.generated]
            if not table.keys:
                found.append(f"{table.name}: no key")
    return found


def plan(
    tables: Iterable[TableShape],
    *,
    database: str,
    roles: Iterable[str],
    shard_count: int,
    placed: Mapping[str, Placement],
) -> list[str]:
    """The statements, in order, each of which may be a transaction of its own.

    `placed` says what is placed already, which is left as it is, so whatever was interrupted goes on. A table that should
    be local and is not comes back. Raises ValueError for a number of shards outside 1 to 64, and for a table that is placed
    otherwise than it should be and cannot be brought back alone.
    """
    if not 1 <= shard_count <= SHARDS_MAX:
        raise ValueError(f"the number of shards is between 1 and {SHARDS_MAX}")
    ordered = in_order_of_references(tables)
    statements = [f"ALTER DATABASE {_quoted(database)} SET {name} = '{value}'" for name, value in SETTINGS.items()]
    # A machine is reached as the role that the statement runs as, which so far nobody had to log in as.
    statements += [f"ALTER ROLE {_quoted(role)} LOGIN" for role in roles]
    statements += [
        f"SELECT undistribute_table('{table.name}', cascade_via_foreign_keys => true)"
        for table in ordered
        if placement_of(table) is Placement.LOCAL and _is_placed(table, placed)
    ]
    missing = [table for table in ordered if placement_of(table) is not Placement.LOCAL and _is_missing(table, placed)]
    statements += [
        f"SELECT create_reference_table('{table.name}')"
        for table in missing
        if placement_of(table) is Placement.REFERENCE
    ]
    distributed = [table.name for table in missing if placement_of(table) is Placement.DISTRIBUTED]
    statements += [_distribute(name, shard_count) for name in sorted(distributed, key=lambda name: name != BESIDE)]
    # What was copied to the shards is still here, unseen: away with it, first of tables that others do not refer to.
    statements += [f"SELECT truncate_local_data_after_distributing_table('{name}')" for name in reversed(distributed)]
    return statements


def in_order_of_references(tables: Iterable[TableShape]) -> Sequence[TableShape]:
    """By name, but each table after those that it refers to."""
    waiting = sorted(tables, key=lambda table: table.name)
    names = {table.name for table in waiting}
    ordered: dict[str, TableShape] = {}
    while waiting:
        free = [
            table
            for table in waiting
            if all(
                reference.table in ordered or reference.table == table.name or reference.table not in names
                for reference in table.references
            )
        ]
        if not free:
            raise ValueError(f"{', '.join(table.name for table in waiting)} refer to each other in a circle")
        ordered.update({table.name: table for table in free})
        waiting = [table for table in waiting if table.name not in ordered]
    return tuple(ordered.values())


def _of_references(table: TableShape, by_name: Mapping[str, TableShape]) -> Iterable[str]:
    own = placement_of(table)
    for reference in table.references:
        other = placement_of(by_name[reference.table])
        if (own, other) not in _ALLOWED_REFERENCES:
            yield f"{table.name}: a {own} table cannot refer to {reference.table}, which is {other}"
        elif own is other is Placement.DISTRIBUTED and reference.pairs[0] != (TENANT_COLUMN, TENANT_COLUMN):
            yield f"{table.name}: the reference to {reference.table} does not begin with {TENANT_COLUMN}"


def _is_placed(table: TableShape, placed: Mapping[str, Placement]) -> bool:
    return placed.get(table.name, Placement.LOCAL) is not Placement.LOCAL


def _is_missing(table: TableShape, placed: Mapping[str, Placement]) -> bool:
    wanted = placement_of(table)
    if not _is_placed(table, placed):
        return True
    if placed[table.name] is not wanted:
        raise ValueError(f"{table.name} is {placed[table.name]} and should be {wanted}: undistribute it first")
    return False


def _distribute(name: str, shard_count: int) -> str:
    where = (
        f"colocate_with => 'none', shard_count => {shard_count}" if name == BESIDE else f"colocate_with => '{BESIDE}'"
    )
    return f"SELECT create_distributed_table('{name}', '{TENANT_COLUMN}', {where})"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
