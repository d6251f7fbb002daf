"""UUIDv7: time-ordered identifiers made by us, so that indexes grow at their right edge."""

import os
import threading
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NIL: Final = UUID(int=0)

_VARIANT: Final = 0b10 << 62
_VERSION_7: Final = 0x7 << 76
_COUNTER_BITS: Final = 42
_COUNTER_LOW_BITS: Final = 30


def new_id(now: datetime) -> UUID:
    """A UUIDv7 of `now` (aware), greater than every id that this process made before."""
    return _generator.next(now)


def ordered_id(unix_us: int, sequence: int, salt: bytes) -> UUID:
    """The UUIDv7 of a numbered thing: same arguments, same id; ordered by time, then by `sequence` (modulo 2**42).

    `salt` (at least 4 bytes) tells apart equal numbers of different owners.
    """
    return UUID(
        int=(unix_us // 1000 & 0xFFFF_FFFF_FFFF) << 80
        | _VERSION_7
        | (sequence >> _COUNTER_LOW_BITS & 0xFFF) << 64
        | _VARIANT
        | (sequence & 0x3FFF_FFFF) << 32
        | int.from_bytes(salt[:4])
    )


def unix_us(at: datetime) -> int:
    """Microseconds since 1970 of an aware time, exactly."""
    delta = at - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


class _Generator:
    """Milliseconds, then a counter that starts at random in each of them, then random bits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self, now: datetime) -> UUID:
        random = int.from_bytes(os.urandom(9))
        with self._lock:
            # Half of the counter is left free, so that 2**41 ids of one millisecond stay in order.
            fresh = (unix_us(now) // 1000) << _COUNTER_BITS | random >> 33 & (
                2 ** (_COUNTER_BITS - 1) - 1
            )
            self._last = max(fresh, self._last + 1)
            stamp = self._last
        milliseconds, counter = stamp >> _COUNTER_BITS, stamp & 2**_COUNTER_BITS - 1
        return ordered_id(
            milliseconds * 1000, counter, (random & 0xFFFF_FFFF).to_bytes(4)
        )


_generator: Final = _Generator()
