"""A client of the service over gRPC: it sends a write with its key until there is a definite answer."""

import threading
import time
from collections.abc import Mapping
from typing import Any, Final, cast

import grpc
from billing.v1 import account_service_pb2_grpc, ledger_service_pb2_grpc, usage_service_pb2_grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from wallet.v1 import wallet_service_pb2_grpc

from tests.simulation.books import Broken
from tests.torture.journal import Journal, Write

CALL_SECONDS: Final = 10
_AGAIN_SECONDS: Final = 0.05
_AGAIN_SECONDS_MAX: Final = 0.25
_GRACE_SECONDS: Final = 1.5
"""How long after the service is back a channel may not have noticed."""

_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
)
_WITH_HINT: Final = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED}
)
_STUBS: Final[Mapping[str, Any]] = {
    "billing.v1.AccountService": account_service_pb2_grpc.AccountServiceStub,
    "billing.v1.LedgerService": ledger_service_pb2_grpc.LedgerServiceStub,
    "billing.v1.UsageService": usage_service_pb2_grpc.UsageServiceStub,
    "wallet.v1.WalletService": wallet_service_pb2_grpc.WalletServiceStub,
}


class Stopped(Exception):
    """The run is over, whatever the answer would have been."""


class Refused(Exception):
    """A definite no."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason


class NoAnswer(Exception):
    """The outcome is open. `is_hinted`: the service itself said so, and when to come back."""

    def __init__(self, text: str, *, is_hinted: bool) -> None:
        super().__init__(text)
        self.is_hinted = is_hinted


class Outages:
    """When the API was away because somebody had killed it."""

    def __init__(self) -> None:
        self.is_away = True
        self._back_at_seconds = 0.0

    def begin(self) -> None:
        self.is_away = True

    def end(self) -> None:
        self._back_at_seconds = time.monotonic()
        self.is_away = False

    def excuse(self, begun_seconds: float) -> bool:
        """Whether a connection that was used from `begun_seconds` on may have broken."""
        return self.is_away or begun_seconds < self._back_at_seconds + _GRACE_SECONDS


class Client:
    """One caller with a connection of its own; used by one thread."""

    def __init__(self, target: str, journal: Journal, outages: Outages, stopping: threading.Event) -> None:
        self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        self._stubs = {service: make(self._channel) for service, make in _STUBS.items()}
        self._journal, self._outages, self._stopping = journal, outages, stopping

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, write: Write, api_key: str) -> Any:
        """Send it until the answer is definite. Raises Refused, Stopped, and Broken for what must not be answered."""
        attempt = 0
        while True:
            self._journal.will_send(write)
            try:
                return self.call(write.method, write.request, api_key)
            except NoAnswer as unknown:
                self._journal.not_known(write, str(unknown), is_hinted=unknown.is_hinted)
            except Refused as refused:
                self._journal.is_refused(write, refused.reason)
                raise
            attempt += 1
            self._pause(attempt)

    def read(self, method: str, request: Any, api_key: str) -> Any:
        """Ask until there is an answer. Raises what `write` raises."""
        attempt = 0
        while True:
            try:
                return self.call(method, request, api_key)
            except NoAnswer:
                attempt += 1
                self._pause(attempt)

    def call(self, method: str, request: Any, api_key: str, *, seconds: float = CALL_SECONDS) -> Any:
        """One attempt. Raises NoAnswer, Refused, Broken."""
        service, _, name = method.partition("/")
        begun_seconds = time.monotonic()
        try:
            call = getattr(self._stubs[service], name)
            return call(request, metadata=(("authorization", f"Bearer {api_key}"),), timeout=seconds)
        except grpc.RpcError as error:
            raise self._judge(method, error, begun_seconds) from error

    def _judge(self, method: str, error: Any, begun_seconds: float) -> Exception:
        code, text = error.code(), f"{method}: {error.code().name}: {error.details()}"
        status = cast("status_pb2.Status | None", rpc_status.from_call(error))  # pyright: ignore[reportUnknownMemberType]
        if status is None:
            if code is grpc.StatusCode.DEADLINE_EXCEEDED or self._outages.excuse(begun_seconds):
                return NoAnswer(text, is_hinted=False)
            return Broken(f"{text}: the connection broke, and nobody had killed the service")
        details = {detail.TypeName(): detail for detail in status.details}
        info = error_details_pb2.ErrorInfo()
        details["google.rpc.ErrorInfo"].Unpack(info)
        text = f"{text} ({info.reason})"
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return NoAnswer(text, is_hinted=False)
        if code in _WITH_HINT:
            if "google.rpc.RetryInfo" not in details:
                return Broken(f"{text}: nothing says when to come back")
            return NoAnswer(text, is_hinted=True)
        if code is grpc.StatusCode.INTERNAL:
            return Broken(text)
        return Refused(info.reason, text)

    def _pause(self, attempt: int) -> None:
        if self._stopping.wait(min(_AGAIN_SECONDS * attempt, _AGAIN_SECONDS_MAX)):
            raise Stopped
