"""API keys, checked before the body is read."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from connectrpc.request import RequestContext

from wallet_service.errors import Code, ServiceError, unauthenticated
from wallet_service.principal import Principal
from wallet_service.rpc.call import current_call
from wallet_service.rpc.policy import Permission, Policy, method_name
from wallet_service.rpc.rate_limits import RateLimits

Authenticate = Callable[[str], Awaitable[Principal]]
"""From the secret of a key to its principal. Raises `unauthenticated()` for an unknown, expired or revoked one."""

_SCHEME: Final = "bearer"
_SECRET_LENGTH_MAX: Final = 512


class Authentication:
    """Puts the principal into the current call, within its rate; a method with permission PUBLIC needs none."""

    def __init__(self, authenticate: Authenticate, policy: Policy, limits: RateLimits) -> None:
        self._authenticate = authenticate
        self._policy = policy
        self._limits = limits

    async def on_start(self, ctx: RequestContext[Any, Any]) -> None:
        await self.authenticate(ctx)
        if (principal := current_call().principal) is not None:
            self._limits.count_call(principal.key_id)

    async def authenticate(self, ctx: RequestContext[Any, Any]) -> None:
        """Find out whose key the call has. Raises UNAUTHENTICATED, or RATE_LIMITED when its address fails too often."""
        if self._policy[method_name(ctx.method)].permission is Permission.PUBLIC:
            return
        try:
            current_call().principal = await self._authenticate(_bearer(ctx.request_headers.get("authorization")))
        except ServiceError as error:
            if error.code is Code.UNAUTHENTICATED:
                self._limits.count_failure(current_call().remote_address)
            raise

    async def on_end(self, token: None, ctx: RequestContext[Any, Any], error: Exception | None, /) -> None:
        del token, ctx, error


def _bearer(header: str | None) -> str:
    scheme, _, secret = (header or "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != _SCHEME or not secret or len(secret) > _SECRET_LENGTH_MAX:
        raise unauthenticated()
    return secret
