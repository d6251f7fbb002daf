"""API keys, checked before the body is read."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from connectrpc.request import RequestContext

from wallet_service.errors import unauthenticated
from wallet_service.principal import Principal
from wallet_service.rpc.call import current_call
from wallet_service.rpc.policy import Permission, Policy, method_name

Authenticate = Callable[[str], Awaitable[Principal]]
"""From the secret of a key to its principal. Raises `unauthenticated()` for an unknown, expired or revoked one."""

_SCHEME: Final = "bearer"
_SECRET_LENGTH_MAX: Final = 512


class Authentication:
    """Puts the principal into the current call; a method with permission PUBLIC needs none."""

    def __init__(self, authenticate: Authenticate, policy: Policy) -> None:
        self._authenticate = authenticate
        self._policy = policy

    async def on_start(self, ctx: RequestContext[Any, Any]) -> None:
        if self._policy[method_name(ctx.method)].permission is Permission.PUBLIC:
            return
        secret = _bearer(ctx.request_headers.get("authorization"))
        current_call().principal = await self._authenticate(secret)

    async def on_end(self, token: None, ctx: RequestContext[Any, Any], error: Exception | None, /) -> None:
        del token, ctx, error


def _bearer(header: str | None) -> str:
    scheme, _, secret = (header or "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != _SCHEME or not secret or len(secret) > _SECRET_LENGTH_MAX:
        raise unauthenticated()
    return secret
