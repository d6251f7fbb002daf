"""What PostgreSQL's own `postmaster.pid` tells, and the end of a server that outlived its owner."""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from wallet_service.embedded_postgres.errors import FolderBusyError, folder_errors

_STATUS_LINE: Final = 7
_POLL_SECONDS: Final = 0.01
_ENDINGS: Final = ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 10))
"""Fast shutdown, immediate shutdown, none at all; and how many seconds each may take."""


def server_pid(cluster: Path) -> int | None:
    """The process id in the pid file of `cluster`; None when there is none, or only half a line yet."""
    lines = _lines(cluster)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def is_ready(cluster: Path) -> bool:
    """Whether the server wrote that it accepts connections."""
    lines = _lines(cluster)
    return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"


def stop_leftover_server(cluster: Path) -> None:
    """End what is left of a server whose owner died; call it only as the new owner.

    A server that is still shutting down is waited for; processes that outlived their server are told to leave. Blocks at
    most 50 seconds, most of it for a last checkpoint. Only Linux tells which processes work on a cluster; elsewhere
    PostgreSQL's own check refuses to start beside them. Raises FolderBusyError when they stay.
    """
    pid_file = cluster / "postmaster.pid"
    if not pid_file.exists() or sys.platform != "linux":
        return
    pid = server_pid(cluster)
    for signal_number, seconds in _ENDINGS:
        processes = _server_processes(cluster)
        if not processes:
            break
        _send(signal_number, {pid} if pid in processes else processes)
        deadline = time.monotonic() + seconds
        while _server_processes(cluster) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
    else:
        if processes := _server_processes(cluster):
            raise FolderBusyError(
                f"processes {sorted(processes)} of an earlier PostgreSQL server on {cluster} do not end: end them and "
                "start again"
            )
    _disown_pid_file(pid_file)


def _lines(cluster: Path) -> list[str]:
    with folder_errors(cluster):
        try:
            return (cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []


def _server_processes(cluster: Path) -> set[int]:
    """The PostgreSQL processes that work on `cluster`: their working folder is the cluster, and stays it."""
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        # Processes end while we look, and those of other users do not show their folder.
        with suppress(OSError):
            is_server = (process / "comm").read_text() == "postgres\n"
            if is_server and (process / "cwd").samefile(cluster):
                found.add(int(process.name))
    return found


def _send(signal_number: signal.Signals, processes: set[int]) -> None:
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signal_number)


def _disown_pid_file(path: Path) -> None:
    """Name this process in a pid file whose server is gone.

    The number may by now belong to any process of ours, and PostgreSQL would take that for a running server and refuse to
    start. It knows its parent not to be one, and then still makes its own check for orphaned children. The file is
    written in place: on a full disk a new one might stay empty, which PostgreSQL refuses too.
    """
    with folder_errors(path), suppress(FileNotFoundError):
        pid, separator, rest = path.read_text().partition("\n")
        if not separator:
            path.unlink()
            return
        with path.open("r+b", buffering=0) as file:
            file.write(f"{os.getpid():0{len(pid)}d}\n{rest}".encode())
