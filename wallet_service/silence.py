"""Connections to the database whose other end has fallen silent: both ends notice, and neither waits for long.

A machine that loses its network, or its power, closes nothing. Without this the server would keep the locks of its open
transaction for hours, and a process that is cut off would wait as long for its answers.
"""

import socket
import sys
from datetime import timedelta
from typing import Any, Final

NOTICED_AFTER: Final = timedelta(seconds=10)
"""How long the other end may be silent when it should speak. No transaction of ours pauses for so long."""

_PROBED_AFTER_SECONDS: Final = 5
_PROBED_EVERY_SECONDS: Final = 2
_PROBES_MAX: Final = 3
_MILLISECONDS: Final = NOTICED_AFTER // timedelta(milliseconds=1)

SESSION_SETTINGS: Final = {
    "idle_in_transaction_session_timeout": str(_MILLISECONDS),
    "tcp_keepalives_idle": str(_PROBED_AFTER_SECONDS),
    "tcp_keepalives_interval": str(_PROBED_EVERY_SECONDS),
    "tcp_keepalives_count": str(_PROBES_MAX),
    "tcp_user_timeout": str(_MILLISECONDS),
}
"""What the server does about it. It takes no notice of those for TCP on its Unix socket."""


def notice_silence(connection: Any) -> None:
    """Let the kernel break this asyncpg connection when the server is silent. Nothing to do on a Unix socket."""
    # asyncpg shows its socket to nobody.
    used: socket.socket = connection._transport.get_extra_info("socket")
    if sys.platform != "linux" or used.family == socket.AF_UNIX:
        return
    used.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    used.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBED_AFTER_SECONDS)
    used.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBED_EVERY_SECONDS)
    used.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES_MAX)
    used.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _MILLISECONDS)
