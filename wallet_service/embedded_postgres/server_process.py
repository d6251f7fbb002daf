"""The server process: its settings, how it is spawned and tied to this process, its readiness and its end."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from wallet_service.embedded_postgres.binaries import Binaries
from wallet_service.embedded_postgres.cluster import Folders, ServerView
from wallet_service.embedded_postgres.errors import (
    ServerFailedError,
    folder_errors,
    program_failure,
)
from wallet_service.embedded_postgres.pid_file import is_ready, server_pid

_POLL_SECONDS: Final = 0.01
_STOP_SECONDS_MAX: Final = 30
_QUIT_SECONDS_MAX: Final = 10
_PR_SET_PDEATHSIG: Final = 1

OPTIONS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
NOT_DURABLE: Final[Mapping[str, str]] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class ServerProcess:
    """A `postgres` process that is a child of this one."""

    def __init__(
        self,
        folders: Folders,
        binaries: Binaries,
        view: ServerView,
        *,
        socket_dir: Path,
        log: int,
        options: Mapping[str, str],
    ) -> None:
        """Spawn it, in the thread whose end is to end it. Raises DiskFullError or DataFolderError."""
        self._folders = folders
        self._log_start = os.lseek(log, 0, os.SEEK_END)
        settings = {**options, "unix_socket_directories": view.path(socket_dir)}
        command = [str(binaries.bin_dir / "postgres"), "-D", view.path(folders.cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with folder_errors(folders.data):
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A terminal's Ctrl-C must reach the service alone, which drains its calls before it stops the server.
                start_new_session=True,
                preexec_fn=_ask_for_sigint_at_death_of(os.getpid()),
                **view.launch_arguments(),
            )

    @property
    def exit_code(self) -> int | None:
        """How the process ended (negative: by that signal); None while it runs."""
        return self._process.poll()

    def await_ready(self, *, seconds_max: float) -> None:
        """Block until it accepts connections.

        Raises ServerFailedError, DiskFullError or DataFolderError when it ends instead, ServerFailedError after the time.
        """
        cluster = self._folders.cluster
        deadline = time.monotonic() + seconds_max
        while server_pid(cluster) != self._process.pid or not is_ready(cluster):
            log_text = self._new_log_text()
            # A server that cannot write its recovery down panics and tries again without end; a fast shutdown, which
            # writes too, would not end it either.
            if "PANIC:" in log_text:
                self._process.send_signal(signal.SIGQUIT)
            if self.exit_code is not None or "PANIC:" in log_text:
                raise program_failure("postgres", log_text, folder=self._folders.data)
            if time.monotonic() > deadline:
                raise ServerFailedError(f"PostgreSQL was not ready within {seconds_max:g} s; see {self._folders.log}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Fast shutdown, then an immediate one (which is as safe as a crash), then kill; blocks at most 40 s."""
        for signal_number, seconds in (
            (signal.SIGINT, _STOP_SECONDS_MAX),
            (signal.SIGQUIT, _QUIT_SECONDS_MAX),
        ):
            self._process.send_signal(signal_number)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
            return
        self._process.kill()
        self._process.wait()

    def _new_log_text(self) -> str:
        with folder_errors(self._folders.data), self._folders.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")


def _ask_for_sigint_at_death_of(parent: int) -> Callable[[], None] | None:
    """What the child does between fork and exec: have the kernel send it SIGINT when `parent` dies.

    It runs after the switch of user, which would clear the request. Only Linux has it; elsewhere a server that outlives
    its owner is stopped by the next owner.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def ask() -> None:
        if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent:
            # The parent died before the request stood; nobody would ever stop the server.
            os._exit(1)

    return ask
