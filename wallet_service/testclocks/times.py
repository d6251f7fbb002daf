"""The time that an organization lives in, entered together with its data by whoever begins work for it."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Set
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

from wallet_service.clock import at
from wallet_service.db import Database
from wallet_service.tenancy import within

MomentOf = Callable[[UUID], Awaitable[datetime | None]]
"""The present of an organization's test clock; None for one that lives in real time."""

_ENTRIES_MAX: Final = 100_000
_CLOCKS_OF: Final = "SELECT org_id, clock_id FROM test_clock_organizations WHERE org_id = ANY ($1::uuid[])"
_PRESENT: Final = "SELECT present_at FROM test_clocks WHERE clock_id = $1"


class OrganizationTimes:
    """Which clock an organization lives on is settled when it is made, so it is asked once; the oldest of 100,000
    answers is forgotten first. What time that clock shows is asked each time."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._clocks: dict[UUID, str | None] = {}

    async def moment_of(self, org_id: UUID) -> datetime | None:
        """The present of the organization's clock, or None. Raises ServiceError(UNAVAILABLE) without a database."""
        clocks = self._clocks
        clock_id = clocks[org_id] if org_id in clocks else await self._ask(org_id)
        if clock_id is None:
            return None
        [row] = await self._db.fetch(_PRESENT, clock_id)
        return row["present_at"]

    @asynccontextmanager
    async def time_of(self, org_id: UUID) -> AsyncGenerator[None]:
        """Within the block it is the time of the organization, as it was at the beginning, and only its data are touched.

        Raises ServiceError(UNAVAILABLE) when the database cannot be reached.
        """
        with at(await self.moment_of(org_id)), within(org_id):
            yield

    async def of_test_clocks(self, org_ids: Set[UUID]) -> Set[UUID]:
        """Which of the organizations live on a test clock. Raises ServiceError(UNAVAILABLE) without a database."""
        unknown = org_ids - self._clocks.keys()
        if unknown:
            found = {row["org_id"]: row["clock_id"] for row in await self._db.fetch(_CLOCKS_OF, list(unknown))}
            for org_id in unknown:
                self._keep(org_id, found.get(org_id))
        return {org_id for org_id in org_ids if self._clocks.get(org_id) is not None}

    async def _ask(self, org_id: UUID) -> str | None:
        rows = await self._db.fetch(_CLOCKS_OF, [org_id])
        clock_id: str | None = rows[0]["clock_id"] if rows else None
        self._keep(org_id, clock_id)
        return clock_id

    def _keep(self, org_id: UUID, clock_id: str | None) -> None:
        if len(self._clocks) >= _ENTRIES_MAX:
            del self._clocks[next(iter(self._clocks))]
        self._clocks[org_id] = clock_id


async def real_time(_org_id: UUID) -> datetime | None:
    """Where no organization lives on a clock."""
    return None
