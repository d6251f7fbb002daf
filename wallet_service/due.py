"""Work that falls due by itself: what the schedule runs in real time, and an advance of a test clock runs in order."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class DueWork(Protocol):
    """One kind of periodic work, safe to run any number of times and by several processes at once."""

    async def next_due(self, org_id: UUID) -> datetime | None:
        """The earliest time at which `run_due` would do something for the organization; None when nothing is planned."""
        ...

    async def run_due(self, org_id: UUID | None) -> int:
        """Do what is due by now, a bounded number at a time; how many were done.

        With an organization: of that one. None: of all organizations that live in real time, and of no other.
        """
        ...
