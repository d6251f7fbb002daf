"""Keyset paging: page sizes and opaque page tokens.

A token holds the sort key of the last row served, bound to a digest of the query it belongs to, so that a token cannot be
carried over to another filter, resource or tenant. Tokens are not secret and grant nothing: scope is checked on every call.
"""

import base64
import binascii
import hashlib
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from wallet_service.errors import Reason, ServiceError, invalid_field

T = TypeVar("T")

PAGE_SIZE_DEFAULT: Final = 50
PAGE_SIZE_MAX: Final = 1000
_TOKEN_MAX: Final = 1024

Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows in order, and the token of the next page ("" when this was the last)."""

    rows: tuple[T, ...]
    next_page_token: str


def page_size(requested: int) -> int:
    """Rows to serve: 0 means the default of 50, more than 1000 means 1000."""
    if requested < 0:
        raise invalid_field("page_size", "must not be negative")
    return min(requested or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)


def page_of(rows: Sequence[T], *, size: int, digest: str, key: Callable[[T], Key]) -> Page[T]:
    """The page of `rows`, of which one more than `size` was asked for so that the end is known."""
    served = tuple(rows[:size])
    more = len(rows) > size
    return Page(served, encode_token(key(served[-1]), digest) if more else "")


def query_digest(*parts: object) -> str:
    """A short digest of everything a query filters and sorts by."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def encode_token(key: Key, digest: str) -> str:
    text = json.dumps([digest, *key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_token(token: str, digest: str, shape: Sequence[type[str] | type[int]]) -> Key | None:
    """The key in `token`, or None for the first page.

    Raises INVALID_ARGUMENT / INVALID_PAGE_TOKEN when the token is malformed or belongs to another query.
    """
    if not token:
        return None
    refusal = _foreign_token()
    if len(token) > _TOKEN_MAX:
        raise refusal
    try:
        content: object = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise refusal from error
    if not isinstance(content, list):
        raise refusal
    items: list[object] = list(content)  # pyright: ignore[reportUnknownArgumentType]
    if len(items) != len(shape) + 1 or items[0] != digest:
        raise refusal
    key: list[str | int] = []
    for item, kind in zip(items[1:], shape, strict=True):
        if type(item) is not kind or not _is_storable(item):
            raise refusal
        key.append(item)
    return tuple(key)


def _is_storable(item: str | int) -> bool:
    """Whether the database can compare with it: PostgreSQL's numbers end, it knows no NUL, and UTF-8 no lone surrogates."""
    if isinstance(item, int):
        return abs(item) < 2**63
    return "\0" not in item and not any("\ud800" <= c <= "\udfff" for c in item)


def decode_id(token: str, digest: str) -> uuid.UUID | None:
    """The id in a token of a list in order of ids, or None for the first page. Raises INVALID_PAGE_TOKEN."""
    key = decode_token(token, digest, [str])
    if key is None:
        return None
    try:
        return uuid.UUID(str(key[0]))
    except ValueError as error:
        raise _foreign_token() from error


def _foreign_token() -> ServiceError:
    return invalid_field("page_token", "is not a token of this query", reason=Reason.INVALID_PAGE_TOKEN)
