"""Failures a caller can cause or must know of, as values that every transport can map.

Three kinds of failure exist: the caller's fault or the state the caller met (`ServiceError`), the world's fault
(`providers.protocol.ProviderError`), and our own (any other exception, which leaves the server as INTERNAL with a fixed
text). `Reason` repeats the names of `billing.v1.ErrorReason`; a test keeps the two equal. Transport mapping is not here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Code(StrEnum):
    """Canonical gRPC status codes that a refusal may carry."""

    INVALID_ARGUMENT = "invalid_argument"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    PERMISSION_DENIED = "permission_denied"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    FAILED_PRECONDITION = "failed_precondition"
    ABORTED = "aborted"
    OUT_OF_RANGE = "out_of_range"
    UNIMPLEMENTED = "unimplemented"
    UNAVAILABLE = "unavailable"
    UNAUTHENTICATED = "unauthenticated"


class Reason(StrEnum):
    """Published reasons; once published, a name is never reused for another meaning."""

    INVALID_FIELD = "INVALID_FIELD"
    INVALID_RESOURCE_NAME = "INVALID_RESOURCE_NAME"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"
    MALFORMED_REQUEST = "MALFORMED_REQUEST"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    ROLE_TOO_LOW = "ROLE_TOO_LOW"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    RESOURCE_EXISTS = "RESOURCE_EXISTS"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    ACCOUNT_CLOSED = "ACCOUNT_CLOSED"
    WALLET_NOT_EMPTY = "WALLET_NOT_EMPTY"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    AMOUNT_TOO_SMALL = "AMOUNT_TOO_SMALL"
    AMOUNT_TOO_LARGE = "AMOUNT_TOO_LARGE"
    ENTRY_UNBALANCED = "ENTRY_UNBALANCED"
    ACCOUNT_UNKNOWN = "ACCOUNT_UNKNOWN"
    EXCEEDS_REMAINING = "EXCEEDS_REMAINING"
    HOLD_NOT_OPEN = "HOLD_NOT_OPEN"
    METER_UNKNOWN = "METER_UNKNOWN"
    PROJECT_UNKNOWN = "PROJECT_UNKNOWN"
    RATE_MISSING = "RATE_MISSING"
    RATE_CONFLICT = "RATE_CONFLICT"
    EVENT_TOO_OLD = "EVENT_TOO_OLD"
    EVENT_IN_FUTURE = "EVENT_IN_FUTURE"
    QUANTITY_OUT_OF_RANGE = "QUANTITY_OUT_OF_RANGE"
    UNIT_MISMATCH = "UNIT_MISMATCH"
    BATCH_REFUSED = "BATCH_REFUSED"
    USAGE_ALREADY_SETTLED = "USAGE_ALREADY_SETTLED"
    PAYMENT_DECLINED = "PAYMENT_DECLINED"
    PAYMENT_METHOD_INVALID = "PAYMENT_METHOD_INVALID"
    PAYMENT_METHOD_IN_USE = "PAYMENT_METHOD_IN_USE"
    PROVIDER_REFUSED = "PROVIDER_REFUSED"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    LAST_ADMIN_KEY = "LAST_ADMIN_KEY"
    OVERLOADED = "OVERLOADED"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    ENTRY_NOT_REVERSIBLE = "ENTRY_NOT_REVERSIBLE"
    SPENDING_LIMIT_EXCEEDED = "SPENDING_LIMIT_EXCEEDED"
    BILLING_ACCOUNT_SUSPENDED = "BILLING_ACCOUNT_SUSPENDED"
    BILLING_ACCOUNT_CLOSED = "BILLING_ACCOUNT_CLOSED"
    CONSENT_REQUIRED = "CONSENT_REQUIRED"
    PROMOTION_CODE_INVALID = "PROMOTION_CODE_INVALID"
    PROMOTION_CODE_USED = "PROMOTION_CODE_USED"
    PROMOTION_ALREADY_ACTIVE = "PROMOTION_ALREADY_ACTIVE"
    EXPORT_TOO_LARGE = "EXPORT_TOO_LARGE"
    URL_REFUSED = "URL_REFUSED"
    TOO_MANY_RESOURCES = "TOO_MANY_RESOURCES"
    NO_MANUAL_TOPUP = "NO_MANUAL_TOPUP"
    TEST_CLOCK_BUSY = "TEST_CLOCK_BUSY"
    TEST_CLOCK_IN_USE = "TEST_CLOCK_IN_USE"
    TOPUP_PENDING = "TOPUP_PENDING"
    RATE_LIMITED = "RATE_LIMITED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad input field: its path in the request (`events[3].quantity`) and what is wrong with it."""

    field: str
    description: str


