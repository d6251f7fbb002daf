"""Decisions about endpoints and deliveries: values in, values out."""

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from wallet_service.errors import Reason, ServiceError, invalid_field
from wallet_service.event_webhooks.model import Answer, Endpoint
from wallet_service.events.model import EventType
from wallet_service.events.rules import matches_type

ENDPOINTS_MAX: Final = 16
DELIVERIES_KEPT: Final = 100
SNIPPET_BYTES: Final = 256
OLD_SECRET_SIGNS_FOR: Final = timedelta(hours=24)
SECRET_PREFIX_LENGTH: Final = 10

RETRY_DELAYS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=20),
)
"""Pauses after each failure, three days in all without jitter; the failure after the last one pauses the endpoint."""

JITTER_PERMILLE_MAX: Final = 100
"""A pause is made longer by up to a tenth, so that what failed together does not come back together."""

_HOST: Final = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
_REST: Final = r"(?:[/?][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
_URL: Final = re.compile(rf"(?P<scheme>https?)://{_HOST}(?::(?P<port>[0-9]{{1,5}}))?{_REST}")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL connects to. An IPv6 `host` is without its brackets."""

    scheme: str
    host: str
    port: int


def target_of(url: str, *, loopback_allowed: bool) -> Target:
    """Check a URL as far as that goes without asking what its host resolves to.

    Only what every parser reads alike is taken: ASCII, no user, no fragment. Raises URL_REFUSED.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise url_refused("must be an absolute URL without user and fragment, in ASCII")
    if found["scheme"] != "https" and not loopback_allowed:
        raise url_refused("must begin with https://")
    port = int(found["port"] or (443 if found["scheme"] == "https" else 80))
    if not 0 < port < 65536:
        raise url_refused("has no valid port")
    return Target(found["scheme"], found["host"].strip("[]"), port)


def refusal_of_address(target: Target, address: IpAddress, *, loopback_allowed: bool) -> str | None:
    """Why nothing is sent to an address that the target resolves to; None when it is allowed.

    Allowed are public addresses by https and, with `loopback_allowed`, loopback ones by http too.
    """
    if address.is_loopback and loopback_allowed:
        return None
    if not is_public(address):
        return "address refused: not public"
    return None if target.scheme == "https" else "address refused: http goes to loopback only"


def is_public(address: IpAddress) -> bool:
    """Whether anybody on the Internet could reach it too; addresses that wrap another one are not looked into."""
    if isinstance(address, ipaddress.IPv6Address):
        wraps = address.ipv4_mapped is not None or address.sixtofour is not None or address.teredo is not None
        if wraps or address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def concerns(endpoint: Endpoint, endpoint_name: str, *, event_type: str, subject: str) -> bool:
    """Whether an event is sent to an endpoint: by its filter, but a test event to the endpoint under test and no other."""
    if event_type == EventType.WEBHOOK_ENDPOINT_TEST:
        return subject == endpoint_name
    return matches_type(event_type, endpoint.event_types)


def is_success(answer: Answer) -> bool:
    return answer.status_code is not None and 200 <= answer.status_code < 300


def is_gone(answer: Answer) -> bool:
    """The receiver says that it never wants to hear again."""
    return answer.status_code == 410


def retry_delay(failure_count: int, jitter_permille: int) -> timedelta | None:
    """How long to wait after the n-th failure of an event (n from 1); None: give up.

    `jitter_permille` is 0 to `JITTER_PERMILLE_MAX`.
    """
    if failure_count > len(RETRY_DELAYS):
        return None
    delay = RETRY_DELAYS[failure_count - 1]
    return delay + delay * jitter_permille // 1000


def signing_secrets(endpoint: Endpoint, now: datetime) -> tuple[str, ...]:
    """The secrets that sign now: the current one, and the one before for 24 hours after a rotation."""
    until = endpoint.previous_secret_expires_at
    if endpoint.previous_secret is None or until is None or now >= until:
        return (endpoint.secret,)
    return (endpoint.secret, endpoint.previous_secret)


def snippet_of(body: bytes) -> str:
    """The start of an answer as text that can be stored: no NUL, no broken characters, at most 256 bytes of the answer."""
    return body[:SNIPPET_BYTES].decode("utf-8", "replace").replace("\0", "\ufffd")


def url_refused(description: str) -> ServiceError:
    return invalid_field("url", description, reason=Reason.URL_REFUSED)
