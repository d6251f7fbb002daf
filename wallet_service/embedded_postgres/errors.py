"""Why the embedded server cannot run, each with what the person at the keyboard can do about it."""

import errno
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_OUTPUT_LINES_SHOWN: Final = 8
_TELLING_MARKS: Final = ("PANIC:", "FATAL:", "ERROR:", "HINT:", "error:", "hint:")
_FREE_BYTES_MIN: Final = 1024 * 1024
_FULL_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_TEXTS: Final = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
)
_REFUSED_TEXTS: Final = ("Permission denied", "Read-only file system")


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; the message says why and what to do."""


class BinariesNotFoundError(EmbeddedPostgresError):
    """No usable PostgreSQL server binaries were found."""


class WrongMajorVersionError(EmbeddedPostgresError):
    """The data was made by a major version for which no binaries were found."""

    def __init__(self, folder: Path, *, data_major: str, found_majors: Sequence[int]) -> None:
        found = ", ".join(str(major) for major in found_majors) or "none"
        super().__init__(
            f"the data in {folder} was made by PostgreSQL {data_major}, but the server binaries found are of major version "
            f"{found}. Install PostgreSQL {data_major}, or point WALLET_POSTGRES_BIN_DIR at its bin folder, or move the "
            "data over with pg_dump or pg_upgrade."
        )
        self.data_major = data_major
        self.found_majors = tuple(found_majors)


class DiskFullError(EmbeddedPostgresError):
    """The disk, a quota or a file size limit leaves no room for the data."""

    def __init__(self, folder: Path, *, detail: str) -> None:
        super().__init__(
            f"no space left for the database in {folder}: free some (a new cluster needs about 50 MB, and the write-ahead "
            f"log grows to 4 GB under load), or set WALLET_DATA_DIR to another disk. {detail}".rstrip()
        )


class DataFolderError(EmbeddedPostgresError):
    """The data folder cannot be made, entered or written, or belongs to someone else."""

    def __init__(self, folder: Path, *, detail: str) -> None:
        super().__init__(
            f"the database folder {folder} cannot be used: {detail}. Make it writable for the user that starts the "
            "service, or set WALLET_DATA_DIR to a folder that is."
        )


class FolderBusyError(EmbeddedPostgresError):
    """Another process holds the data folder and its server did not become ready, or did not stop, in time."""


class ServerUserError(EmbeddedPostgresError):
    """Started by root, and no unprivileged user exists to run the server."""


class ServerFailedError(EmbeddedPostgresError):
    """`initdb` or `postgres` failed for a reason that has no class of its own; the message ends with its output."""


@contextmanager
def folder_errors(folder: Path) -> Generator[None]:
    """Turn an OSError met while working in `folder` into DiskFullError or DataFolderError."""
    try:
        yield
    except OSError as error:
        # shutil.Error gathers several errors as text and has no errno.
        if error.errno in _FULL_ERRNOS or any(full in str(error) for full in _FULL_TEXTS):
            raise DiskFullError(folder, detail=str(error)) from error
        raise DataFolderError(folder, detail=str(error)) from error


def program_failure(program: str, output: str, *, folder: Path) -> EmbeddedPostgresError:
    """The error that the output of a failed server program stands for."""
    lines = output.strip().splitlines()
    telling = [line for line in lines if any(mark in line for mark in _TELLING_MARKS)]
    shown = "\n".join(telling[:_OUTPUT_LINES_SHOWN] or lines[-_OUTPUT_LINES_SHOWN:])
    # On a full disk the program's last words may not have reached its log.
    is_full = shutil.disk_usage(folder).free < _FREE_BYTES_MIN
    if is_full or any(text in output for text in _FULL_TEXTS):
        return DiskFullError(folder, detail=f"{program} said:\n{shown}")
    if any(text in output for text in _REFUSED_TEXTS):
        return DataFolderError(folder, detail=f"{program} said:\n{shown}\n")
    return ServerFailedError(f"{program} failed in {folder}:\n{shown}")
