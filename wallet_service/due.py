"""Work that falls due by itself: what the schedule runs in real time, and an advance of a test clock runs in order."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.db import driver


class DueWork(Protocol):
    """One kind of periodic work, safe to run any number of times and by several processes at once."""

    async def next_due(self, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """The earliest time at which `run_due` would do something, for each of the organizations where any is planned."""
        ...

    async def run_due(self, org_id: UUID | None) -> int:
        """Do what is due by now, a bounded number at a time; how many were done.

        With an organization: of that one. None: of all organizations that live in real time, and of no other.
        """
        ...


async def first_times(conn: AsyncConnection, statement: str, org_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """A step: what a statement over `$1`, ids of organizations, says of each: rows of an id and a time, or NULL for none."""
    raw = await driver(conn)
    return {row[0]: row[1] for row in await raw.fetch(statement, list(org_ids)) if row[1] is not None}
