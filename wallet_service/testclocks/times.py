"""The time that an organization lives in, entered by whoever begins work for it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from wallet_service.clock import at
from wallet_service.db import Database

_ENTRIES_MAX: Final = 100_000
_CLOCK_OF: Final = "SELECT clock_id FROM test_clock_organizations WHERE org_id = $1"
_PRESENT: Final = "SELECT present_at FROM test_clocks WHERE clock_id = $1"


class OrganizationTimes:
    """Which clock an organization lives on is settled when it is made, so it is asked once; the oldest of 100,000
    answers is forgotten first. What time that clock shows is asked each time."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._clocks: dict[UUID, UUID | None] = {}

    @asynccontextmanager
    async def time_of(self, org_id: UUID) -> AsyncGenerator[None]:
        """Within the block it is the time of the organization, as it was at the beginning of the block.

        Raises ServiceError(UNAVAILABLE) when the database cannot be reached.
        """
        clocks = self._clocks
        clock_id = clocks[org_id] if org_id in clocks else await self._ask(org_id)
        if clock_id is None:
            with at(None):
                yield
            return
        [row] = await self._db.fetch(_PRESENT, clock_id)
        with at(row["present_at"]):
            yield

    async def _ask(self, org_id: UUID) -> UUID | None:
        rows = await self._db.fetch(_CLOCK_OF, org_id)
        clock_id = rows[0]["clock_id"] if rows else None
        if len(self._clocks) >= _ENTRIES_MAX:
            del self._clocks[next(iter(self._clocks))]
        self._clocks[org_id] = clock_id
        return clock_id
