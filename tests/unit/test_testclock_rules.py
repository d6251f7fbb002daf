"""Rules of test clocks: the order in which work falls due, and when an advance may begin."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.errors import Reason, ServiceError
from wallet_service.testclocks.model import ClockState, TestClock
from wallet_service.testclocks.rules import (
    ADVANCE_MAX,
    LATEST,
    LEASED_FOR,
    RUNS_MAX,
    Agenda,
    Due,
    begin,
)

START = datetime(2026, 1, 31, tzinfo=UTC)
ORGS = tuple(UUID(int=number) for number in range(1, 4))
WORKS = range(3)

hours = st.integers(-2, 12)
plans = st.dictionaries(st.tuples(st.sampled_from(ORGS), st.sampled_from(WORKS)), st.lists(hours, max_size=6))


@dataclass
class World:
    """Work that is done one piece at a time; each piece may plan another one behind it."""

    waiting: dict[tuple[UUID, int], list[datetime]]
    done: list[Due] = field(default_factory=list[Due])

    def plan(self, agenda: Agenda, org_id: UUID) -> None:
        agenda.plan(org_id, [min(self.waiting.get((org_id, work), ()), default=None) for work in WORKS])

    def run(self, agenda: Agenda, until: datetime, more: dict[tuple[UUID, int], int]) -> None:
        for org_id in ORGS:
            self.plan(agenda, org_id)
        while together := agenda.next(until):
            agenda.enter(together[0])
            for due in together:
                self.do(due, more)
                assert agenda.ran(due, 1)
            for due in together:
                self.plan(agenda, due.org_id)

    def do(self, due: Due, more: dict[tuple[UUID, int], int]) -> None:
        self.done.append(due)
        pieces = self.waiting[due.org_id, due.work]
        pieces.remove(min(pieces))
        # What is done makes other work of the organization due, now or later.
        follows = more.pop((due.org_id, due.work), None)
        if follows is not None:
            target = (due.work + 1) % len(WORKS)
            self.waiting.setdefault((due.org_id, target), []).append(due.at + timedelta(hours=follows))


def world_of(drawn: dict[tuple[UUID, int], list[int]]) -> World:
    return World({key: [START + timedelta(hours=hour) for hour in found] for key, found in drawn.items()})


follow_ups = st.dictionaries(st.tuples(st.sampled_from(ORGS), st.sampled_from(WORKS)), st.integers(0, 5))


@given(plans, follow_ups, st.integers(0, 12))
def test_everything_due_by_the_target_is_done_in_order_of_time(
    drawn: dict[tuple[UUID, int], list[int]], more: dict[tuple[UUID, int], int], target_hour: int
) -> None:
    world, target = world_of(drawn), START + timedelta(hours=target_hour)
    agenda = Agenda(START)
    world.run(agenda, target, more)
    times = [due.at for due in world.done]
    assert times == sorted(times)
    assert all(START <= at <= target for at in times)
    assert all(at > target for left in world.waiting.values() for at in left)
    assert agenda.present == (times[-1] if times else START)


@given(plans, st.lists(st.integers(0, 12), min_size=1, max_size=4))
def test_many_small_advances_do_what_one_does_in_the_same_order(
    drawn: dict[tuple[UUID, int], list[int]], target_hours: list[int]
) -> None:
    """However the way is cut, the same is done at the same times."""
    at_once, in_parts = world_of(drawn), world_of(drawn)
    targets = [START + timedelta(hours=hour) for hour in sorted(target_hours)]
    at_once.run(Agenda(START), targets[-1], {})
    present = START
    for target in targets:
        in_parts.run(Agenda(present), target, {})
        present = target
    assert in_parts.done == at_once.done


@given(plans)
def test_at_one_time_the_order_is_that_of_the_works(
    drawn: dict[tuple[UUID, int], list[int]],
) -> None:
    world = world_of(drawn)
    world.run(Agenda(START), LATEST, {})
    assert [(due.at, due.work) for due in world.done] == sorted((due.at, due.work) for due in world.done)


@pytest.mark.parametrize(("done_count", "runs"), [(0, 1), (5, RUNS_MAX)])
def test_work_that_stays_due_is_passed_over_until_it_is_planned_for_later(done_count: int, runs: int) -> None:
    agenda, org = Agenda(START), ORGS[0]
    due_at = START + timedelta(hours=1)
    later = due_at + timedelta(hours=1)
    agenda.plan(org, [due_at])
    for run in range(runs):
        [due] = agenda.next(LATEST)
        assert due == Due(due_at, 0, org)
        agenda.enter(due)
        assert agenda.ran(due, done_count) == (run < runs - 1)
        agenda.plan(org, [due_at])
    assert agenda.next(LATEST) == []
    agenda.plan(org, [later])
    assert agenda.next(LATEST) == [Due(later, 0, org)]


def clock_of(
    *, target_at: datetime | None = None, leased_until: datetime | None = None, present_at: datetime = START
) -> TestClock:
    return TestClock(
        clock_id="c",
        display_name="",
        state=ClockState.READY if target_at is None else ClockState.ADVANCING,
        present_at=present_at,
        target_at=target_at,
        lease_id=None if leased_until is None else ORGS[0],
        leased_until=leased_until,
        created_at=START,
    )


REAL = datetime(2026, 6, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
near = st.integers(-500, 500).map(lambda days: START + timedelta(days=days))


@given(near, st.none() | st.integers(0, 400), st.none() | st.integers(-3, 3))
def test_an_advance_begins_forward_and_alone(target: datetime, to_days: int | None, lease_minutes: int | None) -> None:
    target_at = None if to_days is None else START + timedelta(days=to_days)
    leased_until = None if to_days is None or lease_minutes is None else REAL + lease_minutes * MINUTE
    clock = clock_of(target_at=target_at, leased_until=leased_until)
    expected = None
    if leased_until is not None and leased_until > REAL:
        expected = Reason.TEST_CLOCK_BUSY
    elif target < (target_at or START) or target > START + ADVANCE_MAX:
        expected = Reason.INVALID_FIELD
    if expected is not None:
        with pytest.raises(ServiceError) as caught:
            begin(clock, target, lease_id=ORGS[1], real_now=REAL)
        assert caught.value.reason is expected
        return
    begun = begin(clock, target, lease_id=ORGS[1], real_now=REAL)
    assert (begun.state, begun.present_at, begun.target_at) == (ClockState.ADVANCING, START, target)
    assert (begun.lease_id, begun.leased_until) == (ORGS[1], REAL + LEASED_FOR)


def test_no_clock_leaves_its_century() -> None:
    last = clock_of(present_at=LATEST - timedelta(days=1))
    with pytest.raises(ServiceError) as caught:
        begin(last, LATEST, lease_id=ORGS[0], real_now=REAL)
    assert caught.value.reason is Reason.INVALID_FIELD
