"""The rules that keep the schema distributable by organization, asserted from the tables' metadata.

A table says in `info["scope"]` whose rows it holds: tenant, reference, platform or jobs.
"""

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    ForeignKeyConstraint,
    Identity,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
)

from ledger.tables import metadata as ledger_metadata
from wallet_service.db import metadata as service_metadata
from wallet_service.distribution.schema import declared_tables

METADATAS: tuple[MetaData, ...] = (ledger_metadata, service_metadata)
TABLES = declared_tables()
TENANT = [table for table in TABLES if table.info.get("scope") == "tenant"]

every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
every_tenant_table = pytest.mark.parametrize("table", TENANT, ids=lambda table: table.name)


@every_table
def test_a_table_says_whose_rows_it_holds(table: Table) -> None:
    assert table.info.get("scope") in {"tenant", "reference", "platform", "jobs"}


@every_tenant_table
def test_the_organization_leads_every_key(table: Table) -> None:
    keys = [
        [column.name for column in constraint.columns]
        for constraint in table.constraints
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint)
    ]
    keys += [[column.name for column in index.columns] for index in table.indexes if index.unique]
    assert keys
    assert {key[0] for key in keys} == {"org_id"}


@every_tenant_table
def test_the_organization_leads_every_foreign_key_to_a_tenant_table(table: Table) -> None:
    for constraint in table.constraints:
        if isinstance(constraint, ForeignKeyConstraint) and constraint.referred_table.info["scope"] == "tenant":
            pairs = [(element.parent.name, element.column.name) for element in constraint.elements]
            assert pairs[0] == ("org_id", "org_id"), constraint.name


@every_tenant_table
def test_no_value_of_a_tenant_row_is_made_by_the_database(table: Table) -> None:
    """No identity, sequence, computed column or default: ids and times come from the service."""
    for column in table.columns:
        assert not isinstance(column.identity, Identity), column
        assert not isinstance(column.computed, Computed), column
        assert column.server_default is None, column
        # What SQLAlchemy would make a serial column of.
        assert column is not table.autoincrement_column or column.autoincrement is False, column


@every_table
def test_job_tables_and_tenant_tables_do_not_refer_to_each_other(table: Table) -> None:
    for foreign_key in table.foreign_keys:
        scopes = {table.info["scope"], foreign_key.column.table.info["scope"]}
        assert not {"jobs", "tenant"} <= scopes, foreign_key


@every_table
def test_money_is_exact_and_times_are_aware(table: Table) -> None:
    for column in table.columns:
        kind = str(column.type)
        assert not {"FLOAT", "DOUBLE", "DOUBLE PRECISION", "REAL"} & {kind}, column
        if column.name.endswith("_minor"):
            assert kind == "BIGINT" or kind.startswith("NUMERIC"), column
        if column.name.endswith("_at"):
            assert getattr(column.type, "timezone", False), column


@every_table
def test_no_constraint_asks_the_database_for_the_time(table: Table) -> None:
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint):
            text = str(constraint.sqltext).lower()
            assert "now()" not in text
            assert "current_timestamp" not in text


def test_the_rules_would_notice() -> None:
    """A table that breaks a rule is caught, so the tests above are not empty."""
    metadata = MetaData()
    bad = Table("bad", metadata, Column("id", Uuid, primary_key=True), info={"scope": "tenant"})
    with pytest.raises(AssertionError):
        test_the_organization_leads_every_key(bad)
