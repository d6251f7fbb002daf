"""The policy table, applied to a decoded and valid request."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from connectrpc.request import RequestContext

from wallet_service.errors import not_found, role_too_low
from wallet_service.principal import Principal, Role
from wallet_service.rpc.call import current_call
from wallet_service.rpc.policy import Permission, Policy, Rule, method_name
from wallet_service.rpc.streams import responses

REQ = TypeVar("REQ")
RES = TypeVar("RES")


class Authorization:
    """Lets a call through when its rule does, and notes the organization that it is about."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def intercept_unary(
        self,
        call_next: Callable[[REQ, RequestContext[REQ, RES]], Awaitable[RES]],
        request: REQ,
        ctx: RequestContext[REQ, RES],
        /,
    ) -> RES:
        self._authorize(request, ctx)
        return await call_next(request, ctx)

    async def intercept_server_stream(
        self,
        call_next: Callable[[REQ, RequestContext[REQ, RES]], AsyncIterator[RES]],
        request: REQ,
        ctx: RequestContext[REQ, RES],
        /,
    ) -> AsyncIterator[RES]:
        self._authorize(request, ctx)
        async with responses(call_next, request, ctx) as stream:
            async for response in stream:
                yield response

    def _authorize(self, request: REQ, ctx: RequestContext[REQ, RES]) -> None:
        rule = self._policy[method_name(ctx.method)]
        if rule.permission is not Permission.PUBLIC:
            call = current_call()
            assert call.principal is not None, "authentication comes first"
            call.organization = decide(rule, call.principal, request)


def decide(rule: Rule, principal: Principal, request: Any) -> str | None:
    """The slug of the organization that `request` is about, or None when neither it nor the principal tells one.

    Raises NOT_FOUND for another organization's resource, then PERMISSION_DENIED for a role that is too low, and
    INVALID_ARGUMENT for a malformed name.
    """
    acts_anywhere = principal.role is Role.OPERATOR
    named: str | None = None
    for owner in rule.owner:
        name: str = getattr(request, owner.field)
        if not name:
            continue
        slug = owner.organization_of(name, owner.field)
        if slug is None:
            continue
        expected = named if acts_anywhere else principal.org_slug
        if expected is not None and slug != expected:
            raise not_found(owner.kind, name)
        named = slug
    required = rule.permission
    if rule.platform_when_unnamed and not any(getattr(request, o.field) for o in rule.owner):
        required = Permission.OPERATOR
    elif named is None:
        named = principal.org_slug
    if required.value is None or principal.role < required.value:
        raise role_too_low(required.name.lower(), principal.role.name.lower())
    return named
