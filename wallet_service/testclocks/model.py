"""Values of test clocks."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

TimeOf = Callable[[UUID], AbstractAsyncContextManager[None]]
"""Enters an organization's time for a block: that of its test clock, or real time."""


class ClockState(StrEnum):
    """ADVANCING from the beginning of an advance until it has arrived, also while nobody works on it."""

    READY = "READY"
    ADVANCING = "ADVANCING"


@dataclass(frozen=True, slots=True)
class TestClock:
    """A clock that stands still at `present_at` until it is advanced.

    clock_id: chosen by whoever made it. target_at: where an advance that has begun will end. lease_id, leased_until: who
    works on it, and until when (in real time) nobody else does. created_at is real time.
    """

    __test__ = False

    clock_id: str
    display_name: str
    state: ClockState
    present_at: datetime
    target_at: datetime | None
    lease_id: UUID | None
    leased_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Advanced:
    """What one call of an advance came to. The clock is ADVANCING still when the call has worked as long as one may."""

    clock: TestClock
    organization_count: int
    work_count: int


@dataclass(frozen=True, slots=True)
class Member:
    """An organization that lives on a clock."""

    org_id: UUID
    slug: str
