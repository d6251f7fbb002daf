"""How many calls a process serves at once. What comes on top is refused at the door, before its key and its body are read.

A queue in front of a server that is busy makes every call slow and none of them sooner. So no more calls are taken than are
done in about a second: the number follows from what was done of late, between a floor, that bursts and slow moments do not
touch, and the setting. The accepted calls wait for no more than these, and the rest know at once to come back later.

Calls that wait for others (a payment provider, a customer's server, a large file) take a fourth of the places and tell
nothing of how much the process can do, so that thirty seconds of theirs are nobody else's.

Never refused: health and metrics, by which operators see what is going on, and streams, which have bounds of their own.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog

FLOOR: Final = 64
"""So many calls are always taken, unless the setting is lower."""
LOOK_SECONDS: Final = 0.5
"""How often the number is thought over. Until the first look at a burst, only the setting bounds it."""
AHEAD_SECONDS: Final = 1.0
"""Calls are taken for so much work."""

_PART_THAT_WAITS: Final = 4
_REPORT_SECONDS: Final = 1.0
_log: Final = structlog.get_logger("wallet.calls")


class Place:
    """A call's place among those in flight. Whoever works for the call keeps it, and the last to let go frees it."""

    __slots__ = ("_admission", "_keeper_count", "_waits")

    def __init__(self, admission: "Admission", *, waits: bool) -> None:
        self._admission = admission
        self._waits = waits
        self._keeper_count = 1

    def keep(self) -> None:
        """Keep it beyond the answer: for a write that goes on although its caller has left."""
        self._keeper_count += 1

    def let_go(self) -> None:
        self._keeper_count -= 1
        if self._keeper_count == 0:
            self._admission.free(waits=self._waits)


class Admission:
    """Places for at most `calls_max` calls; of these, a fourth for calls that wait for others."""

    def __init__(self, calls_max: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._calls_max = calls_max
        self._waiting_max = max(1, calls_max // _PART_THAT_WAITS)
        self._floor = min(FLOOR, calls_max)
        self._quick_max = calls_max
        self._monotonic = monotonic
        self._quick_count = 0
        self._waiting_count = 0
        self._done_count = 0
        self._looked_at = monotonic()
        self._shed_count = 0
        self._reported_at = 0.0

    @property
    def call_count(self) -> int:
        """Places that are taken, also by writes whose caller has left."""
        return self._quick_count + self._waiting_count

    @property
    def quick_max(self) -> int:
        """How many calls that do not wait for others are taken at present."""
        return self._quick_max

    def enter(self, *, waits: bool) -> Place | None:
        """A place, or None when there is none left: the call is then refused as OVERLOADED."""
        now = self._monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._look(now)
        is_full = self._waiting_count >= self._waiting_max if waits else self._quick_count >= self._quick_max
        if is_full or self.call_count >= self._calls_max:
            self._note_shed(now)
            return None
        if waits:
            self._waiting_count += 1
        else:
            self._quick_count += 1
        return Place(self, waits=waits)

    def free(self, *, waits: bool) -> None:
        """Take a place back; `Place.let_go` calls it."""
        if waits:
            self._waiting_count -= 1
        else:
            self._quick_count -= 1
            self._done_count += 1

    def _look(self, now: float) -> None:
        """Think over how many calls are taken: while few are in flight, what is done tells what is asked for, no more."""
        seconds, done_count = now - self._looked_at, self._done_count
        self._looked_at, self._done_count = now, 0
        if self._quick_count < self._floor // 2:
            self._quick_max = self._calls_max
        elif self._quick_count >= self._floor:
            by_rate = int(done_count / seconds * AHEAD_SECONDS)
            self._quick_max = min(self._calls_max, max(self._floor, by_rate))

    def _note_shed(self, now: float) -> None:
        # A line for each would cost more than the refusal; the metrics count them by method.
        self._shed_count += 1
        if now - self._reported_at >= _REPORT_SECONDS:
            _log.warning("calls_shed", count=self._shed_count, in_flight=self.call_count)
            self._reported_at, self._shed_count = now, 0
