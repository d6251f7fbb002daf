"""The step that makes a write safe to repeat."""

import uuid
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.errors import key_reused
from wallet_service.requests import store
from wallet_service.requests.rules import Content, content_hash, key_hash

PLATFORM: Final = uuid.UUID(int=0)
"""Owner of the request ids of calls that are about no organization."""


async def claim(
    conn: AsyncConnection,
    *,
    org_id: uuid.UUID,
    method: str,
    request_id: str,
    content: Content,
    resource: str,
    now: datetime,
) -> str | None:
    """Claim `request_id` for `resource`, which this transaction is about to make.

    Returns None when the caller is the first and goes on, or the resource of the first call when `content` is the same.
    An empty id is never claimed. Raises ALREADY_EXISTS / IDEMPOTENCY_KEY_REUSED for other content.
    """
    if not request_id:
        return None
    key, digest = key_hash(request_id), content_hash(content)
    if await store.insert_claim(
        conn,
        org_id=org_id,
        method=method,
        key_hash=key,
        content_hash=digest,
        resource=resource,
        created_at=now,
    ):
        return None
    first_digest, first_resource = await store.read_claim(conn, org_id=org_id, method=method, key_hash=key)
    if first_digest != digest:
        raise key_reused(request_id)
    return first_resource
