"""What PostgreSQL's own `postmaster.pid` tells, and the end of a server that outlived its owner."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from wallet_service.embedded_postgres.errors import FolderBusyError, folder_errors

_STATUS_LINE: Final = 7
_POLL_SECONDS: Final = 0.01
_STOP_SECONDS_MAX: Final = 30
_QUIT_SECONDS_MAX: Final = 10


def server_pid(cluster: Path) -> int | None:
    """The process id in the pid file of `cluster`; None when there is none, or only half a line yet."""
    lines = _lines(cluster)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def is_ready(cluster: Path) -> bool:
    """Whether the server wrote that it accepts connections."""
    lines = _lines(cluster)
    return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"


def stop_leftover_server(cluster: Path) -> None:
    """Wait for the end of a server that outlived its owner, after asking for it; call it only as the new owner.

    Blocks at most 40 seconds, most of it for the server's last checkpoint. Raises FolderBusyError when it does not end.
    """
    pid = server_pid(cluster)
    if pid is None:
        return
    if not _serves(pid, cluster):
        _disown_pid_file(cluster)
        return
    for signal_number, seconds in (
        (signal.SIGINT, _STOP_SECONDS_MAX),
        (signal.SIGQUIT, _QUIT_SECONDS_MAX),
    ):
        deadline = time.monotonic() + seconds
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            return
        while time.monotonic() < deadline:
            if not _serves(pid, cluster):
                return
            time.sleep(_POLL_SECONDS)
    raise FolderBusyError(
        f"the PostgreSQL server (process {pid}) that an earlier run left on {cluster} does not stop: end it, then start again"
    )


def _lines(cluster: Path) -> list[str]:
    with folder_errors(cluster):
        try:
            return (cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []


def _serves(pid: int, cluster: Path) -> bool:
    """Whether process `pid` lives and is the server of `cluster`, whose working folder a server never leaves."""
    if sys.platform != "linux":
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True
    try:
        return Path(f"/proc/{pid}/cwd").samefile(cluster)
    except OSError:
        return False


def _disown_pid_file(cluster: Path) -> None:
    """Name this process in a pid file whose server is gone.

    The number may by now belong to any process of ours, and PostgreSQL would take that for a running server and refuse to
    start. It knows its parent not to be one, and then still makes its own check for orphaned children.
    """
    with folder_errors(cluster):
        path = cluster / "postmaster.pid"
        _, separator, rest = path.read_text().partition("\n")
        path.write_text(f"{os.getpid()}{separator}{rest}")
