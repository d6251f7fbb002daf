"""The request being served, as a context variable that every layer below the gateway reads."""

import time
import uuid
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from wallet_service.principal import Principal
from wallet_service.rpc.admission import Place

OK: Final = "ok"
OTHER: Final = "other"
"""The method of what is no RPC, until its route is known."""


@dataclass(slots=True)
class Call:
    """Filled in by the layers as they learn of it.

    `method` is a published name (`package.Service/Method`, a route's template, or "other"), never what the caller typed.
    `code` is the canonical status in lower case. `organization` is the slug that the request is about, after authorization;
    None when the request does not tell; `org_id` is its id, once it was looked up. `remote_address` is the peer of the
    connection as the server knows it, `user_agent` what the caller says of itself. `has_left`: a message could not be sent
    because nobody listens any more. `place`: among the calls in flight; None for a call that needs none, or is refused
    (`is_shed`).
    """

    correlation_id: str
    protocol: str = "http"
    method: str = OTHER
    flat_names: bool = False
    principal: Principal | None = None
    organization: str | None = None
    org_id: uuid.UUID | None = None
    remote_address: str = ""
    user_agent: str = ""
    code: str | None = None
    error_id: str | None = None
    deadline_monotonic: float | None = None
    has_left: bool = False
    place: Place | None = None
    is_shed: bool = False

    def remaining(self) -> timedelta | None:
        """Time left until the deadline, never negative; None when there is no deadline (streams, plain HTTP)."""
        if self.deadline_monotonic is None:
            return None
        return timedelta(seconds=max(0.0, self.deadline_monotonic - time.monotonic()))


_current: ContextVar[Call] = ContextVar("call")


def enter(call: Call) -> None:
    """Make `call` the current one of this task."""
    _current.set(call)


def current_call() -> Call:
    """The call being served. Raises LookupError outside of a request."""
    return _current.get()
