"""Calls of an organization run in its time, that of its test clock or real time, in its share of the connections, and touch
no other organization's data.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from connectrpc.request import RequestContext

from wallet_service.clock import at, moment
from wallet_service.connections import sharing_organization
from wallet_service.principal import Role
from wallet_service.rpc.call import current_call
from wallet_service.rpc.streams import responses
from wallet_service.tenancy import Reach, Tenants, within

REQ = TypeVar("REQ")
RES = TypeVar("RES")

MomentOfCall = Callable[[], Awaitable[datetime | None]]
"""The present of the organization that the current, authorized call is about, whose id it notes in the call; None for real
time."""


async def real_time() -> datetime | None:
    """Of every call of a service without organizations."""
    return None


class CallTime:
    """Behind authorization, which finds out whose call it is."""

    def __init__(self, moment_of_call: MomentOfCall) -> None:
        self._moment_of_call = moment_of_call

    async def intercept_unary(
        self,
        call_next: Callable[[REQ, RequestContext[REQ, RES]], Awaitable[RES]],
        request: REQ,
        ctx: RequestContext[REQ, RES],
        /,
    ) -> RES:
        present = await self._moment_of_call()
        sharing_organization.set(current_call().org_id)
        with within(_tenants()):
            if present is None and moment() is None:
                return await call_next(request, ctx)
            with at(present):
                return await call_next(request, ctx)

    async def intercept_server_stream(
        self,
        call_next: Callable[[REQ, RequestContext[REQ, RES]], AsyncIterator[RES]],
        request: REQ,
        ctx: RequestContext[REQ, RES],
        /,
    ) -> AsyncIterator[RES]:
        """A stream lasts, so it does not stand still in a moment."""
        await self._moment_of_call()
        with within(_tenants()):
            async with responses(call_next, request, ctx) as stream:
                async for response in stream:
                    yield response


def _tenants() -> Tenants:
    """Everyone's data are for operators only, where the request names nobody; where it names nobody we know, nobody's."""
    call = current_call()
    if call.org_id is not None:
        return call.org_id
    is_operator = call.principal is not None and call.principal.role is Role.OPERATOR
    return Reach.EVERYONE if is_operator and call.organization is None else Reach.NOBODY
