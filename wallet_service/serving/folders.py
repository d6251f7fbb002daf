"""Temporary folders of a server, private to its user, that outlive it only until the next server starts."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_PREFIX: Final = "wallet-serving-"


class PrivateFolder:
    """A folder with mode 0700, locked by this process for as long as it lives, however it ends."""

    def __init__(self) -> None:
        """Removes folders of servers that were killed, then makes one."""
        _remove_left_behind()
        # Under another name until it is locked: a server that starts at this moment would take it for one left behind.
        unlocked = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
        self._lock = os.open(unlocked, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path = unlocked.rename(unlocked.with_name(unlocked.name.removeprefix(".")))

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _remove_left_behind() -> None:
    """Remove this user's folders that nobody holds: the kernel lets go of a lock when its process ends."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue  # Another server has removed it, or it is none of ours.
        try:
            if os.fstat(opened).st_uid == os.geteuid():
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass  # Its server runs.
        finally:
            os.close(opened)
