"""The one source of time. Nobody else asks the system what time it is."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_moment: Final[ContextVar[datetime | None]] = ContextVar("moment", default=None)

ALL_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""From before anything that a service may ask for to after it."""


class Clock(Protocol):
    """Aware UTC now, to the microsecond."""

    def now(self) -> datetime: ...


class SystemClock:
    """Wall-clock time of this machine."""

    def now(self) -> datetime:
        return _EPOCH + timedelta(microseconds=time.time_ns() // 1_000)


class ServiceClock:
    """The clock of operations: the moment that the current work was put into (`at`), else that of the clock beneath.

    A task inherits the moment of whoever makes it, so one that works for many callers is made with a context of its own.
    """

    def __init__(self, beneath: Clock) -> None:
        self._beneath = beneath

    def now(self) -> datetime:
        moment = _moment.get()
        return self._beneath.now() if moment is None else moment


@contextmanager
def at(moment: datetime | None) -> Generator[None]:
    """Within the block it is `moment` for every `ServiceClock`, and real time for None, whatever it was around it."""
    if moment is not None and moment.tzinfo is None:
        raise ValueError("a moment is an aware time")
    before = _moment.set(moment)
    try:
        yield
    finally:
        _moment.reset(before)


def enter(moment: datetime | None) -> None:
    """For the rest of this task it is `moment` for every `ServiceClock`; for work that learns late whose it is."""
    _moment.set(moment)


def moment() -> datetime | None:
    """The moment that the current work was put into; None in real time. For what hands work to another task."""
    return _moment.get()


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
