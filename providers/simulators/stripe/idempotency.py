"""Idempotency keys as Stripe documents them.

The first answer of an executed request, errors and 500s included, is replayed for the same parameters; other parameters
are refused; a request in progress conflicts. Answers of failed validation are not kept.
"""

from providers.simulators import idempotency
from providers.simulators.account import Json
from providers.simulators.stripe.errors import ApiError
from providers.simulators.stripe.world import World

KEY_LENGTH_MAX = 255


def claim(world: World, key: str, method: str, path: str, tree: Json) -> Json | None:
    """The answer to replay, or None after marking the key as in progress. Raises `ApiError` for a conflict."""
    if len(key) > KEY_LENGTH_MAX:
        raise ApiError(
            400,
            f"Idempotency keys can have at most {KEY_LENGTH_MAX} characters.",
            kind="idempotency_error",
            saved=False,
        )
    try:
        return idempotency.claim(world, key, [method, path, tree], request=world.asking.request_id)
    except idempotency.KeyReused as error:
        raise ApiError(
            400,
            "Keys for idempotent requests can only be used with the same parameters they were first used with.",
            kind="idempotency_error",
            saved=False,
        ) from error
    except idempotency.KeyInProgress as error:
        raise ApiError(
            409,
            "There is currently another in-progress request using this idempotency key.",
            kind="idempotency_error",
            code="idempotency_key_in_use",
            saved=False,
        ) from error
