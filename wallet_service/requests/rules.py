"""Digests of request ids and of what they stand for."""

import hashlib
import json
from collections.abc import Mapping

Content = Mapping[str, str | int | None]


def key_hash(request_id: str) -> bytes:
    """16 bytes for a caller's id of any length."""
    return hashlib.sha256(request_id.encode()).digest()[:16]


def content_hash(content: Content) -> bytes:
    """32 bytes, the same for equal content whatever the order of its fields."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()
