"""Python's garbage collector in a process that serves."""

import gc
from typing import Final

_THRESHOLDS: Final = (10_000, 5, 5)


def keep_out_of_garbage_collection() -> None:
    """What is there after the start stays, so it is never looked at again; calls free nearly all of theirs themselves.

    With Python's own thresholds the collector took 45 % of the time of small calls, and 25 % of that of large ones.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
