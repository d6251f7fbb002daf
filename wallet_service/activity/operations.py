"""The use case of activity."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.activity.model import Activity, ActivityKind
from wallet_service.activity.rules import activity_of, types_of
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.events.steps import recent
from wallet_service.pages import Page, decode_token, page_of, page_size, query_digest

SHOWN_FOR: Final = timedelta(days=60)


class ActivityLog:
    """What happened to the wallet of an organization in the last 60 days."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def list(self, org_id: UUID, *, kinds: Collection[ActivityKind], size: int, token: str) -> Page[Activity]:
        """Newest first; of every kind when none is given. Raises INVALID_PAGE_TOKEN."""
        limit = page_size(size)
        digest = query_digest("activity", org_id, sorted(kinds))
        key = decode_token(token, digest, [int])
        before = None if key is None else int(key[0])
        since = self._clock.now() - SHOWN_FOR

        async def work(conn: AsyncConnection) -> Page[Activity]:
            rows = await recent(conn, org_id, types=types_of(kinds), since=since, before_seq=before, limit=limit + 1)
            return page_of(
                [activity_of(row) for row in rows], size=limit, digest=digest, key=lambda activity: (activity.seq,)
            )

        return await self._db.read(work)
