"""The source of time, given by whoever makes a `Ledger`."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Aware UTC now."""

    def now(self) -> datetime: ...
