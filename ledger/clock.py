"""The source of time, given by whoever makes a `Ledger`."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Aware UTC now."""

    def now(self) -> datetime: ...


Moment = Callable[[], datetime | None]
"""The time that the caller of a `Ledger` lives in, when it is another one than the clock's; mostly None."""


def real_time() -> datetime | None:
    """The moment of callers that all live by the clock."""
    return None