class ServiceError(Exception):
    """A refusal with its canonical code and published reason.

    `message` and `metadata` reach the caller: they never hold internals, secrets or another tenant's data, and what the
    message interpolates is also in the metadata. `retry_after` tells when a retry makes sense.
    """

    def __init__(
        self,
        code: Code,
        reason: Reason,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after = retry_after


def invalid_field(field: str, description: str, *, reason: Reason = Reason.INVALID_FIELD) -> ServiceError:
    """INVALID_ARGUMENT about one field."""
    return ServiceError(
        Code.INVALID_ARGUMENT,
        reason,
        f"{field}: {description}",
        metadata={"field": field},
        violations=[FieldViolation(field, description)],
    )


def not_found(kind: str, name: str) -> ServiceError:
    """NOT_FOUND; the same answer whether the resource is missing or belongs to someone else."""
    return ServiceError(
        Code.NOT_FOUND,
        Reason.RESOURCE_NOT_FOUND,
        f"{kind} {name} was not found",
        metadata={"kind": kind, "name": name},
    )


def already_exists(kind: str, name: str) -> ServiceError:
    """ALREADY_EXISTS: the name is taken."""
    return ServiceError(
        Code.ALREADY_EXISTS,
        Reason.RESOURCE_EXISTS,
        f"{kind} {name} exists already",
        metadata={"kind": kind, "name": name},
    )


def unauthenticated() -> ServiceError:
    """UNAUTHENTICATED, the same words for every reason a key may fail."""
    return ServiceError(
        Code.UNAUTHENTICATED,
        Reason.UNAUTHENTICATED,
        "a valid API key is needed: send it as Authorization: Bearer wk_...",
    )


def role_too_low(required: str, role: str) -> ServiceError:
    """PERMISSION_DENIED: the key may reach the resource and not do this to it. Both are names of roles."""
    return ServiceError(
        Code.PERMISSION_DENIED,
        Reason.ROLE_TOO_LOW,
        f"this needs the role {required}; the key has {role}",
        metadata={"required_role": required, "role": role},
    )


def key_reused(key: str) -> ServiceError:
    """ALREADY_EXISTS: the idempotency key was used before with other content."""
    return ServiceError(
        Code.ALREADY_EXISTS,
        Reason.IDEMPOTENCY_KEY_REUSED,
        "this idempotency key was used before with other content",
        metadata={"idempotency_key": key},
    )


def overloaded(*, retry_after: timedelta = timedelta(seconds=1)) -> ServiceError:
    """RESOURCE_EXHAUSTED: too many calls are being served, every connection is taken, or a queue is full.

    Nothing of the call was begun, or all of it was undone.
    """
    return ServiceError(
        Code.RESOURCE_EXHAUSTED,
        Reason.OVERLOADED,
        "the service is busy; send the same request again",
        retry_after=retry_after,
    )


def insufficient_funds(available_minor: int, required_minor: int, currency: str) -> ServiceError:
    """FAILED_PRECONDITION with what is available and what was asked, in minor units."""
    return ServiceError(
        Code.FAILED_PRECONDITION,
        Reason.INSUFFICIENT_FUNDS,
        f"{required_minor} {currency} minor units are needed and {available_minor} are available",
        metadata={
            "available_minor": str(available_minor),
            "required_minor": str(required_minor),
            "currency": currency,
        },
    )
