"""The scripted application under a real server:
`python -m tests.rpc.scripted_server SERVER PORT WORKERS SILENCE_SECONDS [CERT KEY]`.
"""

import sys
from datetime import timedelta
from pathlib import Path

from wallet_service.logs import configure_logging
from wallet_service.serving.options import ServerOptions
from wallet_service.serving.run import run


def main(
    server: str, port: int, workers: int, silence_seconds: int, cert: Path | None = None, key: Path | None = None
) -> None:
    assert server in ("pyvoy", "hypercorn")
    configure_logging(format="json", level="info")
    options = ServerOptions(
        host="127.0.0.1",
        port=port,
        server=server,
        workers=workers,
        tls_cert_file=cert,
        tls_key_file=key,
        drain=timedelta(seconds=5),
        silence=timedelta(seconds=silence_seconds),
        factory="tests.rpc.scripted_app:create_app",
    )
    run(options, on_ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), *map(Path, sys.argv[5:]))
