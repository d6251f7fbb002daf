"""Distributing a database: every table brought to where its scope says, once or again."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from wallet_service.db import SERVICE_ROLE
from wallet_service.distribution import catalog
from wallet_service.distribution.model import DistributionRefused, Placement
from wallet_service.distribution.rules import obstacles, placement_of, plan
from wallet_service.distribution.schema import declared_tables, shape_of
from wallet_service.tenancy import TENANT_ROLE

SHARD_COUNT_DEFAULT: Final = 16
"""Each is a lane with two connections; no more machines than shards can share the work."""

_LOCK_ID: Final = 0x77616C6C6575
"""Advisory lock of the coordinator: two that distribute at once do it one after the other."""


async def distribute(
    url: str, *, shard_count: int = SHARD_COUNT_DEFAULT, tell: Callable[[str], object] = lambda statement: None
) -> list[str]:
    """Run what is missing, each statement in a transaction of its own, and return it; the schema has to be the newest.

    The connecting role has to own the tables. Rows that are there are copied to their machines, and whoever writes to a
    table waits meanwhile: no service should run. Each statement is told before it runs. Raises DistributionRefused when
    Citus is not installed in the database, or when something of the schema cannot be distributed; nothing is done then.
    """
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    try:
        async with engine.connect() as conn:
            if not await catalog.is_there(conn):
                raise DistributionRefused(
                    "Citus is not installed in this database: CREATE EXTENSION citus, add the nodes, and try again"
                )
            # Held by the session, as there is no transaction that could hold it.
            await conn.execute(text("SELECT pg_advisory_lock(:id)"), {"id": _LOCK_ID})
            return await _distribute(conn, shard_count, tell)
    finally:
        await engine.dispose()


async def _distribute(conn: AsyncConnection, shard_count: int, tell: Callable[[str], object]) -> list[str]:
    shapes = [shape_of(table) for table in declared_tables()]
    refused = obstacles(shapes)
    spread = [shape.name for shape in shapes if placement_of(shape) is not Placement.LOCAL]
    refused += [f"{trigger}: a trigger" for trigger in await catalog.triggers(conn, spread)]
    if refused:
        raise DistributionRefused("these cannot be distributed: " + "; ".join(refused))
    database = (await conn.execute(text("SELECT current_database()"))).scalar_one()
    try:
        statements = plan(
            shapes,
            database=database,
            roles=(SERVICE_ROLE, TENANT_ROLE),
            shard_count=shard_count,
            placed=await catalog.placed(conn),
        )
    except ValueError as error:
        raise DistributionRefused(str(error)) from error
    for statement in statements:
        tell(statement)
        await conn.exec_driver_sql(statement)
    return statements
