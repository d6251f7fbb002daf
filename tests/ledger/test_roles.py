"""The service's role may add facts and may not change them."""

import pytest
from sqlalchemy import Table, text
from sqlalchemy.exc import DBAPIError

from ledger.tables import metadata
from tests.ledger.conftest import Scene

APPEND_ONLY = [table for table in metadata.sorted_tables if table.info.get("append_only")]


def test_which_tables_are_append_only() -> None:
    assert {table.name for table in APPEND_ONLY} == {
        "ledger_accounts",
        "ledger_entries",
        "ledger_keys",
        "ledger_postings",
    }


@pytest.mark.parametrize("table", APPEND_ONLY, ids=lambda table: table.name)
@pytest.mark.parametrize("statement", ["UPDATE {} SET org_id = org_id", "DELETE FROM {}", "TRUNCATE {}"])
async def test_the_service_may_not_change_facts(scene: Scene, table: Table, statement: str) -> None:
    await scene.fund(1)
    async with scene.engine.connect() as conn:
        with pytest.raises(DBAPIError) as caught:
            await conn.execute(text(statement.format(table.name)))
    assert getattr(caught.value.orig, "sqlstate", None) == "42501"


async def test_the_service_may_not_change_tables_or_its_role(scene: Scene) -> None:
    for statement in (
        "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
        "DROP TABLE ledger_entries",
        "CREATE TABLE mine (a int)",
    ):
        async with scene.engine.connect() as conn:
            with pytest.raises(DBAPIError):
                await conn.execute(text(statement))
