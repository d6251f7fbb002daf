"""The token of a request: signed by one of the account's keys, for this method and address, now, and never seen before."""

from typing import Any

import jwt
from starlette.requests import Request

from providers.simulators.coinbase.errors import ApiError
from providers.simulators.coinbase.world import World

LIFETIME_SECONDS_MAX = 120
SKEW_SECONDS_MAX = 5
ALGORITHMS = {"EdDSA", "ES256"}
CLAIMS = ["sub", "iss", "nbf", "exp", "uris"]


def check(world: World, request: Request) -> None:
    """Raises `ApiError` 401. That a nonce works once only is stricter than what Coinbase documents."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _refused("a bearer token is required")
    try:
        header = jwt.get_unverified_header(token)
        public_key = world.settings.public_keys.get(str(header.get("kid")))
        if public_key is None or header["alg"] not in ALGORITHMS:
            raise _refused("the key is not known")
        # The times are compared below, with the clock of this account.
        options: Any = {"require": CLAIMS, "verify_exp": False, "verify_nbf": False}
        claims = jwt.decode(
            token, public_key, algorithms=[header["alg"]], issuer="cdp", subject=header["kid"], options=options
        )
    except jwt.InvalidTokenError as error:
        raise _refused(f"the token is not valid: {error}") from error
    _check_times(world, claims)
    address = f"{request.method} {request.headers['host']}{request.url.path}"
    if address not in claims["uris"]:
        raise _refused(f"the token is not for {address}")
    _spend(world, header.get("nonce"), claims["exp"])


def _check_times(world: World, claims: dict[str, Any]) -> None:
    now, begins, ends = world.now(), claims["nbf"], claims["exp"]
    if ends - begins > LIFETIME_SECONDS_MAX:
        raise _refused(f"the token lives longer than {LIFETIME_SECONDS_MAX} seconds")
    if begins > now + SKEW_SECONDS_MAX or ends <= now:
        raise _refused("the token is not valid now")


def _spend(world: World, nonce: object, expires: int) -> None:
    if not isinstance(nonce, str) or not nonce:
        raise _refused("the token has no nonce")
    for old in [seen for seen, until in world.nonces.items() if until < world.now()]:
        del world.nonces[old]
    if nonce in world.nonces:
        raise _refused("the token was used before")
    world.nonces[nonce] = expires


def _refused(message: str) -> ApiError:
    return ApiError(401, "unauthorized", message)
