"""Who owns a data folder: a file lock that ends with its process, and where the owner's server listens."""

import fcntl
import os
from pathlib import Path

from wallet_service.embedded_postgres.cluster import Folders
from wallet_service.embedded_postgres.errors import folder_errors

_CONTENT_BYTES_MAX = 4096


class FolderLock:
    """The file `lock`: locked by the owner, empty until its server is ready, then the path of the socket's folder."""

    def __init__(self, folders: Folders) -> None:
        with folder_errors(folders.data):
            self._file = os.open(folders.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            folders.user.take_over(folders.lock)
        self._data = folders.data

    def take(self) -> bool:
        """Become the owner if there is none; never waits."""
        with folder_errors(self._data):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            os.ftruncate(self._file, 0)
        return True

    def announce(self, socket_dir: Path) -> None:
        """Tell other processes that the server is ready; only the owner may."""
        with folder_errors(self._data):
            os.pwrite(self._file, os.fsencode(socket_dir) + b"\n", 0)

    def withdraw(self) -> None:
        """Let no more processes attach; only the owner may."""
        os.ftruncate(self._file, 0)

    def socket_of_owner(self) -> Path | None:
        """The socket folder of the owner's server, or None while that is not ready."""
        content = os.pread(self._file, _CONTENT_BYTES_MAX, 0)
        return Path(os.fsdecode(content[:-1])) if content.endswith(b"\n") else None

    def release(self) -> None:
        """Give the folder up; the server must have ended."""
        os.close(self._file)
