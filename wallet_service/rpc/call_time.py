"""Calls of an organization run in its time, that of its test clock or real time, and in its share of the connections."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from connectrpc.request import RequestContext

from wallet_service.clock import at, moment
from wallet_service.connections import changed_organization
from wallet_service.rpc.call import current_call

REQ = TypeVar("REQ")
RES = TypeVar("RES")

MomentOfCall = Callable[[], Awaitable[datetime | None]]
"""The present of the organization that the current, authorized call is about; None for real time."""


async def real_time() -> datetime | None:
    """Of every call of a service without test clocks."""
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
        changed_organization.set(current_call().org_id)
        if present is None and moment() is None:
            return await call_next(request, ctx)
        with at(present):
            return await call_next(request, ctx)
