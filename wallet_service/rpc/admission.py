"""How many calls a process serves at once. What comes on top is refused at the door, before its key and its body are read.

A queue in front of a server that is busy makes every call slow and none of them sooner. With a bound on the calls in flight
the accepted ones wait for no more than these, and the rest know at once that they have to come back. Calls that wait for
others (a payment provider, a customer's server, a large file) take a part of the places only, so that thirty seconds of
theirs are nobody else's.

Never refused: health and metrics, by which operators see what is going on, and streams, which have bounds of their own.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog

_PART_THAT_WAITS: Final = 4
"""Calls that wait for others take a fourth of the places."""

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
    """Places for `calls_max` calls; of these, a fourth for calls that wait for others."""

    def __init__(self, calls_max: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._calls_max = calls_max
        self._waiting_max = max(1, calls_max // _PART_THAT_WAITS)
        self._monotonic = monotonic
        self._call_count = 0
        self._waiting_count = 0
        self._shed_count = 0
        self._reported_at = 0.0

    @property
    def call_count(self) -> int:
        """Places that are taken, also by writes whose caller has left."""
        return self._call_count

    def enter(self, *, waits: bool) -> Place | None:
        """A place, or None when there is none left: the call is then refused as OVERLOADED."""
        if self._call_count >= self._calls_max or (waits and self._waiting_count >= self._waiting_max):
            self._note_shed()
            return None
        self._call_count += 1
        self._waiting_count += waits
        return Place(self, waits=waits)

    def free(self, *, waits: bool) -> None:
        """Take a place back; `Place.let_go` calls it."""
        self._call_count -= 1
        self._waiting_count -= waits

    def _note_shed(self) -> None:
        # A line for each would cost more than the refusal; the metrics count them by method.
        self._shed_count += 1
        now = self._monotonic()
        if now - self._reported_at >= _REPORT_SECONDS:
            _log.warning("calls_shed", count=self._shed_count, in_flight=self._call_count)
            self._reported_at, self._shed_count = now, 0
