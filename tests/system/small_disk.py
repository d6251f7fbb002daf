"""A disk that a test fills up under a running database, and frees again.

Where the machine lets us mount, a database lies on a small file system of its own (a tablespace), and is given no room.
Where it does not, as in most containers, the files of the tables that will be written are replaced by the kernel's device
that is always full. Both ways PostgreSQL gets ENOSPC from the kernel, and refuses the statement with 53100.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import asyncpg
from sqlalchemy import make_url

from tests.conftest import TestServer

SIZE = "64m"
ALWAYS_FULL = Path("/dev/full")


class SmallDisk(Protocol):
    """`url` is of a migrated database on it."""

    url: str

    def fill(self) -> None:
        """From here on no table grows."""
        ...

    def free(self) -> None: ...


class MountedDisk:
    """A file system of 64 MiB; what is free of it is taken by one file."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self._filler = folder / "filler"

    def fill(self) -> None:
        found = os.statvfs(self._filler.parent)
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize)
        assert os.statvfs(self._filler.parent).f_bavail == 0

    def free(self) -> None:
        self._filler.unlink()


class FullDevice:
    """Tables without rows, whose files are exchanged. Connections that had opened them are closed."""

    def __init__(self, server: TestServer, url: str, tables: tuple[str, ...]) -> None:
        self.url = url
        self._server = server
        cluster = server.info.socket_dir.parent / "cluster"
        self._files = [cluster / row[0] for row in server.run(_fetch(url, _PATHS, list(tables)))]
        for file in self._files:
            assert file.stat().st_size == 0, f"{file} is of a table with rows"

    def fill(self) -> None:
        for file in self._files:
            file.rename(_kept(file))
            file.symlink_to(ALWAYS_FULL)
        self._reopen()

    def free(self) -> None:
        for file in self._files:
            _kept(file).replace(file)
        self._reopen()

    def _reopen(self) -> None:
        name = make_url(self.url).database
        self._server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


_PATHS = "SELECT pg_relation_filepath(name::regclass) FROM unnest($1::text[]) name"
_NAME = "on_a_small_disk"


@contextmanager
def small_disk(server: TestServer, template: str, *, tables: tuple[str, ...]) -> Generator[SmallDisk]:
    """A database on a disk that can be filled; `tables` have no rows yet, and are those that will be written."""
    folder = Path(tempfile.mkdtemp(prefix="wallet-disk-"))
    url = server.info.url_of(_NAME)
    is_mounted = _mount(folder, server)
    try:
        if is_mounted:
            server.execute(f"CREATE TABLESPACE {_NAME} LOCATION '{folder}'")
        place = f"TABLESPACE {_NAME}" if is_mounted else ""
        server.execute(f"CREATE DATABASE {_NAME} TEMPLATE {template} {place}")
        yield MountedDisk(folder, url) if is_mounted else FullDevice(server, url, tables)
        server.drop_database(url)
        if is_mounted:
            server.execute(f"DROP TABLESPACE {_NAME}")
    finally:
        if is_mounted:
            # Lazily: after a failure the server may still have files open.
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(folder)


def _mount(folder: Path, server: TestServer) -> bool:
    """Whether the folder has become a file system of its own, the server's user's alone."""
    owner = server.info.socket_dir.stat().st_uid
    options = f"size={SIZE},mode=0700,uid={owner}"
    tried = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
    return tried.returncode == 0


async def _fetch(url: str, statement: str, *args: object) -> list[asyncpg.Record]:
    parts = make_url(url)
    connection = await asyncpg.connect(host=str(parts.query["host"]), user=parts.username, database=parts.database)
    try:
        return await connection.fetch(statement, *args)
    finally:
        await connection.close()


def _kept(file: Path) -> Path:
    return file.with_name(f"{file.name}.kept")
