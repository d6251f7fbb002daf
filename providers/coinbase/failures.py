"""Coinbase's refusals as ours.

Its documentation names the statuses and the fields `errorType` and `errorMessage`, but not the error types. Hence the
status decides what to do, and the type is only passed on as the failure's code.
"""

from http import HTTPStatus
from typing import Any, Final

from providers.protocol import Failure, FailureKind, InvalidRequest, ProviderError, Unavailable

MESSAGE_MAX: Final = 500
CREDENTIALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
"""Refused at the door: certainly without effect, and not the payer's fault."""
UNFINISHED: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT})
"""Another attempt may be in progress, or this one was cut off: there may be an effect."""


def invalid(code: str, message: str) -> InvalidRequest:
    """Our own check, or the vendor, refused what was asked."""
    return InvalidRequest(Failure(kind=FailureKind.INVALID, code=code, message=message))


def unavailable(code: str, message: str, *, outcome_unknown: bool) -> Unavailable:
    """No usable answer."""
    return Unavailable(
        Failure(kind=FailureKind.UNAVAILABLE, code=code, message=message, outcome_unknown=outcome_unknown)
    )


def deadline_exceeded(*, write: bool) -> Unavailable:
    """The call did not end in time."""
    return unavailable("deadline_exceeded", "The payment provider did not answer in time.", outcome_unknown=write)


def unexpected(*, write: bool) -> Unavailable:
    """The vendor answered with success, in a shape that it does not document."""
    return unavailable(
        "unexpected_answer", "The payment provider's answer could not be understood.", outcome_unknown=write
    )


def refusal(status: int, body: Any, *, may_have_run: bool, request_id: str | None) -> ProviderError:
    """What to raise for an answer other than success.

    `may_have_run` is whether this attempt, or one before it with the same key, may have had an effect.
    """
    code, message = _words(status, body)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and not _is_temporary(status):
        failure = Failure(kind=FailureKind.INVALID, code=code, message=message, provider_request_id=request_id)
        return InvalidRequest(failure)
    return Unavailable(
        Failure(
            kind=FailureKind.UNAVAILABLE,
            code=code,
            message=message,
            outcome_unknown=may_have_run,
            provider_request_id=request_id,
        )
    )


def hides_effect(status: int) -> bool:
    """Whether the request may have had an effect in spite of this answer."""
    return status in UNFINISHED or not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR


def is_worth_repeating(status: int) -> bool:
    """Whether a moment later the same request may be answered otherwise. Credentials do not mend by themselves."""
    return _is_temporary(status) and status not in CREDENTIALS


def _is_temporary(status: int) -> bool:
    """Whether the refusal says nothing about the request itself."""
    return (
        status in CREDENTIALS
        or status in UNFINISHED
        or status == HTTPStatus.TOO_MANY_REQUESTS
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


def _words(status: int, body: Any) -> tuple[str, str]:
    code = message = None
    if isinstance(body, dict):
        code, message = body.get("errorType"), body.get("errorMessage")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if status == HTTPStatus.NOT_FOUND:
        code = "resource_missing"
    return (
        code if isinstance(code, str) and code else f"http_{status}",
        message[:MESSAGE_MAX] if isinstance(message, str) and message else "The payment provider gave no reason.",
    )
