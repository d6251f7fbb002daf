"""The tables as they are declared, all of them, and their shapes."""

from importlib import import_module
from pkgutil import iter_modules

from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, Table, UniqueConstraint

import wallet_service
from ledger.tables import metadata as ledger_metadata
from wallet_service.db import metadata
from wallet_service.distribution.model import Reference, TableShape


def declared_tables() -> list[Table]:
    """Of the ledger and of every domain, each after those that it refers to."""
    for package in iter_modules(wallet_service.__path__, f"{wallet_service.__name__}."):
        if package.ispkg and any(
            module.name == "tables" for module in iter_modules(import_module(package.name).__path__)
        ):
            import_module(f"{package.name}.tables")
    return [*ledger_metadata.sorted_tables, *metadata.sorted_tables]


def shape_of(table: Table) -> TableShape:
    keys = [
        [column.name for column in constraint.columns]
        for constraint in table.constraints
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint)
    ]
    keys += [[column.name for column in index.columns] for index in table.indexes if index.unique]
    return TableShape(
        name=table.name,
        scope=table.info["scope"],
        keys=tuple(sorted(tuple(key) for key in keys)),
        references=tuple(
            sorted(
                (
                    Reference(
                        constraint.referred_table.name,
                        tuple((element.parent.name, element.column.name) for element in constraint.elements),
                    )
                    for constraint in table.constraints
                    if isinstance(constraint, ForeignKeyConstraint)
                ),
                key=lambda reference: (reference.table, reference.pairs),
            )
        ),
        generated=tuple(
            column.name
            for column in table.columns
            if column.identity is not None or column.computed is not None or column.server_default is not None
        ),
    )
