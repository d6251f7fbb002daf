"""The trust boundary for deliveries: signature over headers and raw bytes, age on both sides; then only ids are read."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.coinbase.settings import CoinbaseSettings
from providers.coinbase.snapshots import instant
from providers.protocol import EventKind, ProviderEvent, WebhookRejected

SIGNATURE_HEADER = "x-hook0-signature"
SIGNATURE_LENGTH_MAX = 4096
CHECKOUT_ID = re.compile(r"[0-9a-f]{24}")

_EVENT_ID = re.compile(r"[\x21-\x7e]{1,255}")
_UNIX_SECONDS = re.compile(r"\d{1,12}")


@dataclass(frozen=True, slots=True)
class _Signature:
    """`signed_at` and `header_names` as they stand in the header, because they are signed as they stand."""

    signed_at: str
    header_names: str
    macs: Sequence[str]


def verify(raw: bytes, headers: Mapping[str, str], *, settings: CoinbaseSettings, now: datetime) -> ProviderEvent:
    """The event in a delivery. Raises `WebhookRejected` for anything not signed just now, headers included."""
    if len(raw) > settings.webhook_bytes_max:
        raise WebhookRejected("body too large")
    given = {name.lower(): value for name, value in headers.items()}
    signature = _parse(given)
    names = signature.header_names.split(" ")
    id_header = _check_coverage(names, settings)
    _check_mac(raw, given, names, signature, settings)
    age_seconds = now.timestamp() - int(signature.signed_at)
    if abs(age_seconds) > settings.webhook_tolerance.total_seconds():
        raise WebhookRejected("timestamp too old" if age_seconds > 0 else "timestamp in the future")
    if _EVENT_ID.fullmatch(given[id_header]) is None:
        raise WebhookRejected("event id is malformed")
    return _event(raw, event_id=given[id_header])


def event_kind(event_type: str) -> EventKind:
    """What an event type asks us to look at."""
    if event_type.startswith("checkout.payment."):
        return EventKind.PAYMENT
    if event_type.startswith("checkout.refund."):
        return EventKind.REFUND
    return EventKind.OTHER


def _parse(given: Mapping[str, str]) -> _Signature:
    """The parts of the header. `v0`, which covers no headers, is never enough."""
    header = given.get(SIGNATURE_HEADER)
    if header is None:
        raise WebhookRejected("signature header missing")
    if len(header) > SIGNATURE_LENGTH_MAX or not header.isascii():
        raise WebhookRejected("signature header is malformed")
    parts: dict[str, list[str]] = {}
    for part in header.split(","):
        key, _, value = part.strip().partition("=")
        parts.setdefault(key, []).append(value)
    times, names, macs = parts.get("t", []), parts.get("h", []), parts.get("v1", [])
    if len(times) != 1 or _UNIX_SECONDS.fullmatch(times[0]) is None:
        raise WebhookRejected("signature has no single timestamp")
    if len(names) != 1 or not macs:
        raise WebhookRejected("signature covers no headers")
    return _Signature(times[0], names[0], macs)


def _check_coverage(names: Sequence[str], settings: CoinbaseSettings) -> str:
    """The signed header that holds the event's id. Raises `WebhookRejected` when too little is signed."""
    signed = {name.lower() for name in names}
    if not signed.issuperset(settings.webhook_signed_headers):
        raise WebhookRejected("signature covers too few headers")
    for name in settings.webhook_id_headers:
        if name in signed:
            return name
    raise WebhookRejected("signature does not cover the event's id")


def _check_mac(
    raw: bytes, given: Mapping[str, str], names: Sequence[str], signature: _Signature, settings: CoinbaseSettings
) -> None:
    """Any configured secret and any v1 may match; without a secret nothing does."""
    try:
        values = ".".join(given[name.lower()] for name in names)
        signed = f"{signature.signed_at}.{signature.header_names}.{values}.".encode("latin-1") + raw
    except KeyError as error:
        raise WebhookRejected("a signed header is missing") from error
    except UnicodeEncodeError as error:
        raise WebhookRejected("a signed header is malformed") from error
    for secret in settings.webhook_secrets:
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        if any(hmac.compare_digest(expected, mac) for mac in signature.macs):
            return
    raise WebhookRejected("signature does not match")


def _event(raw: bytes, *, event_id: str) -> ProviderEvent:
    try:
        payload: dict[str, Any] = json.loads(raw)
        event_type, checkout_id = payload["eventType"], payload["id"]
        if not isinstance(event_type, str) or CHECKOUT_ID.fullmatch(checkout_id) is None:
            raise WebhookRejected("body is not a checkout event")
        return ProviderEvent(
            provider="coinbase",
            event_id=event_id,
            kind=event_kind(event_type),
            event_type=event_type,
            object_id=checkout_id,
            payment_external_id=checkout_id,
            created_at=instant(payload["updatedAt"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise WebhookRejected("body is not a checkout event") from error
