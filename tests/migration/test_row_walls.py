"""Every table of tenants is behind row-level security, as the metadata list them: no migration can forget one."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tests.migration.test_table_rules import TENANT
from wallet_service.db import SERVICE_ROLE, engine_for
from wallet_service.tenancy import TENANT_ROLE

OWN = "(org_id = (NULLIF(current_setting('wallet.tenant'::text, true), ''::text))::uuid)"
WALL = {
    ("everyone", "PERMISSIVE", SERVICE_ROLE, "ALL", "true", "true"),
    ("own", "RESTRICTIVE", TENANT_ROLE, "ALL", OWN, OWN),
}


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database_url, pool_size=1, role=None)
    yield engine
    await engine.dispose()


async def walls(conn: AsyncConnection) -> dict[str, set[tuple[str, ...]]]:
    """The policies of each table whose row-level security is on."""
    walled = text("SELECT relname FROM pg_class WHERE relrowsecurity AND relnamespace = 'public'::regnamespace")
    found: dict[str, set[tuple[str, ...]]] = {name: set() for name in (await conn.execute(walled)).scalars()}
    query = text(
        "SELECT tablename, policyname, permissive, array_to_string(roles, ','), cmd, qual, with_check FROM pg_policies"
    )
    for row in await conn.execute(query):
        if row[0] in found:
            found[row[0]].add(tuple(row[1:]))
    return found


async def test_the_tables_of_tenants_and_no_others_are_walled(owner: AsyncEngine):
    async with owner.connect() as conn:
        assert await walls(conn) == {table.name: WALL for table in TENANT}


async def test_a_forgotten_table_or_an_open_gate_would_be_noticed(owner: AsyncEngine):
    async with owner.connect() as conn:
        await conn.execute(text("ALTER TABLE events DISABLE ROW LEVEL SECURITY"))
        await conn.execute(text(f"CREATE POLICY gate ON invoices TO {TENANT_ROLE} USING (true)"))
        await conn.execute(text("ALTER POLICY own ON topups USING (true)"))
        found = await walls(conn)
        wrong = {table.name for table in TENANT if found.get(table.name) != WALL}
        assert wrong == {"events", "invoices", "topups"}


async def test_no_way_leads_around_the_wall(owner: AsyncEngine):
    """Neither role bypasses row-level security or owns anything, and parts of tables are reached through their parents."""
    async with owner.connect() as conn:
        roles = text("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = ANY(:names)")
        names = [SERVICE_ROLE, TENANT_ROLE]
        assert sorted(await conn.execute(roles, {"names": names})) == [(name, False, False) for name in names]
        parts = text(
            "SELECT c.relname FROM pg_class c, unnest(CAST(:names AS text[])) n WHERE c.relispartition"
            " AND c.relkind IN ('r', 'p') AND has_table_privilege(n, c.oid, 'SELECT, INSERT, UPDATE, DELETE')"
        )
        assert list((await conn.execute(parts, {"names": names})).scalars()) == []
        owned = text(
            "SELECT relname FROM pg_class WHERE relowner IN (SELECT oid FROM pg_roles WHERE rolname = ANY(:names))"
        )
        assert list((await conn.execute(owned, {"names": names})).scalars()) == []
