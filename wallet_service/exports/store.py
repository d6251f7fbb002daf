"""SQL of the table of exports, and the rows of usage that go into files."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.db import driver
from wallet_service.exports.model import NewExport, Selection
from wallet_service.exports.statements import CopyStatement, condition
from wallet_service.exports.tables import exports

Sink = Callable[[bytes], Coroutine[Any, Any, None]]
"""Takes whole rows: PostgreSQL sends one message for each, and the driver hands over whole messages."""

_SECONDS_MAX: Final = 600
"""As long as a call may last."""


async def allow_long_reading(conn: AsyncConnection) -> None:
    """For the rest of the transaction a statement may last as long as a call, and so may the pauses of whoever reads.

    A store may be slow to take a part of the file, or to close it. The server then waits with a full socket, or in the open
    transaction, and would take the silence for a machine that is gone (`wallet_service.silence`).
    """
    for setting in ("statement_timeout", "idle_in_transaction_session_timeout", "tcp_user_timeout"):
        await conn.execute(text(f"SET LOCAL {setting} = '{_SECONDS_MAX}s'"))


async def count_rows(conn: AsyncConnection, selection: Selection, *, limit: int) -> int:
    """How many events are selected; more than `limit` count as one more."""
    where, args = condition(selection)
    statement = f"SELECT count(*) FROM (SELECT FROM usage_events e WHERE {where} LIMIT {limit + 1}) selected"
    raw = await driver(conn)
    count: int = await raw.fetchval(statement, *args)
    return count


async def copy_rows(conn: AsyncConnection, statement: CopyStatement, sink: Sink) -> int:
    """Hand every row to `sink`, as PostgreSQL writes it, as fast as it takes them; how many they were."""
    raw = await driver(conn)
    status = await raw.copy_from_query(statement.query, *statement.args, output=sink, **statement.options)
    return int(status.removeprefix("COPY "))


async def insert_export(conn: AsyncConnection, new: NewExport) -> None:
    selection = new.selection
    await conn.execute(
        insert(exports).values(
            org_id=selection.org_id,
            export_id=new.export_id,
            key_id=new.key_id,
            format=new.format.value,
            project_id=selection.project_id,
            meter_prefix=selection.meter_prefix,
            start_at=selection.start,
            end_at=selection.end,
            object_key=new.object_key,
            created_at=new.created_at,
            expires_at=new.expires_at,
        )
    )


async def complete_export(conn: AsyncConnection, org_id: UUID, export_id: UUID, *, row_count: int) -> None:
    where = (exports.c.org_id == org_id) & (exports.c.export_id == export_id)
    await conn.execute(update(exports).where(where).values(row_count=row_count))


async def delete_export(conn: AsyncConnection, org_id: UUID, export_id: UUID) -> None:
    await conn.execute(delete(exports).where(exports.c.org_id == org_id, exports.c.export_id == export_id))


async def expired_exports(conn: AsyncConnection, *, now: datetime, limit: int) -> list[tuple[UUID, UUID, str]]:
    """Organization, id and object key of exports whose time is over, the oldest first."""
    query = (
        select(exports.c.org_id, exports.c.export_id, exports.c.object_key)
        .where(exports.c.expires_at <= now)
        .order_by(exports.c.expires_at)
        .limit(limit)
    )
    found: list[Any] = list(await conn.execute(query))
    return [(row.org_id, row.export_id, row.object_key) for row in found]


async def delete_exports(conn: AsyncConnection, ids: list[tuple[UUID, UUID]]) -> int:
    written = await conn.execute(delete(exports).where(tuple_(exports.c.org_id, exports.c.export_id).in_(ids)))
    return written.rowcount
