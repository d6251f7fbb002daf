"""The one class that the service uses: own the server on a data folder, or attach to its owner's."""

import shutil
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from wallet_service.embedded_postgres.binaries import find_binaries
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
from wallet_service.embedded_postgres.errors import FolderBusyError
from wallet_service.embedded_postgres.folder_lock import FolderLock
from wallet_service.embedded_postgres.pid_file import stop_leftover_server
from wallet_service.embedded_postgres.server_process import (
    NOT_DURABLE,
    OPTIONS,
    ServerProcess,
)

_POLL_SECONDS: Final = 0.01


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
            **OPTIONS,
            **({} if durable else NOT_DURABLE),
            **(options or {}),
        }
        self._start_seconds_max = start_seconds_max
        self._lock: FolderLock | None = None
        self._process: ServerProcess | None = None
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
        lock = self._lock = FolderLock(folders)
        try:
            attached = self._take_or_attach(folders, lock)
            return attached or self._start_owned(folders, lock)
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
            self._process.stop()
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
        return None if self._process is None else self._process.exit_code

    def __enter__(self) -> ConnectionInfo:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _take_or_attach(self, folders: Folders, lock: FolderLock) -> ConnectionInfo | None:
        """Take the folder (None), or connect to its owner's server once that is ready."""
        deadline = time.monotonic() + self._start_seconds_max
        while not lock.take():
            socket_dir = lock.socket_of_owner()
            if socket_dir is not None and _accepts(socket_dir):
                return _connection(folders, socket_dir, is_owner=False)
            if time.monotonic() > deadline:
                raise FolderBusyError(
                    f"another process holds {folders.data}, but its PostgreSQL server did not become ready within "
                    f"{self._start_seconds_max:g} s: stop that process, or wait and start again"
                )
            time.sleep(_POLL_SECONDS)
        return None

    def _start_owned(self, folders: Folders, lock: FolderLock) -> ConnectionInfo:
        stop_leftover_server(folders.cluster)
        self._private_folder = folders.private
        binaries = choose_binaries(folders, find_binaries(setting=self._setting))
        with ServerView(folders) as view, open_log(folders) as log:
            if not folders.cluster.exists():
                initialise(folders, binaries, view, durable=self._durable)
            socket_dir = make_socket_folder(folders)
            self._process = ServerProcess(
                folders,
                binaries,
                view,
                socket_dir=socket_dir,
                log=log,
                options=self._options,
            )
        self._process.await_ready(seconds_max=self._start_seconds_max)
        lock.announce(socket_dir)
        return _connection(folders, socket_dir, is_owner=True)


def _connection(folders: Folders, socket_dir: Path, *, is_owner: bool) -> ConnectionInfo:
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
