"""A process that owns an embedded server; the tests start it to kill it, or to be another user.

Takes one JSON object as its argument: `data_dir`, `bin_dir` (or null), `uid` and `gid` to become (or null), and
`file_bytes_max` (or null). Prints one JSON object: how to connect, or which error was raised. Then it waits for its
standard input to end, and stops the server.
"""

import json
import os
import resource
import signal
import sys
from pathlib import Path

from wallet_service.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError


def main() -> None:
    request = json.loads(sys.argv[1])
    # Whoever is started in the background of a shell ignores Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["uid"] is not None:
        os.setgroups([])
        os.setgid(request["gid"])
        os.setuid(request["uid"])
    if request["file_bytes_max"] is not None:
        limit = request["file_bytes_max"]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    bin_dir = request["bin_dir"]
    server = EmbeddedPostgres(Path(request["data_dir"]), Path(bin_dir) if bin_dir else None)
    try:
        info = server.start()
    except EmbeddedPostgresError as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}))
        return
    print(json.dumps({"socket_dir": str(info.socket_dir), "is_owner": info.is_owner}), flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
