"""Answers that go wrong on request, before or after the effect."""

from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from providers.simulators.account import Account, Fault

FAULTS = (
    "disconnect_before",
    "disconnect_after",
    "error_before",
    "error_after",
    "rate_limit",
    "slow_before",
    "slow_after",
)


class Hangup(Response):
    """Closes the connection in the middle of an answer: the caller learns nothing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            (b"content-length", b"1000000"),
            (b"content-type", b"application/json"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


def take_fault(account: Account[Any], method: str, path: str) -> Fault | None:
    """The fault that this request meets; it counts as met."""
    for fault in account.faults:
        if fault.method in (method, "*") and path.startswith(fault.path):
            fault.times -= 1
            if fault.times <= 0:
                account.faults.remove(fault)
            return fault
    return None
