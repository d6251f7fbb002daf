"""The whole migrated schema is what all tables declare, no more and no less, and the service's role is bound by it."""

from collections.abc import AsyncIterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Table, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.migration.test_table_rules import METADATAS, TABLES
from wallet_service.db import SERVICE_ROLE, engine_for

NOT_OURS = ("alembic_version", "pgqueuer", "usage_events_")
"""Made by a library (a test of the jobs compares PgQueuer's tables with what it declares), or partitions."""

APPEND_ONLY = [table for table in TABLES if table.info.get("append_only")]


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database_url, pool_size=1, role=None)
    yield engine
    await engine.dispose()


def differences(connection: Connection) -> list[object]:
    def ours(_object: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:
        return kind != "table" or not str(name).startswith(NOT_OURS)

    context = MigrationContext.configure(
        connection, opts={"include_object": ours, "compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, METADATAS))  # pyright: ignore[reportArgumentType]


def details(connection: Connection) -> dict[str, object]:
    """What Alembic does not compare: check constraints, primary keys, partial indexes, fill factors, foreign keys."""
    inspector = inspect(connection)
    options = text("SELECT reloptions FROM pg_class WHERE oid = to_regclass(:name)")
    return {
        table.name: (
            sorted((check["name"], check["sqltext"]) for check in inspector.get_check_constraints(table.name)),
            inspector.get_pk_constraint(table.name),
            sorted(str(index) for index in inspector.get_indexes(table.name)),
            sorted(str(key) for key in inspector.get_foreign_keys(table.name)),
            connection.execute(options, {"name": table.name}).scalar_one(),
        )
        for table in TABLES
    }


async def test_tables_and_migrations_agree(owner: AsyncEngine, empty_database_url: str):
    created = engine_for(empty_database_url, pool_size=1, role=None)
    async with owner.connect() as conn:
        assert await conn.run_sync(differences) == []
        migrated = await conn.run_sync(details)
    async with created.begin() as conn:
        for metadata in METADATAS:
            await conn.run_sync(metadata.create_all)
        assert await conn.run_sync(details) == migrated
    await created.dispose()


async def test_the_comparison_would_notice(owner: AsyncEngine):
    async with owner.connect() as conn:
        await conn.execute(text("ALTER TABLE topups ALTER COLUMN provider_key DROP NOT NULL"))
        await conn.execute(text("CREATE TABLE forgotten (id uuid)"))
        assert len(await conn.run_sync(differences)) == 2


def test_which_tables_are_append_only():
    """Whoever adds or removes one changes this list on purpose."""
    assert {table.name for table in APPEND_ONLY} == {
        "audit_events",
        "auto_recharge_consents",
        "events",
        "invoices",
        "ledger_accounts",
        "ledger_entries",
        "ledger_keys",
        "ledger_postings",
        "promotion_campaigns",
        "promotions",
        "rates",
        "request_keys",
        "usage_batches",
        "usage_events",
        "usage_keys",
        "usage_retention",
    }


@pytest.mark.parametrize("table", APPEND_ONLY, ids=lambda table: table.name)
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0}"])
async def test_the_service_may_not_change_facts(database_url: str, table: Table, statement: str):
    engine = engine_for(database_url, pool_size=1)
    column = next(iter(table.columns)).name
    async with engine.connect() as conn:
        assert (await conn.execute(text("SELECT current_user"))).scalar_one() == SERVICE_ROLE
        with pytest.raises(DBAPIError) as caught:
            await conn.execute(text(statement.format(table.name, column)))
    assert getattr(caught.value.orig, "sqlstate", None) == "42501"
    await engine.dispose()


async def test_the_role_may_do_what_each_table_says(owner: AsyncEngine):
    grants = text(
        "SELECT privilege_type FROM information_schema.role_table_grants WHERE grantee = :role AND table_name = :name"
    )
    async with owner.connect() as conn:
        for table in TABLES:
            expected = {"SELECT", "INSERT"} | (set() if table.info.get("append_only") else {"UPDATE", "DELETE"})
            found = await conn.execute(grants, {"role": SERVICE_ROLE, "name": table.name})
            assert set(found.scalars()) == expected, table.name


async def test_the_service_owns_nothing(owner: AsyncEngine):
    owned = text("SELECT relname FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = :role)")
    async with owner.connect() as conn:
        assert list((await conn.execute(owned, {"role": SERVICE_ROLE})).scalars()) == []
