"""A deadline for every unary call, set before the body is read.

connectrpc enforces the deadline that the caller's header asks for, over everything from the first byte of the body to the
answer. A caller that asks for none gets the default, one that asks for more than the maximum gets the maximum: the header is
replaced, so that there is one mechanism. What is malformed is left for connectrpc to refuse.
"""

import re
from datetime import timedelta
from typing import Final

CONNECT_HEADER: Final = b"connect-timeout-ms"
GRPC_HEADER: Final = b"grpc-timeout"

_CONNECT_VALUE: Final = re.compile(rb"[0-9]{1,10}")
_GRPC_VALUE: Final = re.compile(rb"([0-9]{1,8})([HMSmun])")
_GRPC_UNIT_SECONDS: Final = {
    b"H": 3600.0,
    b"M": 60.0,
    b"S": 1.0,
    b"m": 1e-3,
    b"u": 1e-6,
    b"n": 1e-9,
}


class DeadlinePolicy:
    """The default and the maximum, in whole milliseconds."""

    def __init__(self, *, default: timedelta, maximum: timedelta) -> None:
        self._maximum_seconds = maximum.total_seconds()
        self._default_seconds = min(default, maximum).total_seconds()

    def apply(self, asked: bytes | None, *, grpc: bool) -> tuple[float, bytes | None]:
        """Seconds that the call has, and the header value to put in place of `asked` (None: leave it as it is)."""
        seconds = self._default_seconds if asked is None else _seconds(asked, grpc=grpc)
        if seconds is None:
            return self._default_seconds, None
        if asked is not None and seconds <= self._maximum_seconds:
            return seconds, None
        seconds = min(seconds, self._maximum_seconds)
        text = f"{int(seconds * 1000)}"
        return seconds, f"{text}m".encode() if grpc else text.encode()


def _seconds(asked: bytes, *, grpc: bool) -> float | None:
    if not grpc:
        return int(asked) / 1000 if _CONNECT_VALUE.fullmatch(asked) else None
    found = _GRPC_VALUE.fullmatch(asked)
    return int(found[1]) * _GRPC_UNIT_SECONDS[found[2]] if found else None
