"""UUIDv7: time-ordered identifiers made by us, so that indexes grow at their right edge."""

import random
import threading
from datetime import UTC, datetime
from struct import Struct
from typing import Final
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NIL: Final = UUID(int=0)

_HALVES: Final = Struct(">QQ")
_VERSION_7: Final = 0x7000
_VARIANT: Final = 0b10 << 62
_COUNTER_BITS: Final = 42
_COUNTER_LOW_BITS: Final = 30
_HOUR_MS: Final = 3_600_000
_HOURS_MAX: Final = 1000


def new_id(now: datetime) -> UUID:
    """A UUIDv7 of `now` (aware), greater than every id that this process made for a time from an hour before to an hour
    after it: a clock may be set back a little, and ids of other times (imports, tests that live in another year) go their
    own way.
    """
    return _generator.next(now)


def ordered_id(unix_ms: int, sequence: int, salt: bytes) -> bytes:
    """The 16 bytes of the UUIDv7 of a numbered thing: ordered by time, then by `sequence` (modulo 2**42).

    Same arguments, same id. `salt` (at least 4 bytes) tells apart equal numbers of different owners.
    """
    return _HALVES.pack(
        (unix_ms & 0xFFFF_FFFF_FFFF) << 16 | _VERSION_7 | (sequence >> _COUNTER_LOW_BITS & 0xFFF),
        _VARIANT | (sequence & 0x3FFF_FFFF) << 32 | int.from_bytes(salt[:4]),
    )


def new_mark() -> int:
    """63 random bits: a mark that no other change of a book has."""
    return random.getrandbits(63)


def from_bytes(data: bytes) -> UUID:
    """The id of 16 bytes, as the driver's own UUID (a `uuid.UUID`): made, hashed and sent without conversion."""
    return DriverUUID(data)


def unix_us(at: datetime) -> int:
    """Microseconds since 1970 of an aware time, exactly."""
    delta = at - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


class _Generator:
    """Milliseconds, then a counter that starts at random in each of them, then random bits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._hour = 0
        self._last_of_hour: dict[int, int] = {}
        # Ids are unique, not secret: a seeded generator is enough, and needs no system call for each id.
        self._random = random.Random(random.SystemRandom().getrandbits(256))

    def next(self, now: datetime) -> UUID:
        # Half of the counter starts free, so that 2**41 ids of one millisecond stay in order.
        milliseconds = unix_us(now) // 1000
        with self._lock:
            hour = milliseconds // _HOUR_MS
            if hour != self._hour:
                self._enter(hour)
            fresh = milliseconds << _COUNTER_BITS | self._random.getrandbits(_COUNTER_BITS - 1)
            last = self._last
            if milliseconds <= last >> _COUNTER_BITS:
                fresh = last + 1
            self._last = fresh
            salt = self._random.randbytes(4)
        return from_bytes(ordered_id(fresh >> _COUNTER_BITS, fresh & ((1 << _COUNTER_BITS) - 1), salt))

    def _enter(self, hour: int) -> None:
        """Go on behind the last id of that hour, or of the hour after it when the clock was set back from there."""
        known = self._last_of_hour
        # A clock that was set back goes on with ids of the hour that it came from.
        for seen in (self._hour, (self._last >> _COUNTER_BITS) // _HOUR_MS):
            known.pop(seen, None)
            known[seen] = self._last
        self._last = max(known.get(hour, 0), known.get(hour + 1, 0))
        self._hour = hour
        while len(known) > _HOURS_MAX:
            del known[next(iter(known))]


_generator: Final = _Generator()
