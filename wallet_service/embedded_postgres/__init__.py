"""The PostgreSQL server that the service runs for itself when no `DATABASE_URL` is set.

`EmbeddedPostgres(data_dir).start()` makes the cluster on first use, starts `postgres` as a child of this process and
returns how to connect. What holds:

- One owner. A file lock decides which process runs the server; any other process that starts on the same folder attaches
  to the running server, and stopping it there does nothing.
- No orphan (Linux). The server gets SIGINT, a fast shutdown, from the kernel when the owner dies, even by `kill -9`; the
  next owner waits for that shutdown, or demands it, before it starts. The owner's main thread spawns the server, because
  the kernel watches the thread that did.
- Half a cluster is never used: `initdb` works in a temporary folder that is renamed last.
- Nobody else connects: one Unix socket in a folder of mode 0700, trust authentication behind it, no TCP. Whoever may
  enter that folder, root and the server's own user, is the owner of the data.
- Started by root, the server runs as an unprivileged user (PostgreSQL refuses root), and folders above the data keep
  their modes: the data folder is handed over as an open directory.
- Only core features are used, because the server binaries are whatever the machine has.

This package does not migrate, pool connections, take backups, or upgrade a cluster to another major version.
"""

from wallet_service.embedded_postgres.binaries import Binaries, find_binaries
from wallet_service.embedded_postgres.connection import ConnectionInfo
from wallet_service.embedded_postgres.errors import (
    BinariesNotFoundError,
    DataFolderError,
    DiskFullError,
    EmbeddedPostgresError,
    FolderBusyError,
    ServerFailedError,
    ServerUserError,
    WrongMajorVersionError,
)
from wallet_service.embedded_postgres.supervisor import EmbeddedPostgres

__all__ = [
    "Binaries",
    "BinariesNotFoundError",
    "ConnectionInfo",
    "DataFolderError",
    "DiskFullError",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "FolderBusyError",
    "ServerFailedError",
    "ServerUserError",
    "WrongMajorVersionError",
    "find_binaries",
]
