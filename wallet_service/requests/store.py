"""SQL of used request ids."""

import uuid
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.requests.tables import request_keys


async def insert_claim(
    conn: AsyncConnection,
    *,
    org_id: uuid.UUID,
    method: str,
    key_hash: bytes,
    content_hash: bytes,
    resource: str,
    created_at: datetime,
) -> bool:
    """Whether the id was free. Waits for another transaction that is using the same id right now."""
    written = await conn.execute(
        insert(request_keys)
        .values(
            org_id=org_id,
            method=method,
            key_hash=key_hash,
            content_hash=content_hash,
            resource=resource,
            created_at=created_at,
        )
        .on_conflict_do_nothing()
    )
    return written.rowcount == 1


async def read_claim(conn: AsyncConnection, *, org_id: uuid.UUID, method: str, key_hash: bytes) -> tuple[bytes, str]:
    """Content hash and resource of a used id."""
    found = await conn.execute(
        select(request_keys.c.content_hash, request_keys.c.resource).where(
            request_keys.c.org_id == org_id,
            request_keys.c.method == method,
            request_keys.c.key_hash == key_hash,
        )
    )
    row = found.one()
    return row.content_hash, row.resource
