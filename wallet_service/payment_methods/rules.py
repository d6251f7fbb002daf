"""Decisions about saved cards, and what a provider's refusal means to a caller. Pure."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from providers.protocol import Failure, FailureKind
from wallet_service.errors import Code, FieldViolation, Reason, ServiceError

_ID_RE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_RETRY_AFTER: Final = timedelta(seconds=2)
_MISSING: Final = frozenset({"resource_missing", "payment_method_unexpected_state", "customer_mismatch"})


def check_provider_method_id(text: str, field: str) -> None:
    """An id that can stand in a resource name. Raises PAYMENT_METHOD_INVALID for any other text."""
    if _ID_RE.fullmatch(text) is None:
        raise method_invalid(field)


def method_invalid(field: str) -> ServiceError:
    """INVALID_ARGUMENT: the provider has no such card for this customer."""
    description = "is not a payment method that can be saved for this billing account"
    return ServiceError(
        Code.INVALID_ARGUMENT,
        Reason.PAYMENT_METHOD_INVALID,
        f"{field} {description}",
        metadata={"field": field},
        violations=[FieldViolation(field, description)],
    )


def no_default() -> ServiceError:
    """FAILED_PRECONDITION: there is no card to charge by default."""
    return ServiceError(
        Code.FAILED_PRECONDITION,
        Reason.PAYMENT_METHOD_INVALID,
        "there is no default payment method to charge; attach a card first",
        metadata={"missing": "default_payment_method"},
    )


def refusal_of(failure: Failure, metadata: Mapping[str, str] | None = None) -> ServiceError:
    """What the caller of a provider's failed call gets; `metadata` is added to the provider's own codes."""
    details = {"provider_code": failure.code, **(metadata or {})}
    match failure.kind:
        case FailureKind.UNAVAILABLE if failure.outcome_unknown:
            return outcome_unknown(details)
        case FailureKind.UNAVAILABLE:
            return ServiceError(
                Code.UNAVAILABLE,
                Reason.PROVIDER_UNAVAILABLE,
                "the payment provider does not answer; send the same request again",
                metadata=details,
                retry_after=_RETRY_AFTER,
            )
        case FailureKind.INVALID if failure.code in _MISSING:
            reason = Reason.PAYMENT_METHOD_INVALID
        case FailureKind.INVALID:
            reason = Reason.PROVIDER_REFUSED
        case _:
            reason = Reason.PAYMENT_DECLINED
            details["decline_code"] = failure.decline_code or failure.code
    return ServiceError(Code.FAILED_PRECONDITION, reason, failure.message, metadata=details)


def outcome_unknown(metadata: Mapping[str, str]) -> ServiceError:
    """UNAVAILABLE: the provider may or may not have acted; the same request with the same key tells."""
    return ServiceError(
        Code.UNAVAILABLE,
        Reason.OUTCOME_UNKNOWN,
        "the payment provider has not answered; send the same request with the same key again",
        metadata=metadata,
        retry_after=_RETRY_AFTER,
    )
