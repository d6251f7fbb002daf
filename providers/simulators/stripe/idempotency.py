"""Idempotency keys as Stripe documents them.

The first answer of an executed request, errors and 500s included, is replayed for the same parameters; other parameters
are refused; a request in progress conflicts. Answers of failed validation are not kept. Keys live for a day.
"""

import hashlib
import json

from providers.simulators.stripe.errors import ApiError, Json
from providers.simulators.stripe.world import World

KEY_LENGTH_MAX = 255
KEPT_SECONDS = 24 * 3600


def claim(world: World, key: str, method: str, path: str, tree: Json) -> Json | None:
    """The answer to replay, or None after marking the key as in progress. Raises `ApiError` for a conflict."""
    if len(key) > KEY_LENGTH_MAX:
        raise ApiError(
            400,
            f"Idempotency keys can have at most {KEY_LENGTH_MAX} characters.",
            kind="idempotency_error",
            saved=False,
        )
    fingerprint = hashlib.sha256(json.dumps([method, path, tree], sort_keys=True).encode()).hexdigest()
    kept = world.idempotency.get(key)
    if kept is not None and kept["claimed"] + KEPT_SECONDS <= world.now():
        kept = None
    if kept is None:
        world.idempotency[key] = {
            "claimed": world.now(),
            "fingerprint": fingerprint,
            "request": world.asking.request_id,
            "status": None,
            "body": None,
        }
        return None
    if kept["fingerprint"] != fingerprint:
        raise ApiError(
            400,
            "Keys for idempotent requests can only be used with the same parameters they were first used with.",
            kind="idempotency_error",
            saved=False,
        )
    if kept["status"] is None:
        raise ApiError(
            409,
            "There is currently another in-progress request using this idempotency key.",
            kind="idempotency_error",
            code="idempotency_key_in_use",
            saved=False,
        )
    return kept


def keep(world: World, key: str, status: int, body: Json) -> None:
    """Remember the answer."""
    world.idempotency[key].update(status=status, body=body)


def forget(world: World, key: str) -> None:
    """The request never began to execute."""
    world.idempotency.pop(key, None)
