"""What an engine's connections send, with its values, and which rows the database looks at for them."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.link import driver_connection

Sent = list[asyncpg.connection.LoggedQuery]

_NAMED: Final = re.compile(r"\(org_id = ANY \('\{")
_CONDITIONS: Final = ("Index Cond", "Recheck Cond", "Filter")


def noted(engine: AsyncEngine) -> Sent:
    """A list that grows by what is sent on connections that are opened from now on, a moment after it was sent."""
    found: Sent = []

    def connected(connection: Any, _record: object) -> None:
        connection.driver_connection.add_query_logger(found.append)

    event.listen(engine.sync_engine, "connect", connected)
    return found


async def tables_read(engine: AsyncEngine, queries: Sequence[asyncpg.connection.LoggedQuery]) -> dict[str, bool]:
    """Every table that the statements read; whether all that is looked at of it is of organizations named by a value.

    By the plans for the values that were sent, which is where Citus looks for the shard.
    """
    found: dict[str, bool] = {}
    async with engine.connect() as conn:
        raw = await driver_connection(conn)
        await raw.execute("SET plan_cache_mode = force_custom_plan")
        for query in queries:
            plan: Any = await raw.fetchval(f"EXPLAIN (FORMAT JSON) {query.query}", *query.args)
            for node in nodes(plan[0]["Plan"]):
                if "Relation Name" in node and node["Node Type"] != "ModifyTable":
                    table = node["Relation Name"]
                    is_named = any(_NAMED.search(node.get(name, "")) for name in _CONDITIONS)
                    found[table] = found.get(table, True) and is_named
        await raw.execute("RESET plan_cache_mode")
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)
