"""The hash chain: each entry's hash covers its content and the hash before it, per organization.

Changing, removing or inserting an entry breaks every hash after it, so a copy of one hash (in an invoice, in a log) pins
all of the journal before it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from struct import Struct
from typing import Final
from uuid import UUID

from ledger.ids import NIL

_HEAD: Final = "BQ16sqq16s16s12s8sH"
_LEG: Final = "16sq"
_LENGTH: Final = Struct(">I")
_VERSION: Final = 1
_NO_TEXT: Final = _LENGTH.pack(0) * 2
_NIL_BYTES: Final = NIL.bytes


def genesis(org_id: UUID) -> bytes:
    """The hash before an organization's first entry."""
    return hashlib.sha256(b"ledger/1" + org_id.bytes).digest()


def encode_text(description: str, metadata: Mapping[str, str]) -> bytes:
    """Canonical bytes of the free text of an entry: lengths first, metadata sorted by key."""
    if not description and not metadata:
        return _NO_TEXT
    encoded = description.encode()
    parts = [_LENGTH.pack(len(encoded)), encoded, _LENGTH.pack(len(metadata))]
    for key in sorted(metadata):
        for text in (key.encode(), metadata[key].encode()):
            parts += (_LENGTH.pack(len(text)), text)
    return b"".join(parts)


def entry_hash(
    previous: bytes,
    *,
    entry_seq: int,
    entry_id: bytes,
    effective_us: int,
    recorded_us: int,
    reverses: bytes | None,
    hold_id: bytes | None,
    kind: str,
    currency: str,
    legs: Sequence[tuple[bytes, int]],
    text: bytes,
) -> bytes:
    """SHA-256 of the previous hash and the entry. Ids are their 16 bytes, times microseconds since 1970, legs (id,
    amount) in order, `text` is `encode_text` of description and metadata."""
    leg_count = len(legs)
    content = _content(leg_count).pack(
        _VERSION,
        entry_seq,
        entry_id,
        effective_us,
        recorded_us,
        reverses or _NIL_BYTES,
        hold_id or _NIL_BYTES,
        kind.encode(),
        currency.encode(),
        leg_count,
        *chain.from_iterable(legs),
    )
    return hashlib.sha256(previous + content + text).digest()


@lru_cache
def _content(leg_count: int) -> Struct:
    """The layout of an entry with so many legs."""
    return Struct(">" + _HEAD + _LEG * leg_count)
