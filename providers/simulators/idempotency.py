"""Idempotency keys: the first answer is replayed for the same request, another request with the key is refused.

Which answers are kept, and in which words a request is refused, is the vendor's. Keys live for a day.
"""

import hashlib
import json
from typing import Any

from providers.simulators.account import Account, Json

KEPT_SECONDS = 24 * 3600


class KeyReused(Exception):
    """The key came with another request."""


class KeyInProgress(Exception):
    """The first request with the key has not been answered yet."""


def claim(account: Account[Any], key: str, request: list[Any], /, **details: Any) -> Json | None:
    """The answer to replay, or None after marking the key as in progress. Raises `KeyReused` and `KeyInProgress`.

    `request` is everything that makes two requests the same; `details` are kept beside the answer.
    """
    fingerprint = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    kept = account.idempotency.get(key)
    if kept is not None and kept["claimed"] + KEPT_SECONDS <= account.now():
        kept = None
    if kept is None:
        account.idempotency[key] = {
            "claimed": account.now(),
            "fingerprint": fingerprint,
            "status": None,
            "body": None,
            **details,
        }
        return None
    if kept["fingerprint"] != fingerprint:
        raise KeyReused
    if kept["status"] is None:
        raise KeyInProgress
    return kept


def keep(account: Account[Any], key: str, status: int, body: Json) -> None:
    """Remember the answer."""
    account.idempotency[key].update(status=status, body=body)


def forget(account: Account[Any], key: str) -> None:
    """The request never began to execute."""
    account.idempotency.pop(key, None)
