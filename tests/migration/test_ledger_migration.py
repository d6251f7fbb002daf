"""The ledger's tables are what its migration makes, and the service's role has what it needs and no more."""

import asyncpg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from ledger.tables import metadata
from wallet_service.db import SERVICE_ROLE, engine_for
from wallet_service.migrate import upgrade


def _differences(connection: Connection) -> list[object]:
    names = set(metadata.tables)

    def ours(_object: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:
        return kind != "table" or name in names

    context = MigrationContext.configure(
        connection, opts={"include_object": ours, "compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, metadata))


def _details(connection: Connection) -> dict[str, object]:
    """What Alembic does not compare: check constraints, primary keys, partial indexes, fill factors."""
    inspector = inspect(connection)
    return {
        table: (
            sorted((check["name"], check["sqltext"]) for check in inspector.get_check_constraints(table)),
            inspector.get_pk_constraint(table),
            sorted(str(index) for index in inspector.get_indexes(table)),
            connection.execute(
                text("SELECT reloptions FROM pg_class WHERE oid = to_regclass(:name)"), {"name": table}
            ).scalar_one(),
        )
        for table in metadata.tables
    }


async def test_tables_and_migration_agree(database_url: str, empty_database_url: str) -> None:
    migrated = engine_for(database_url, pool_size=1, role=None)
    created = engine_for(empty_database_url, pool_size=1, role=None)
    async with migrated.connect() as conn:
        assert await conn.run_sync(_differences) == []
        details = await conn.run_sync(_details)
    async with created.begin() as conn:
        await conn.run_sync(metadata.create_all)
        assert await conn.run_sync(_details) == details
    await migrated.dispose()
    await created.dispose()


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    engine = engine_for(database_url, pool_size=1, role=None)
    async with engine.connect() as conn:
        before = (await conn.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
    await upgrade(database_url)
    async with engine.connect() as conn:
        assert (await conn.execute(text("SELECT version_num FROM alembic_version"))).scalar_one() == before
    await engine.dispose()


async def test_the_role_may_do_what_each_table_says(database_url: str) -> None:
    engine = engine_for(database_url, pool_size=1, role=None)
    async with engine.connect() as conn:
        for table in metadata.sorted_tables:
            rows = await conn.execute(
                text(
                    "SELECT privilege_type FROM information_schema.role_table_grants"
                    " WHERE grantee = :role AND table_name = :name"
                ),
                {"role": SERVICE_ROLE, "name": table.name},
            )
            expected = {"SELECT", "INSERT"}
            if not table.info.get("append_only"):
                expected |= {"UPDATE", "DELETE"}
            assert {row[0] for row in rows} == expected, table.name
    await engine.dispose()


async def test_a_migration_does_not_wait_long_for_a_lock(empty_database_url: str) -> None:
    """Somebody who holds a table makes the migration fail, not queue for ever."""
    engine = create_async_engine(empty_database_url)
    await upgrade(empty_database_url, "0001_ledger")
    async with engine.begin() as conn:
        await conn.execute(text("LOCK TABLE alembic_version"))
        try:
            await upgrade(empty_database_url)
        except Exception as error:
            state = getattr(getattr(error, "orig", error), "sqlstate", None)
            assert state == asyncpg.LockNotAvailableError.sqlstate
        else:
            raise AssertionError("the migration did not notice the lock")
    await engine.dispose()
