"""The one source of time. Nobody else asks the system what time it is."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Aware UTC now, to the microsecond."""

    def now(self) -> datetime: ...


class SystemClock:
    """Wall-clock time of this machine."""

    def now(self) -> datetime:
        return _EPOCH + timedelta(microseconds=time.time_ns() // 1_000)


class ManualClock:
    """A clock that stands still until it is moved; the only test double of this project."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("the clock needs an aware time")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move forward; time never runs backwards here."""
        if by < timedelta(0):
            raise ValueError("a clock only moves forward")
        self._now += by
        return self._now
