"""Where clients stop while somebody counts."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from tests.torture.calling import Stopped

_LOOK_SECONDS: Final = 0.05


class Gate:
    """Lets clients begin what they do, one thing after the other; closed, it waits for what was begun."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._changed = threading.Condition()
        self._is_open = False
        self._inside_count = 0

    def open(self) -> None:
        with self._changed:
            self._is_open = True
            self._changed.notify_all()

    def close(self, seconds_max: float) -> bool:
        """Let nobody in any more; whether everybody has left in time."""
        with self._changed:
            self._is_open = False
            return self._changed.wait_for(lambda: self._inside_count == 0, seconds_max)

    @contextmanager
    def passing(self) -> Generator[None]:
        """Wait until it is open, and be inside for the block. Raises Stopped."""
        with self._changed:
            while not self._is_open:
                if self._stopping.is_set():
                    raise Stopped
                self._changed.wait(_LOOK_SECONDS)
            self._inside_count += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside_count -= 1
                self._changed.notify_all()
