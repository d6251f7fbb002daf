"""Secrets and decisions about keys: values in, values out."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wallet_service.errors import (
    Code,
    Reason,
    ServiceError,
    invalid_field,
    role_too_low,
)
from wallet_service.principal import Role

LIVE_PREFIX: Final = "wk_live_"
TEST_PREFIX: Final = "wk_test_"
SECRET_BYTES: Final = 32
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = 43
"""62**43 is the first power above 2**256."""
_SHOWN_DIGITS: Final = 4
"""Digits of the secret that stay readable: 24 of 256 bits."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. `org_id` and `org_slug` are None for an operator's key; `last_used_at` is to the minute."""

    key_id: uuid.UUID
    org_id: uuid.UUID | None
    org_slug: str | None
    role: Role
    prefix: str
    display_name: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def secret_of(random: bytes, *, live: bool) -> str:
    """The secret that 32 random bytes spell, in base 62."""
    if len(random) != SECRET_BYTES:
        raise ValueError(f"a secret is made of {SECRET_BYTES} bytes")
    number, digits = int.from_bytes(random), ""
    for _ in range(_DIGITS):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return (LIVE_PREFIX if live else TEST_PREFIX) + digits


def prefix_of(secret: str) -> str:
    """What may be shown of a secret."""
    return secret[: len(LIVE_PREFIX) + _SHOWN_DIGITS]


def hash_of(secret: str) -> bytes:
    """What is stored of a secret. It has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def check_new_key(
    *,
    creator: Role,
    role: Role,
    platform: bool,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    """Whether `creator` may make a key of `role` for an organization, or for the `platform`.

    Raises ROLE_TOO_LOW when the key would be mightier than its creator, INVALID_FIELD for an operator's key of an
    organization, any other key of none, and an expiry that does not lie ahead.
    """
    if role > creator:
        raise role_too_low(role.name.lower(), creator.name.lower())
    if platform and role is not Role.OPERATOR:
        raise invalid_field("organization_name", "is needed unless the role is operator")
    if role is Role.OPERATOR and not platform:
        raise invalid_field("organization_name", "must be unset: an operator belongs to no organization")
    if expires_at is not None and expires_at <= now:
        raise invalid_field("expire_time", "must lie ahead")


def check_revocation(*, revoker: Role, key: ApiKey, other_live_admins: int, now: datetime) -> None:
    """FAILED_PRECONDITION / LAST_ADMIN_KEY when an organization would lock itself out. An operator may do that to it."""
    is_live_admin = key.role is Role.ADMIN and key.is_live(now)
    if revoker is Role.OPERATOR or not is_live_admin or other_live_admins:
        return
    raise ServiceError(
        Code.FAILED_PRECONDITION,
        Reason.LAST_ADMIN_KEY,
        "this is the last admin key of the organization; create another one first",
    )
