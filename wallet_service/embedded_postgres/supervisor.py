"""The owner's side of the server: the lock, the process, its readiness and its end."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from wallet_service.embedded_postgres.binaries import Binaries, find_binaries
from wallet_service.embedded_postgres.cluster import (
    DATABASE,
    OWNER,
    PORT,
    Folders,
    ServerView,
    choose_binaries,
    data_major,
    initialise,
    make_socket_folder,
    open_log,
    prepare_folders,
)
from wallet_service.embedded_postgres.connection import ConnectionInfo
from wallet_service.embedded_postgres.errors import (
    FolderBusyError,
    ServerFailedError,
    folder_errors,
    program_failure,
)
from wallet_service.embedded_postgres.folder_lock import FolderLock
from wallet_service.embedded_postgres.pid_file import (
    is_ready,
    server_pid,
    stop_leftover_server,
)

_POLL_SECONDS: Final = 0.01
_STOP_SECONDS_MAX: Final = 30
_QUIT_SECONDS_MAX: Final = 10
_PR_SET_PDEATHSIG: Final = 1

_OPTIONS: Final[Mapping[str, str]] = {
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
_NOT_DURABLE: Final[Mapping[str, str]] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class EmbeddedPostgres:
    """One PostgreSQL server on one data folder; also a context manager.

    `binaries` is the bin folder to use instead of a search. `durable=False` gives up every promise about crashes for
    speed, for data that can be made again. `options` are further server settings. All waits are bounded: a start by
    `start_seconds_max` after the folder is ours, which must leave time for crash recovery, a stop by 40 seconds.
    """

    def __init__(
        self,
        data_dir: Path,
        binaries: Path | None = None,
        *,
        durable: bool = True,
        options: Mapping[str, str] | None = None,
        start_seconds_max: float = 120,
    ) -> None:
        self._data_dir = data_dir
        self._setting = binaries
        self._durable = durable
        self._options = {
            **_OPTIONS,
            **({} if durable else _NOT_DURABLE),
            **(options or {}),
        }
        self._start_seconds_max = start_seconds_max
        self._lock: FolderLock | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._private_folder: Path | None = None

    def start(self) -> ConnectionInfo:
        """Start the server, or attach to the one that another process runs on this folder; return when it is ready.

        Blocks, and belongs in the main thread, before or inside an event loop that has nothing to do yet. To start what
        is started is a mistake (AssertionError). Raises EmbeddedPostgresError.
        """
        assert self._lock is None, "this server is started already"
        assert threading.current_thread() is threading.main_thread(), (
            "the kernel stops the server when the thread that spawned it ends: start it in the main thread"
        )
        folders = prepare_folders(self._data_dir)
        self._lock = FolderLock(folders)
        try:
            attached = self._lock_or_attach(folders)
            return attached or self._start_owned(folders)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Shut the server down and give the folder up; where this process attached or never started, nothing happens.

        Open connections are closed and their transactions rolled back. Blocks (`await asyncio.to_thread(server.stop)`);
        any thread; may be called again.
        """
        if self._process is not None:
            if self._lock is not None:
                self._lock.withdraw()
            _end(self._process)
            self._process = None
        if self._private_folder is not None:
            shutil.rmtree(self._private_folder, ignore_errors=True)
            self._private_folder = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def exit_code(self) -> int | None:
        """How the server that this process started ended by itself (negative: by that signal); None while it runs."""
        return None if self._process is None else self._process.poll()

    def __enter__(self) -> ConnectionInfo:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _lock_or_attach(self, folders: Folders) -> ConnectionInfo | None:
        """Take the folder (None), or connect to its owner's server once that is ready."""
        assert self._lock is not None
        deadline = time.monotonic() + self._start_seconds_max
        while not self._lock.take():
            socket_dir = self._lock.socket_of_owner()
            if socket_dir is not None and _accepts(socket_dir):
                return _connection(folders, socket_dir, is_owner=False)
            if time.monotonic() > deadline:
                raise FolderBusyError(
                    f"another process holds {folders.data}, but its PostgreSQL server did not become ready within "
                    f"{self._start_seconds_max:g} s: stop that process, or wait and start again"
                )
            time.sleep(_POLL_SECONDS)
        return None

    def _start_owned(self, folders: Folders) -> ConnectionInfo:
        assert self._lock is not None
        stop_leftover_server(folders.cluster)
        self._private_folder = folders.private
        binaries = choose_binaries(folders, find_binaries(setting=self._setting))
        with ServerView(folders) as view, open_log(folders) as log:
            if not folders.cluster.exists():
                initialise(folders, binaries, view, durable=self._durable)
            socket_dir = make_socket_folder(folders)
            log_start = os.lseek(log, 0, os.SEEK_END)
            command = [
                str(binaries.bin_dir / "postgres"),
                "-D",
                view.path(folders.cluster),
            ]
            settings = {
                **self._options,
                "unix_socket_directories": view.path(socket_dir),
            }
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
                    preexec_fn=_ask_for_sigint_at_death_of(os.getpid()),  # noqa: PLW1509 (it only makes system calls)
                    **view.launch_arguments(),
                )
        self._await_ready(self._process, folders, log_start)
        self._lock.announce(socket_dir)
        return _connection(folders, socket_dir, is_owner=True)

    def _await_ready(
        self, process: "subprocess.Popen[bytes]", folders: Folders, log_start: int
    ) -> None:
        deadline = time.monotonic() + self._start_seconds_max
        while not (
            server_pid(folders.cluster) == process.pid and is_ready(folders.cluster)
        ):
            if process.poll() is not None:
                with folder_errors(folders.data), folders.log.open("rb") as log:
                    log.seek(log_start)
                    output = log.read().decode(errors="replace")
                raise program_failure("postgres", output, folder=folders.data)
            if time.monotonic() > deadline:
                raise ServerFailedError(
                    f"PostgreSQL in {folders.data} was not ready within {self._start_seconds_max:g} s; see {folders.log}"
                )
            time.sleep(_POLL_SECONDS)


def _connection(
    folders: Folders, socket_dir: Path, *, is_owner: bool
) -> ConnectionInfo:
    return ConnectionInfo(
        socket_dir=socket_dir,
        user=OWNER,
        database=DATABASE,
        server_major=int(data_major(folders)),
        is_owner=is_owner,
    )


def _accepts(socket_dir: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(socket_dir / f".s.PGSQL.{PORT}"))
        except OSError:
            return False
    return True


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Fast shutdown, then an immediate one (as safe as a crash), then kill."""
    for signal_number, seconds in (
        (signal.SIGINT, _STOP_SECONDS_MAX),
        (signal.SIGQUIT, _QUIT_SECONDS_MAX),
    ):
        process.send_signal(signal_number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()
    process.wait()


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
