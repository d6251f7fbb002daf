"""`python -m tests.torture.database FOLDER BIN [SETTING=VALUE ...]`: PostgreSQL under a supervisor, until its input ends.

A server that ends is started again at once. A line of input restarts it gently. Whenever it accepts connections it says
where. It is a process of its own: starting PostgreSQL forks, which gRPC in the process of the clients cannot bear.
"""

import select
import sys
import time
from pathlib import Path
from typing import Final

from wallet_service.embedded_postgres import EmbeddedPostgres, ServerFailedError

READY: Final = "accepting connections at"
_READY_SECONDS_MAX: Final = 60
_POLL_SECONDS: Final = 0.02


def main() -> None:
    """Run until standard input ends."""
    folder, bin_dir, *settings = sys.argv[1:]
    options = dict(setting.split("=", 1) for setting in settings)
    server = EmbeddedPostgres(Path(folder), Path(bin_dir), options=options)
    try:
        while True:
            print(READY, _started(server), flush=True)
            if not _watched(server):
                return
            server.stop()
    finally:
        server.stop()


def _started(server: EmbeddedPostgres) -> str:
    """Its URL, after recovery. Processes of a killed server may still be on their way out."""
    deadline = time.monotonic() + _READY_SECONDS_MAX
    while True:
        try:
            return server.start().url
        except ServerFailedError as error:
            if "shared memory" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


def _watched(server: EmbeddedPostgres) -> bool:
    """Wait until it has ended or is to be restarted; False when the input has ended."""
    while server.exit_code is None:
        readable, _, _ = select.select([sys.stdin], [], [], _POLL_SECONDS)
        if readable:
            return bool(sys.stdin.readline())
    return True


if __name__ == "__main__":
    main()
