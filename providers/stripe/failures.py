"""Stripe's errors as ours. The table of hard declines is the one place that decides to give a card up."""

import stripe

from providers.protocol import (
    AuthenticationRequired,
    Declined,
    Failure,
    FailureKind,
    InvalidRequest,
    PaymentSnapshot,
    ProviderError,
    Unavailable,
)

HARD_DECLINES = frozenset(
    {
        "account_closed",
        "authentication_not_handled",
        "expired_card",
        "fraudulent",
        "incorrect_cvc",
        "incorrect_number",
        "invalid_account",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "lost_card",
        "merchant_blacklist",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "stop_payment_order",
    }
)
"""Codes and decline codes after which a repeat is useless or forbidden until the payer brings another card."""

AUTHENTICATION_CODES = frozenset({"authentication_required", "payment_intent_authentication_failure"})
NOT_EXECUTED = (
    stripe.RateLimitError,
    stripe.AuthenticationError,
    stripe.PermissionError,
)
"""Refused at the door: certainly without effect, and not the payer's fault."""


def card_failure(
    *,
    code: str | None,
    decline_code: str | None,
    advice_code: str | None,
    message: str | None,
) -> Failure:
    """The failure of one attempt to pay or to save a card."""
    return Failure(
        kind=_card_kind(code=code, decline_code=decline_code, advice_code=advice_code),
        code=code or "card_declined",
        message=message or "The card was declined.",
        decline_code=decline_code,
        advice_code=advice_code,
    )


def provider_error(error: stripe.StripeError, *, write: bool, payment: PaymentSnapshot | None) -> ProviderError:
    """What to raise for an error of the library. A failed read never leaves an unknown outcome."""
    if isinstance(error, stripe.CardError):
        return _card_error(error, payment)
    if isinstance(error, NOT_EXECUTED):
        return _unavailable(error, outcome_unknown=False)
    if isinstance(error, stripe.InvalidRequestError | stripe.IdempotencyError):
        return InvalidRequest(_failure(error, FailureKind.INVALID, outcome_unknown=False), payment)
    return _unavailable(error, outcome_unknown=write)


def deadline_exceeded(*, write: bool) -> Unavailable:
    """The call did not end in time."""
    return Unavailable(
        Failure(
            kind=FailureKind.UNAVAILABLE,
            code="deadline_exceeded",
            message="The payment provider did not answer in time.",
            outcome_unknown=write,
        )
    )


def _card_kind(*, code: str | None, decline_code: str | None, advice_code: str | None) -> FailureKind:
    if AUTHENTICATION_CODES & {code, decline_code}:
        return FailureKind.AUTHENTICATION_REQUIRED
    if advice_code == "do_not_try_again" or HARD_DECLINES & {code, decline_code}:
        return FailureKind.DECLINED_HARD
    return FailureKind.DECLINED_RETRYABLE


def _card_error(error: stripe.CardError, payment: PaymentSnapshot | None) -> ProviderError:
    detail = error.error
    kind = _card_kind(
        code=error.code,
        decline_code=detail.decline_code if detail else None,
        advice_code=detail.advice_code if detail else None,
    )
    failure = _failure(error, kind, outcome_unknown=False)
    if kind is FailureKind.AUTHENTICATION_REQUIRED:
        return AuthenticationRequired(failure, payment)
    return Declined(failure, payment)


def _unavailable(error: stripe.StripeError, *, outcome_unknown: bool) -> Unavailable:
    return Unavailable(_failure(error, FailureKind.UNAVAILABLE, outcome_unknown=outcome_unknown))


def _failure(error: stripe.StripeError, kind: FailureKind, *, outcome_unknown: bool) -> Failure:
    detail = error.error
    return Failure(
        kind=kind,
        code=error.code or (detail.code if detail else None) or _fallback_code(error),
        message=error.user_message or "The payment provider gave no reason.",
        decline_code=detail.decline_code if detail else None,
        advice_code=detail.advice_code if detail else None,
        outcome_unknown=outcome_unknown,
        provider_request_id=error.request_id,
    )


def _fallback_code(error: stripe.StripeError) -> str:
    if isinstance(error, stripe.APIConnectionError):
        return "connection_failed"
    if isinstance(error, stripe.IdempotencyError):
        return "idempotency_error"
    return f"http_{error.http_status}" if error.http_status else "provider_error"
