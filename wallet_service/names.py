"""Resource names in both spellings.

Canonical names lead with the organization (`organizations/{org}/wallets/default`); the flat spelling of the published
contract (`wallets/{org}`) is accepted everywhere and returned where the call came in under its path. Parsing knows nothing
of the database: whether the thing exists, and whose it is, is asked elsewhere.
"""

import re
from dataclasses import dataclass
from typing import Final

from wallet_service.errors import Reason, ServiceError, invalid_field

DEFAULT_ID: Final = "default"
_SLUG: Final = r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ID: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_SLUG_RE: Final = re.compile(_SLUG)
_KINDS_OF_ORGANIZATION: Final = (
    "payment-methods",
    "topUps",
    "invoices",
    "journal-entries",
    "holds",
    "usage-events",
    "events",
    "webhook-endpoints",
)


@dataclass(frozen=True, slots=True)
class ChildName:
    """A resource below an organization. `org` is None where the flat spelling does not tell it."""

    org: str | None
    id: str


def is_slug(text: str) -> bool:
    """Whether `text` is DNS-safe lower case of 1 to 63 characters that starts with a letter."""
    return _SLUG_RE.fullmatch(text) is not None


def parse_organization(name: str, field: str) -> str:
    return _match(rf"organizations/({_SLUG})", name, field, "organizations/{organization}").group(1)


def parse_wallet(name: str, field: str) -> str:
    """The organization of a wallet name; every organization has one wallet, `default`."""
    found = _match(
        rf"organizations/({_SLUG})/wallets/{DEFAULT_ID}|wallets/({_SLUG})",
        name,
        field,
        "organizations/{organization}/wallets/default",
    )
    return found.group(1) or found.group(2)


def parse_billing_account(name: str, field: str) -> str:
    """The organization of a billing account name; every organization has one, `default`."""
    found = _match(
        rf"organizations/({_SLUG})/billing-accounts/{DEFAULT_ID}|billing-accounts/({_SLUG})",
        name,
        field,
        "organizations/{organization}/billing-accounts/default",
    )
    return found.group(1) or found.group(2)


def parse_project(name: str, field: str) -> str:
    return _match(rf"projects/({_SLUG})", name, field, "projects/{project}").group(1)


def parse_child(kind: str, name: str, field: str) -> ChildName:
    """A `payment-methods`, `topUps`, `invoices` ... name in either spelling."""
    if kind not in _KINDS_OF_ORGANIZATION:
        raise ValueError(f"{kind} is not a resource of an organization")
    found = _match(
        rf"(?:organizations/({_SLUG})/)?{kind}/({_ID})",
        name,
        field,
        f"organizations/{{organization}}/{kind}/{{id}}",
    )
    return ChildName(found.group(1), found.group(2))


def parse_api_key(name: str, field: str) -> ChildName:
    """An API key; `org` is None for an operator's key."""
    found = _match(
        rf"(?:organizations/({_SLUG})|operators)/api-keys/({_ID})",
        name,
        field,
        "organizations/{organization}/api-keys/{id} or operators/api-keys/{id}",
    )
    return ChildName(found.group(1), found.group(2))


def parse_test_clock(name: str, field: str) -> str:
    return _match(rf"test-clocks/({_SLUG})", name, field, "test-clocks/{test_clock}").group(1)


def organization(org: str) -> str:
    return f"organizations/{org}"


def wallet(org: str, *, flat: bool = False) -> str:
    return f"wallets/{org}" if flat else f"organizations/{org}/wallets/{DEFAULT_ID}"


def billing_account(org: str, *, flat: bool = False) -> str:
    return f"billing-accounts/{org}" if flat else f"organizations/{org}/billing-accounts/{DEFAULT_ID}"


def project(slug: str) -> str:
    return f"projects/{slug}"


def datacenter(identifier: str) -> str:
    """The empty id stays empty: usage that names no datacenter has none."""
    return f"datacenters/{identifier}" if identifier else ""


def child(kind: str, org: str, identifier: str, *, flat: bool = False) -> str:
    return f"{kind}/{identifier}" if flat else f"organizations/{org}/{kind}/{identifier}"


def parse_campaign(name: str, field: str) -> str:
    return _match(rf"campaigns/({_SLUG})", name, field, "campaigns/{campaign}").group(1)


def campaign(identifier: str) -> str:
    return f"campaigns/{identifier}"


def promotion_code(campaign_id: str, identifier: str) -> str:
    return f"campaigns/{campaign_id}/codes/{identifier}"


def api_key(org: str | None, identifier: str) -> str:
    """`org` is None for an operator's key."""
    owner = "operators" if org is None else f"organizations/{org}"
    return f"{owner}/api-keys/{identifier}"


def test_clock(identifier: str) -> str:
    return f"test-clocks/{identifier}"


def _match(pattern: str, name: str, field: str, shape: str) -> re.Match[str]:
    found = re.fullmatch(pattern, name, re.ASCII)
    if found is None:
        raise _bad_name(field, shape)
    return found


def _bad_name(field: str, shape: str) -> ServiceError:
    return invalid_field(
        field,
        f"must be a name of the form {shape}",
        reason=Reason.INVALID_RESOURCE_NAME,
    )
