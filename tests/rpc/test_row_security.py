"""The second wall: whatever a statement asks for, work for one organization sees and writes rows of that one only.

Every table of tenants, as the metadata list them, with rows of two organizations that the whole service has made, or the
owner of the tables where the service makes none here.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
from sqlalchemy import Table, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tests.migration.test_table_rules import TENANT
from tests.rpc.role_table import OK, OPERATOR, TABLE, VIEWER
from tests.rpc.test_role_matrix import Matrix, matrix_on
from wallet_service.accounts import project_store
from wallet_service.accounts.model import Project
from wallet_service.accounts.tables import organizations, projects
from wallet_service.db import Database, engine_for
from wallet_service.tenancy import TENANT_ROLE, BeyondTenants, Reach, TenantsNotEntered, narrow, within

REFUSED: Final = "row-level security"
ALSO_CALLED: Final = (
    "wallet.v1.WalletService/ConfigureAutoRecharge",
    "wallet.v1.WalletService/ConfigureWalletAlerts",
    "wallet.v1.WalletService/CreateCardSetupIntent",
    "wallet.v1.WalletService/ExportUsage",
    "wallet.v1.WalletService/SetSpendingLimit",
    "billing.v1.AccountService/UpdateNotificationSettings",
    "billing.v1.AccountService/UpdateSuspensionPolicy",
)
"""Beyond what the scene of the matrix calls."""

SAMPLES: Final = {
    "uuid": "gen_random_uuid()",
    "timestamp with time zone": "now()",
    "date": "now()",
    "ARRAY": "'{}'",
    "jsonb": "'{}'",
    "boolean": "true",
    "bytea": "''",
    "text": "'x'",
    "numeric": "1",
    "bigint": "1",
    "integer": "1",
    "smallint": "1",
}
"""A value of each type."""


@dataclass
class Scene:
    """The service, with rows of both organizations in every table of tenants. `counts`: by table, of each."""

    matrix: Matrix
    db: Database
    mine: UUID
    other: UUID
    counts: dict[str, tuple[int, int]]

    async def owners(self, table: Table) -> list[UUID]:
        """The organization of each row of a table that a statement sees which does not ask for any."""

        async def work(conn: AsyncConnection) -> list[UUID]:
            return list((await conn.execute(select(table.c.org_id))).scalars())

        return await self.db.read(work)

    async def write(self, statement: str, **values: object) -> int:
        """How many rows were written."""

        async def work(conn: AsyncConnection) -> int:
            return (await conn.execute(text(statement), values)).rowcount

        return await self.db.transact(work)

    async def failure(self, statement: str, **values: object) -> str:
        """What the database has against a statement; "" for nothing, and it is undone."""

        async def work(conn: AsyncConnection) -> None:
            await conn.execute(text(statement), values)
            raise _UndoneError

        try:
            await self.db.transact(work)
        except DBAPIError as error:
            return str(error.orig)
        except _UndoneError:
            return ""
        raise AssertionError("unreachable: the work always raises")


class _UndoneError(Exception):
    pass


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database_url, pool_size=1, role=None)
    yield engine
    await engine.dispose()


@pytest.fixture
async def scene(
    database_url: str, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Scene]:
    async with matrix_on(database_url, monkeypatch, tmp_path) as matrix:
        service = matrix.api.service
        for method in ALSO_CALLED:
            for place in ("own", "other"):
                answer, body = await matrix.call(method, matrix.request(TABLE[method], place), OPERATOR)
                assert answer == OK, body
        await service.watch.run_due(None)
        await service.statement_closing.run_due(None)
        # What is counted of the calls so far would otherwise be recorded while rows are compared.
        await service.audit_log.flush()
        mine, other = [await service.directory.resolve_organization(slug) for slug in ("my-org", "other-org")]
        assert mine is not None
        assert other is not None
        made = Scene(matrix, service.db, mine, other, {})
        async with owner.begin() as conn:
            for table in TENANT:
                if not all(await _counts(conn, table, (mine, other))):
                    await _fill(conn, table, (mine, other))
                counts = await _counts(conn, table, (mine, other))
                made.counts[table.name] = counts[0], counts[1]
        yield made


async def _counts(conn: AsyncConnection, table: Table, org_ids: Sequence[UUID]) -> list[int]:
    query = text(f"SELECT count(*) FROM {table.name} WHERE org_id = :org_id")
    return [(await conn.execute(query, {"org_id": org_id})).scalar_one() for org_id in org_ids]


async def _fill(conn: AsyncConnection, table: Table, org_ids: Sequence[UUID]) -> None:
    """A row of each organization without meaning: checks are dropped, foreign keys are not looked at."""
    await conn.execute(text("SET LOCAL session_replication_role = replica"))
    checks = text("SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = to_regclass(:name)")
    for check in (await conn.execute(checks, {"name": table.name})).scalars().all():
        await conn.execute(text(f"ALTER TABLE {table.name} DROP CONSTRAINT {check}"))
    needed = text(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_name = :name AND column_name <> 'org_id' AND is_nullable = 'NO' AND is_generated = 'NEVER'"
    )
    columns = {row[0]: SAMPLES[row[1]] for row in await conn.execute(needed, {"name": table.name})}
    statement = text(
        f"INSERT INTO {table.name} ({', '.join(['org_id', *columns])}) VALUES ({', '.join([':org_id', *columns.values()])})"
    )
    for org_id in org_ids:
        await conn.execute(statement, {"org_id": org_id})


async def test_work_for_one_organization_reaches_its_own_rows_only(scene: Scene, owner: AsyncEngine):
    wrong: list[str] = []

    def expect(table: Table, what: str, *, holds: bool) -> None:
        if not holds:
            wrong.append(f"{table.name}: {what}")

    for table in TENANT:
        name, (own_count, other_count) = table.name, scene.counts[table.name]
        everyones = await scene.owners(table)
        expect(table, "everyone's work sees all", holds={scene.mine, scene.other} <= set(everyones) and other_count > 0)
        with within(scene.mine):
            expect(table, "sees its own", holds=await scene.owners(table) == [scene.mine] * own_count)
            into = f"INSERT INTO {name} (org_id) VALUES (:org_id)"
            expect(table, "inserts for others", holds=REFUSED in await scene.failure(into, org_id=scene.other))
            expect(table, "cannot insert", holds=REFUSED not in await scene.failure(into, org_id=scene.mine))
            if not table.info.get("append_only"):
                locking = f"SELECT 1 FROM {name} WHERE org_id = :org_id FOR UPDATE"
                expect(table, "locks", holds=await scene.write(locking, org_id=scene.other) == 0)
                moving = f"UPDATE {name} SET org_id = :org_id"
                expect(table, "gives away", holds=REFUSED in await scene.failure(moving, org_id=scene.other))
                taking = f"UPDATE {name} SET org_id = org_id WHERE org_id = :org_id"
                expect(table, "updates", holds=await scene.write(taking, org_id=scene.other) == 0)
                dropping = f"DELETE FROM {name} WHERE org_id = :org_id"
                expect(table, "deletes", holds=await scene.write(dropping, org_id=scene.other) == 0)
        with within(Reach.NOBODY):
            expect(table, "nobody's work sees something", holds=await scene.owners(table) == [])
        expect(table, "something was lost", holds=sorted(await scene.owners(table)) == sorted(everyones))
        async with owner.connect() as conn:
            await conn.execute(text(f"SET ROLE {TENANT_ROLE}"))
            untold = (await conn.execute(select(table.c.org_id))).all()
            expect(table, "is open to a connection that has been told nothing", holds=untold == [])
    assert wrong == []


async def test_a_call_whose_statement_forgets_the_organization_shows_its_own(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    seen: list[list[UUID]] = []

    async def forgetful(conn: AsyncConnection, _org_id: UUID, **_: object) -> list[Project]:
        query = select(projects, organizations.c.slug.label("org_slug")).join(
            organizations, organizations.c.org_id == projects.c.org_id
        )
        found = (await conn.execute(query)).all()
        seen.append([row.org_id for row in found])
        return [project_store.from_row_project(row) for row in found]

    monkeypatch.setattr(project_store, "list_projects", forgetful)
    method = "billing.v1.AccountService/ListProjects"
    for caller in (VIEWER, OPERATOR):
        answer, body = await scene.matrix.call(method, {"organizationName": "organizations/my-org"}, caller)
        assert answer == OK, body
        assert [each["name"] for each in json.loads(body)["projects"]] == ["projects/my-app"]
    await scene.matrix.api.service.projects.list(scene.mine, size=0, token="")
    assert seen == [[scene.mine], [scene.mine], sorted([scene.mine, scene.other])]


async def test_work_that_has_not_said_whose_data_it_is_about_gets_no_transaction(database_url: str):
    engine = engine_for(database_url, pool_size=1)
    db = Database(engine, statement_timeout=timedelta(seconds=5))

    async def nothing(_: AsyncConnection) -> None: ...

    for begin in (db.read, db.transact):
        with pytest.raises(TenantsNotEntered):
            await asyncio.create_task(begin(nothing), context=Context())
        await begin(nothing)
    await engine.dispose()


def test_tenants_are_narrowed_and_never_widened():
    a, b = UUID(int=1), UUID(int=2)
    with within(a):
        for wanted in (b, Reach.EVERYONE):
            with pytest.raises(BeyondTenants):
                narrow(wanted)
        with within(a), within(Reach.NOBODY), pytest.raises(BeyondTenants):
            narrow(a)
    with within(Reach.EVERYONE):
        narrow(b)
        with pytest.raises(BeyondTenants):
            narrow(a)
    narrow(Reach.EVERYONE)
