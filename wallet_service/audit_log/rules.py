"""What a record covers and hides: its digest, the chain of hashes, and requests without their secrets."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import urlsplit

from ledger.ids import unix_us
from wallet_service.audit_log.model import NewAuditEvent

HIDDEN: Final = "(hidden)"
TEXT_MAX: Final = 500
ITEMS_MAX: Final = 20
RESOURCES_MAX: Final = 1000
HEADER_MAX: Final = 256

SHOWN: Final = frozenset(
    {
        *("accountCode", "aggregation", "amount", "amountMinor", "balanceAlertMinor", "billingAccountName"),
        *("campaign", "campaignId", "campaignName", "category", "closeGapMaxMinor", "createTime", "currency"),
        *("dailyCapMinor", "description", "direction", "discountDuration", "discountEndTime", "discountStartTime"),
        *("displayName", "duration", "effectiveTime", "endTimeUnix", "eventName", "eventTimeUnix", "eventTypes"),
        *("events", "expireTime", "format", "idempotencyKey", "journalEntryName", "meter", "meterId", "meterName"),
        *("meterPrefix", "monthlyCapMinor", "name", "now", "organizationId", "organizationName", "paper"),
        *("paymentMethodName", "projectId", "projectName", "quantity", "redeemBeforeTime", "requestId"),
        *("resourceName", "role", "startTimeUnix", "state", "strategy", "target", "testClockId", "testClockName"),
        *(
            "threshold",
            "thresholdMinor",
            "types",
            "unit",
            "unitPriceMinorDecimal",
            "usageAgeMax",
            "usageEventId",
            "walletName",
        ),
        *("walletName"),
    }
)
"""Fields whose text may be written down, as JSON spells them; the text of every other field is hidden. Numbers and truth
values are always shown: no field that holds a secret is one."""

_OPAQUE: Final = frozenset({"metadata"})
"""Maps of the caller's own keys."""


def genesis(org_id: uuid.UUID) -> bytes:
    """The hash before the first record of a chain."""
    return hashlib.sha256(b"audit/1" + org_id.bytes).digest()


def digest(event: NewAuditEvent) -> bytes:
    """SHA-256 of everything that a record says but its number, as canonical JSON."""
    actor = event.actor
    content = [
        str(event.org_id),
        unix_us(event.recorded_at),
        unix_us(event.first_at),
        event.method,
        event.outcome.value,
        event.reason,
        [actor.key_name, actor.role, actor.remote_address, actor.user_agent, actor.correlation_id],
        event.call_count,
        list(event.resources),
        event.detail,
    ]
    return hashlib.sha256(canonical(content).encode()).digest()


def chained(previous: bytes, seq: int, content_digest: bytes) -> bytes:
    """The hash of record `seq`; the database computes the same when it numbers a record."""
    return hashlib.sha256(previous + seq.to_bytes(8) + content_digest).digest()


def canonical(content: object) -> str:
    """JSON with sorted keys and without spaces, in ASCII: the same content is the same text."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def printable(header: str) -> str:
    """What a stranger sent as a header: printable ASCII, the rest as `?`, at most 256 characters."""
    return "".join(c if " " <= c <= "~" else "?" for c in header[:HEADER_MAX])


def without_secrets(message: Mapping[str, Any]) -> dict[str, Any]:
    """A request in proto JSON as it may be written down: only known texts, short ones, and the start of long lists."""
    return {key: _shown(key, value) for key, value in message.items()}


def public_facts(facts: Mapping[str, str | int | bool | None]) -> dict[str, str | int | bool | None]:
    """What the service said of a change, which is for every viewer, but for addresses of webhooks."""
    return {key: _host(value) if key == "url" and isinstance(value, str) else value for key, value in facts.items()}


def _shown(key: str, value: Any) -> Any:
    if key in _OPAQUE:
        return HIDDEN
    if isinstance(value, dict):
        return without_secrets(cast("dict[str, Any]", value))
    if isinstance(value, list):
        items = cast("list[Any]", value)
        start = [_shown(key, item) for item in items[:ITEMS_MAX]]
        return start if len(items) <= ITEMS_MAX else {"count": len(items), "first": start}
    if not isinstance(value, str):
        return value
    if key == "url":
        return _host(value)
    return value[:TEXT_MAX] if key in SHOWN else HIDDEN


def _host(url: str) -> str:
    """Scheme and host of a web address: the rest often is its secret, and in the URL of a chat the host is, too."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return HIDDEN
    return f"{parts.scheme}://{host}/{HIDDEN}" if host and parts.scheme in ("http", "https") else HIDDEN
