"""Places among the calls in flight: who gets one, who keeps it, and how many there are."""

import asyncio

import pytest
import structlog

from tests.rpc.hands import Hands
from wallet_service.rpc.admission import AHEAD_SECONDS, FLOOR, LOOK_SECONDS, Admission, Place
from wallet_service.rpc.policy import POLICY
from wallet_service.rpc.shielding import ShieldedWrites


def take(admission: Admission, count: int, *, waits: bool = False) -> list[Place]:
    """So many places, all of which are there."""
    taken = [admission.enter(waits=waits) for _ in range(count)]
    places = [place for place in taken if place is not None]
    assert len(places) == count
    return places


def test_what_comes_on_top_is_refused_until_a_place_is_free() -> None:
    admission = Admission(8, monotonic=Hands())
    places = take(admission, 8)
    assert admission.enter(waits=False) is None
    places.pop().let_go()
    assert admission.call_count == 7
    take(admission, 1)
    assert admission.enter(waits=False) is None


def test_calls_that_wait_for_others_take_a_fourth_and_leave_the_rest() -> None:
    admission = Admission(8, monotonic=Hands())
    take(admission, 2, waits=True)
    assert admission.enter(waits=True) is None
    take(admission, 6)
    assert admission.enter(waits=False) is None


async def test_a_write_keeps_the_place_of_a_caller_that_has_left() -> None:
    admission, writes, may_end = Admission(8, monotonic=Hands()), ShieldedWrites(), asyncio.Event()
    [place] = take(admission, 1)

    async def write() -> None:
        await may_end.wait()

    call = asyncio.create_task(writes.run(write(), place))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    place.let_go()
    assert admission.call_count == 1
    may_end.set()
    await asyncio.sleep(0.01)
    assert admission.call_count == 0


def test_no_more_are_taken_than_are_done_in_a_second() -> None:
    hands = Hands()
    admission = Admission(512, monotonic=hands)
    places = take(admission, 400)
    done_count = 100
    for place in places[:done_count]:
        place.let_go()
    hands.seconds += LOOK_SECONDS
    assert admission.enter(waits=False) is None
    assert admission.quick_max == done_count / LOOK_SECONDS * AHEAD_SECONDS
    # A part that is done by others tells nothing of that.
    take(admission, 128, waits=True)


def test_a_moment_without_any_answer_leaves_the_floor() -> None:
    hands = Hands()
    admission = Admission(512, monotonic=hands)
    places = take(admission, FLOOR)
    hands.seconds += 10
    assert admission.enter(waits=False) is None
    assert admission.quick_max == FLOOR
    places.pop().let_go()
    take(admission, 1)


def test_once_few_are_left_a_burst_is_taken_again() -> None:
    hands = Hands()
    admission = Admission(512, monotonic=hands)
    places = take(admission, 300)
    hands.seconds += LOOK_SECONDS
    assert admission.enter(waits=False) is None
    for place in places:
        place.let_go()
    hands.seconds += LOOK_SECONDS
    take(admission, 512)
    assert admission.enter(waits=False) is None


def test_refusals_are_logged_once_a_second_with_their_number() -> None:
    hands = Hands()
    admission = Admission(8, monotonic=hands)
    take(admission, 8)
    with structlog.testing.capture_logs() as lines:
        for _ in range(100):
            assert admission.enter(waits=False) is None
        hands.seconds += 1
        assert admission.enter(waits=False) is None
    assert [(line["event"], line["count"]) for line in lines] == [("calls_shed", 1), ("calls_shed", 100)]


def test_the_policy_says_who_waits_for_others() -> None:
    waiting = {name.rpartition("/")[2] for name, rule in POLICY.items() if rule.waits}
    assert {"CreateStripeTopUpIntent", "CreateTopUp", "ExportUsage", "RedeliverWebhook", "VerifyLedger"} <= waiting
    assert not waiting & {"GetWalletBalance", "RecordUsageEvents", "CreateHold", "GetTopUp"}
