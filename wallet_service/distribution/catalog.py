"""What Citus says of the database: whether it is there, which tables are placed, where shards begin."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.distribution.model import Placement
from wallet_service.distribution.rules import BESIDE

_IS_THERE: Final = text("SELECT to_regclass('pg_dist_partition') IS NOT NULL")

_PLACED: Final = text(
    """
    SELECT c.relname AS name, d.partmethod::text AS method, d.repmodel::text AS replication
    FROM pg_dist_partition d JOIN pg_class c ON c.oid = d.logicalrelid
    WHERE c.relnamespace = 'public'::regnamespace
    """
)

_TRIGGERS: Final = text(
    """
    SELECT c.relname || '.' || t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace AND c.relname = ANY (CAST(:tables AS text[]))
    ORDER BY 1
    """
)

_SHARDS: Final = text(
    """
    SELECT shardid AS shard_id, shardminvalue::integer AS first FROM pg_dist_shard
    WHERE logicalrelid = to_regclass(:name) ORDER BY 2
    """
)

_SHARD_OF: Final = text("SELECT get_shard_id_for_distribution_column(to_regclass(:name), CAST(:org_id AS uuid))")


async def is_there(conn: AsyncConnection) -> bool:
    """Whether the extension is installed in this database, by its catalog."""
    return (await conn.execute(_IS_THERE)).scalar_one()


async def placed(conn: AsyncConnection) -> dict[str, Placement]:
    """Every table that Citus knows. One that it merely keeps track of, for a foreign key, is local."""
    found: dict[str, Placement] = {}
    for row in await conn.execute(_PLACED):
        if row.method == "n":
            found[row.name] = Placement.REFERENCE if row.replication == "t" else Placement.LOCAL
        else:
            found[row.name] = Placement.DISTRIBUTED
    return found


async def triggers(conn: AsyncConnection, tables: Sequence[str]) -> list[str]:
    """The triggers on any of these tables, which Citus refuses to distribute."""
    return list((await conn.execute(_TRIGGERS, {"tables": list(tables)})).scalars())


async def shards(conn: AsyncConnection) -> list[tuple[int, int]]:
    """Of `organizations`: the first hash of each shard, ascending, and the shard's id; none where it is not distributed."""
    return [(row.first, row.shard_id) for row in await conn.execute(_SHARDS, {"name": BESIDE})]


async def shard_of(conn: AsyncConnection, org_id: UUID) -> int:
    """Where Citus itself puts an organization."""
    return (await conn.execute(_SHARD_OF, {"name": BESIDE, "org_id": org_id})).scalar_one()
