"""The one place where failures become what a caller sees.

A `ServiceError` keeps its code, reason, message and metadata. A refusal of the RPC runtime (size, deadline, unknown
compression) gets a published reason. Everything else is our fault: the caller gets INTERNAL, a fixed text and an error id,
and the log gets the exception with that id.
"""

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import structlog
from connectrpc.code import Code as WireCode
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext
from protobuf import Message
from protobuf.wkt import Duration
from wallet_api.google.rpc.error_details_pb import BadRequest, ErrorInfo, RetryInfo

from wallet_service.errors import Reason, ServiceError
from wallet_service.rpc.call import current_call

ERROR_DOMAIN: Final = "wallet.v1"

INTERNAL_TEXT: Final = "the service failed; the failure is logged under the error id in the details"

_TEXT_BYTES_MAX: Final = 400
_FIELD_BYTES_MAX: Final = 300
_VIOLATIONS_BYTES_MAX: Final = 2_500
"""Together. Over gRPC errors travel as headers, of which clients take 8 KiB, and hypercorn's time to pack one grows with
the square of its length: one of a megabyte, about each of a thousand bad items, stopped the server for minutes."""

_log: Final = structlog.get_logger("wallet.rpc")

_RUNTIME_REFUSALS: Final = {
    WireCode.INVALID_ARGUMENT: (
        Reason.MALFORMED_REQUEST,
        "the request does not follow the protocol",
    ),
    WireCode.RESOURCE_EXHAUSTED: (
        Reason.REQUEST_TOO_LARGE,
        "the request is larger than this server reads",
    ),
    WireCode.DEADLINE_EXCEEDED: (
        Reason.DEADLINE_EXCEEDED,
        "the deadline passed before the answer was ready; a write may still take effect, so send it again with the same key",
    ),
    WireCode.UNIMPLEMENTED: (
        Reason.NOT_IMPLEMENTED,
        "this server does not implement what was asked for",
    ),
}
"""Codes that connectrpc itself answers with, and the text used where its own text would quote an exception."""


_NO_SERVICER: Final = "Not implemented"
"""What the generated service says of a method that no servicer has."""


_PROTOCOL_ERROR: Final = "protocol error"
"""How connectrpc begins what it says of a request that breaks the protocol."""


class MappedError(ConnectError):
    """A ConnectError whose text and details are ours and may leave the server."""


class ErrorMapping:
    """Outermost interceptor: whatever ends a call with a failure leaves as a `MappedError`."""

    async def on_start(self, ctx: RequestContext[Any, Any]) -> None:
        del ctx

    async def on_end(self, token: None, ctx: RequestContext[Any, Any], error: Exception | None, /) -> None:
        del token, ctx
        if error is None:
            return
        mapped = to_connect_error(error)
        # connectrpc's frames hold the error and the request, and the traceback holds the frames: a ring, which would keep
        # megabytes until garbage is collected, maybe hundreds of calls later.
        error.__traceback__ = None
        if mapped is not error:
            raise mapped from error


def to_connect_error(error: Exception) -> MappedError:
    """The error to send for `error`. An unexpected one is logged here, in full, with a new id."""
    if isinstance(error, MappedError):
        return error
    if isinstance(error, ServiceError):
        text = _shortened(error.message, _TEXT_BYTES_MAX)
        mapped = MappedError(WireCode(error.code.value), text, _details(error))
    elif isinstance(error, OSError) and current_call().has_left:
        # The interceptors of a stream see what its sending raises, too.
        mapped = MappedError(WireCode.CANCELED, "the caller ended the call")
    elif isinstance(error, ConnectError) and error.code is WireCode.CANCELED:
        mapped = MappedError(error.code, "the caller ended the call")
    elif isinstance(error, ConnectError) and error.message.startswith(_PROTOCOL_ERROR):
        # connectrpc takes some of what a caller sends for a failure of the server.
        mapped = _runtime_refusal(ConnectError(WireCode.INVALID_ARGUMENT, error.message))
    elif isinstance(error, ConnectError) and error.code in _RUNTIME_REFUSALS:
        mapped = _runtime_refusal(error)
    else:
        mapped = _internal(error)
    current_call().code = mapped.code.value
    return mapped


def _runtime_refusal(error: ConnectError) -> MappedError:
    reason, text = _RUNTIME_REFUSALS[error.code]
    if error.code is WireCode.UNIMPLEMENTED and error.message == _NO_SERVICER:
        text = f"{current_call().method} is published, and this version of the service does not serve it yet"
        return MappedError(error.code, text, [ErrorInfo(reason=reason.value, domain=ERROR_DOMAIN)])
    # A text with a cause behind it quotes the cause's own words.
    message = text if error.__cause__ is not None or not error.message else error.message
    return MappedError(error.code, message, [ErrorInfo(reason=reason.value, domain=ERROR_DOMAIN)])


def _internal(error: Exception) -> MappedError:
    call = current_call()
    call.error_id = secrets.token_hex(8)
    _log.error(
        "unhandled_exception",
        error_id=call.error_id,
        correlation_id=call.correlation_id,
        method=call.method,
        exc_info=error,
    )
    info = ErrorInfo(
        reason=Reason.INTERNAL.value,
        domain=ERROR_DOMAIN,
        metadata={"error_id": call.error_id},
    )
    return MappedError(WireCode.INTERNAL, f"{INTERNAL_TEXT} (error id {call.error_id})", [info])


def _details(error: ServiceError) -> Iterator[Message[Any]]:
    metadata = {name: _shortened(value, _FIELD_BYTES_MAX) for name, value in error.metadata.items()}
    yield ErrorInfo(reason=error.reason.value, domain=ERROR_DOMAIN, metadata=metadata)
    if error.violations:
        yield BadRequest(field_violations=list(_violations(error)))
    if error.retry_after is not None:
        yield RetryInfo(retry_delay=_duration(error.retry_after))


def _violations(error: ServiceError) -> Iterator[BadRequest.FieldViolation]:
    """The first ones, as many as an answer has room for."""
    room = _VIOLATIONS_BYTES_MAX
    for violation in error.violations:
        field = _shortened(violation.field, _FIELD_BYTES_MAX)
        description = _shortened(violation.description, _FIELD_BYTES_MAX)
        room -= len(field.encode()) + len(description.encode())
        if room < 0:
            return
        yield BadRequest.FieldViolation(field=field, description=description)


def _shortened(text: str, bytes_max: int) -> str:
    encoded = text.encode(errors="replace")
    return text if len(encoded) <= bytes_max else encoded[: bytes_max - 3].decode(errors="ignore") + "\u2026"


def _duration(span: timedelta) -> Duration:
    return Duration(seconds=span.days * 86_400 + span.seconds, nanos=span.microseconds * 1000)
