"""SQL of API keys."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts.tables import organization_directory
from wallet_service.apikeys.rules import ApiKey
from wallet_service.apikeys.tables import api_keys
from wallet_service.principal import Role


async def insert_key(conn: AsyncConnection, key: ApiKey, key_hash: bytes) -> None:
    await conn.execute(
        insert(api_keys).values(
            key_id=key.key_id,
            key_hash=key_hash,
            org_id=key.org_id,
            role=key.role.name.lower(),
            prefix=key.prefix,
            display_name=key.display_name,
            created_at=key.created_at,
            expires_at=key.expires_at,
        )
    )


async def key(conn: AsyncConnection, org_id: uuid.UUID | None, key_id: uuid.UUID) -> ApiKey | None:
    """A key of an organization, or of the platform where `org_id` is None."""
    found = await conn.execute(_KEYS.where(api_keys.c.org_id.is_not_distinct_from(org_id), api_keys.c.key_id == key_id))
    row = found.one_or_none()
    return None if row is None else from_row_key(row)


async def list_keys(
    conn: AsyncConnection,
    org_id: uuid.UUID | None,
    *,
    before: uuid.UUID | None,
    limit: int,
) -> Sequence[ApiKey]:
    """Newest first; revoked and expired ones included."""
    owner = api_keys.c.org_id
    query = _KEYS.where(owner.is_(None) if org_id is None else owner == org_id)
    if before is not None:
        query = query.where(api_keys.c.key_id < before)
    found = await conn.execute(query.order_by(api_keys.c.key_id.desc()).limit(limit))
    return [from_row_key(row) for row in found]


async def lock_live_admins(conn: AsyncConnection, org_id: uuid.UUID, now: datetime) -> Sequence[uuid.UUID]:
    """The organization's admin keys that work now, locked, so that two revocations see each other."""
    found = await conn.execute(
        select(api_keys.c.key_id, api_keys.c.revoked_at, api_keys.c.expires_at)
        .where(
            api_keys.c.org_id == org_id,
            api_keys.c.role == Role.ADMIN.name.lower(),
            api_keys.c.revoked_at.is_(None),
        )
        .order_by(api_keys.c.key_id)
        .with_for_update()
    )
    return [row.key_id for row in found if row.expires_at is None or now < row.expires_at]


async def revoke(conn: AsyncConnection, key_id: uuid.UUID, at: datetime) -> None:
    """Mark a key as revoked; the first time stands."""
    await conn.execute(
        update(api_keys).where(api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None)).values(revoked_at=at)
    )


async def note_uses(conn: AsyncConnection, last_uses: Mapping[uuid.UUID, datetime]) -> None:
    """Move the last use of each key forward, never back."""
    ordered = sorted(last_uses.items())
    await conn.execute(
        _NOTE_USES,
        {
            "key_ids": [key_id for key_id, _ in ordered],
            "times": [used_at for _, used_at in ordered],
        },
    )


def from_row_key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        org_id=row.org_id,
        org_slug=row.org_slug,
        role=Role[row.role.upper()],
        prefix=row.prefix,
        display_name=row.display_name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


_KEYS: Final = select(
    *(column for column in api_keys.c if column is not api_keys.c.key_hash),
    organization_directory.c.slug.label("org_slug"),
).join_from(
    api_keys,
    organization_directory,
    organization_directory.c.org_id == api_keys.c.org_id,
    isouter=True,
)
_NOTE_USES: Final = text("""
    UPDATE api_keys AS k SET last_used_at = used.at
    FROM unnest(CAST(:key_ids AS uuid[]), CAST(:times AS timestamptz[])) AS used (key_id, at)
    WHERE k.key_id = used.key_id AND (k.last_used_at IS NULL OR k.last_used_at < used.at)
""")
