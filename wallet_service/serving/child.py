"""Children that cannot outlive their parent."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def dies_with_parent() -> Callable[[], None] | None:
    """A `preexec_fn` after which the kernel kills the child when the thread that forked it ends, also by SIGKILL.

    None where the kernel has no such call (everything but Linux). Fork from a thread that lives as long as the process.
    """
    if sys.platform != "linux":
        return None
    # Loaded before the fork: the child may only make the call itself.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def in_child() -> None:
        if prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            os._exit(70)
        # The parent may have died between fork and prctl.
        if os.getppid() != parent:
            os._exit(70)

    return in_child
