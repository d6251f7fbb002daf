"""The trust boundary for deliveries: signature over the raw bytes, age on both sides, mode; then only ids are read."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from stripe import SignatureVerificationError, WebhookSignature

from providers.protocol import EventKind, ProviderEvent, WebhookRejected
from providers.stripe.settings import StripeSettings
from providers.stripe.snapshots import instant

SIGNATURE_HEADER = "stripe-signature"


def verify(raw: bytes, headers: Mapping[str, str], *, settings: StripeSettings, now: datetime) -> ProviderEvent:
    """The event in a delivery. Raises `WebhookRejected` for anything not signed by Stripe just now for this mode.

    The library bounds the age only towards the past and by the machine's clock, so the time is checked here.
    """
    if len(raw) > settings.webhook_bytes_max:
        raise WebhookRejected("body too large")
    header = _header(headers)
    _check_signature(raw, header, settings)
    age_seconds = now.timestamp() - _signed_at(header)
    if abs(age_seconds) > settings.webhook_tolerance.total_seconds():
        raise WebhookRejected("timestamp too old" if age_seconds > 0 else "timestamp in the future")
    return _event(raw, livemode=settings.livemode)


def _header(headers: Mapping[str, str]) -> str:
    for name, value in headers.items():
        if name.lower() == SIGNATURE_HEADER:
            if not value.isascii():
                raise WebhookRejected("signature header is not ASCII")
            return value
    raise WebhookRejected("signature header missing")


def _check_signature(raw: bytes, header: str, settings: StripeSettings) -> None:
    """Any configured secret and any v1 in the header may match; without a secret nothing does."""
    for secret in settings.webhook_secrets:
        try:
            WebhookSignature.verify_header(  # pyright: ignore[reportUnknownMemberType]
                raw, header, secret, tolerance=None
            )
        except SignatureVerificationError:
            continue
        except UnicodeDecodeError as error:
            raise WebhookRejected("body is not UTF-8") from error
        return
    raise WebhookRejected("signature does not match")


def _signed_at(header: str) -> int:
    """The timestamp that the library signed with: the first `t`."""
    times = [value for key, _, value in (item.partition("=") for item in header.split(",")) if key == "t"]
    return int(times[0])


def _event(raw: bytes, *, livemode: bool) -> ProviderEvent:
    try:
        payload: dict[str, Any] = json.loads(raw)
        if bool(payload["livemode"]) is not livemode:
            raise WebhookRejected("event is from the other mode, live or test")
        event_type, subject = (
            str(payload["type"]),
            cast(dict[str, Any], payload["data"]["object"]),
        )
        kind = event_kind(event_type)
        return ProviderEvent(
            provider="stripe",
            event_id=str(payload["id"]),
            kind=kind,
            event_type=event_type,
            object_id=str(subject.get("id", "")),
            payment_external_id=_payment_of(event_type, subject),
            created_at=instant(int(payload["created"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise WebhookRejected("body is not a Stripe event") from error


def event_kind(event_type: str) -> EventKind:
    """What an event type asks us to look at."""
    if event_type.startswith("charge.dispute."):
        return EventKind.DISPUTE
    if event_type.startswith(("refund.", "charge.refund")):
        return EventKind.REFUND
    if event_type.startswith("radar.early_fraud_warning."):
        return EventKind.FRAUD_WARNING
    if event_type.startswith(("payment_intent.", "charge.")):
        return EventKind.PAYMENT
    if event_type.startswith("setup_intent."):
        return EventKind.SETUP
    if event_type.startswith("payment_method."):
        return EventKind.PAYMENT_METHOD
    return EventKind.OTHER


def _payment_of(event_type: str, subject: Mapping[str, Any]) -> str | None:
    if event_type.startswith("payment_intent."):
        return str(subject["id"])
    payment = subject.get("payment_intent")
    if isinstance(payment, dict):
        payment = cast(dict[str, Any], payment).get("id")
    return payment if isinstance(payment, str) else None
