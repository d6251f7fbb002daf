"""Rules of test clocks: when an advance may begin, and in which order the work falls due."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from wallet_service.errors import Code, Reason, ServiceError, invalid_field
from wallet_service.testclocks.model import ClockState, TestClock

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2101, 1, 1, tzinfo=UTC)
ADVANCE_MAX: Final = timedelta(days=400)
ORGANIZATIONS_MAX: Final = 200
"""That live on one clock: an advance looks at all of them, and tells all of them in one transaction."""

LEASED_FOR: Final = timedelta(minutes=2)
"""How long nobody else takes up an advance whose process has fallen silent, in real time. One piece of work takes less."""

RUNS_MAX: Final = 1000
"""Runs of one work for one organization at one moment; what is due after that is passed over as stuck."""


def check_start(at: datetime, field: str) -> None:
    """Raises INVALID_FIELD."""
    if not EARLIEST <= at < LATEST:
        raise invalid_field(field, "must be a time of the years 2000 to 2100")


def begin(clock: TestClock, target: datetime, *, lease_id: UUID, real_now: datetime) -> TestClock:
    """The clock with an advance to `target` leased, begun or taken up where it was left.

    Raises INVALID_FIELD for a target in the past of the clock or too far ahead, TEST_CLOCK_BUSY while another call works.
    """
    if clock.leased_until is not None and real_now < clock.leased_until:
        raise busy(clock.clock_id)
    least = clock.target_at or clock.present_at
    if target < least:
        begun = "" if clock.target_at is None else ", to which an advance has begun"
        raise invalid_field("target", f"must not be before {least.isoformat()}{begun}")
    if target > clock.present_at + ADVANCE_MAX:
        raise invalid_field("target", f"must be at most {ADVANCE_MAX.days} days after {clock.present_at.isoformat()}")
    if target >= LATEST:
        raise invalid_field("target", "must be a time of the years 2000 to 2100")
    return replace(
        clock,
        state=ClockState.ADVANCING,
        target_at=target,
        lease_id=lease_id,
        leased_until=real_now + LEASED_FOR,
    )


def busy(clock_id: str) -> ServiceError:
    """ABORTED: the clock is being advanced."""
    return ServiceError(
        Code.ABORTED,
        Reason.TEST_CLOCK_BUSY,
        f"the test clock {clock_id} is being advanced",
        metadata={"test_clock": clock_id},
        retry_after=timedelta(seconds=1),
    )


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """The work of number `work` is due for an organization; in this order it is done."""

    at: datetime
    work: int
    org_id: UUID


class Agenda:
    """What is planned for the organizations of a clock. Time never goes back: what was due before `present` is due now."""

    def __init__(self, present: datetime) -> None:
        self.present = present
        self._planned: dict[UUID, tuple[Due, ...]] = {}
        self._stuck: dict[tuple[UUID, int], datetime] = {}
        self._run_count: dict[tuple[UUID, int], int] = {}

    def plan(self, org_id: UUID, times: Sequence[datetime | None]) -> None:
        """When each work is due for an organization, by its number, in place of what was planned for it."""
        planned = [Due(at, work, org_id) for work, at in enumerate(times) if at is not None]
        self._planned[org_id] = tuple(due for due in planned if not self._is_stuck(due))

    def next(self, until: datetime) -> list[Due]:
        """The work that is due first by `until`, at its time or now, for each organization where it is due then."""
        present = self.present
        of_all = [
            replace(due, at=present) if due.at < present else due
            for planned in self._planned.values()
            for due in planned
        ]
        first = min(of_all, default=None)
        if first is None or first.at > until:
            return []
        return sorted(due for due in of_all if (due.at, due.work) == (first.at, first.work))

    def enter(self, due: Due) -> bool:
        """Go to its time; whether that is a later one."""
        if due.at == self.present:
            return False
        self.present = due.at
        self._run_count.clear()
        return True

    def ran(self, due: Due, done_count: int) -> bool:
        """Note a run; False when it did nothing, or so often: then it is passed over until it is planned for later."""
        key = due.org_id, due.work
        runs = self._run_count[key] = self._run_count.get(key, 0) + 1
        if done_count and runs < RUNS_MAX:
            return True
        self._stuck[key] = due.at
        return False

    def _is_stuck(self, due: Due) -> bool:
        stuck_at = self._stuck.get((due.org_id, due.work))
        return stuck_at is not None and due.at <= stuck_at
