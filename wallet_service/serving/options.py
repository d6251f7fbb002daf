"""What a server needs to know, taken from the settings once."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from wallet_service.config import Settings

APP_FACTORY = "wallet_service.app:create_app"


class ServerFailed(RuntimeError):
    """The server could not start or stopped by itself; the text is meant for the person who started it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How to serve. Port 0 takes a free port; TLS is on when both files are given.

    `workers` processes share the port. `drain` bounds the wait for calls in flight at shutdown, `startup` the wait for
    readiness; one of several workers that does nothing for `silence` is replaced. `environment` is added to the environment
    of the processes that run the application: settings made in memory go there.
    """

    host: str
    port: int
    server: Literal["pyvoy", "hypercorn"] = "pyvoy"
    workers: int = 1
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    drain: timedelta = timedelta(seconds=15)
    startup: timedelta = timedelta(seconds=60)
    silence: timedelta = timedelta(seconds=30)
    factory: str = APP_FACTORY
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if self.workers > 1 and self.server != "pyvoy":
            raise ServerFailed(f"several processes on one port need the server pyvoy, not {self.server}")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ServerFailed("TLS needs both a certificate file and a key file")
        for path in (self.tls_cert_file, self.tls_key_file):
            if path is not None and not path.is_file():
                raise ServerFailed(f"the TLS file {path} does not exist")

    @classmethod
    def from_settings(cls, settings: Settings, *, environment: Mapping[str, str] | None = None) -> Self:
        """Raises ServerFailed when the listen address or the TLS files make no sense."""
        host, port = parse_listen(settings.listen)
        return cls(
            host=host,
            port=port,
            server=settings.server,
            workers=settings.workers,
            tls_cert_file=settings.tls_cert_file,
            tls_key_file=settings.tls_key_file,
            drain=timedelta(seconds=settings.drain_seconds),
            environment=dict(environment or {}),
        )

    def url(self, port: int) -> str:
        """The base URL of this server when it listens on `port`."""
        scheme = "https" if self.tls_cert_file else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{port}"

    def bind(self) -> socket.socket:
        """A socket that is bound to the address and does not listen. Raises ServerFailed.

        While it is open no one is given its port as a free one, and a server that names the port can still listen on it:
        servers set SO_REUSEADDR, as this socket does.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self.host, self.port))
        except OSError as error:
            bound.close()
            raise ServerFailed(f"cannot listen on {self.host}:{self.port}: {error.strerror}") from error
        return bound


def parse_listen(listen: str) -> tuple[str, int]:
    """`host:port` or `[ipv6]:port`, port 0 to 65535."""
    host, colon, port = listen.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ServerFailed(f"listen address {listen!r} is not of the form host:port")
    return host, int(port)
