"""Download links as values: signing, checking, and the part of a file that a Range header asks for."""

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote
from uuid import UUID

LINK_LASTS: Final = timedelta(hours=1)
_VERSION: Final = "v1"
_TOKEN_LENGTH_MAX: Final = 2048
_KEY: Final = re.compile(r"[a-z0-9][a-zA-Z0-9._/-]{0,254}", re.ASCII)
_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9._ -]+", re.ASCII)


class LinkRefused(Exception):
    """The link is not one that we made, or its time is over."""


class RangeNotSatisfiable(Exception):
    """No byte of the file lies in the range asked for."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link leads to. file_name: under which a browser saves it; expires_at: whole seconds, the end exclusive."""

    key: str
    file_name: str
    content_type: str
    org_id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignedLink:
    """A URL that downloads one file until `expires_at` (exclusive)."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes [start, end) of a file."""

    start: int
    end: int


def check_key(key: str) -> str:
    """`key`, if it can name an object in every store. Raises ValueError."""
    if not _KEY.fullmatch(key) or "//" in key or any(part in (".", "..") for part in key.split("/")):
        raise ValueError(f"{key!r} is no key of a file")
    return key


def sign(link: Link, secret: bytes) -> str:
    """The path of a link below `/downloads/`: a token that holds and signs everything, then the file's name."""
    payload = json.dumps(
        [_VERSION, check_key(link.key), link.content_type, str(link.org_id), int(link.expires_at.timestamp())],
        separators=(",", ":"),
    ).encode()
    mac = _mac(payload, link.file_name, secret)
    return f"{_encode(payload)}.{_encode(mac)}/{quote(link.file_name, safe='')}"


def check(token: str, file_name: str, secret: bytes, *, now: datetime) -> Link:
    """The link behind a token and the file's name beside it. Raises LinkRefused."""
    if len(token) > _TOKEN_LENGTH_MAX:
        raise LinkRefused
    first, _, second = token.partition(".")
    payload, mac = _decode(first), _decode(second)
    if not hmac.compare_digest(mac, _mac(payload, file_name, secret)):
        raise LinkRefused
    # Signed by us, so it has the shape that `sign` gives it.
    _, key, content_type, org_id, expires = json.loads(payload)
    expires_at = datetime.fromtimestamp(expires, UTC)
    if now >= expires_at:
        raise LinkRefused
    return Link(key, file_name, content_type, UUID(org_id), expires_at)


def read_range(header: str | None, size: int) -> ByteRange | None:
    """The part of a file of `size` bytes that a Range header asks for; None for the whole file.

    A header that is malformed or asks for several parts is answered with the whole, as RFC 9110 allows. Raises
    RangeNotSatisfiable.
    """
    found = None if header is None else _RANGE.fullmatch(header.replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        suffix = min(int(found[2]), size)
        if not suffix:
            raise RangeNotSatisfiable
        return ByteRange(size - suffix, size)
    start = int(found[1])
    last = int(found[2]) if found[2] else size - 1
    if found[2] and last < start:
        return None
    if start >= size:
        raise RangeNotSatisfiable
    return ByteRange(start, min(last + 1, size))


def content_disposition(file_name: str) -> str:
    """A Content-Disposition value (RFC 6266) that makes browsers save under `file_name`, of whatever script."""
    if _PLAIN_NAME.fullmatch(file_name):
        return f'attachment; filename="{file_name}"'
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", file_name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"


def _mac(payload: bytes, file_name: str, secret: bytes) -> bytes:
    # The length keeps the two texts apart: no payload and name can stand for another pair.
    message = len(payload).to_bytes(4) + payload + file_name.encode("utf-8", "surrogatepass")
    return hmac.digest(secret, message, hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise LinkRefused from error
    # One spelling only: the bits that base64 leaves over are zero in ours.
    if _encode(decoded) != text:
        raise LinkRefused
    return decoded
