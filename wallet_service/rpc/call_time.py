"""Calls of an organization run in its time: that of its test clock, or real time."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from connectrpc.request import RequestContext

REQ = TypeVar("REQ")
RES = TypeVar("RES")

TimeOfCall = Callable[[], AbstractAsyncContextManager[None]]
"""Enters the time of the organization that the current, authorized call is about."""


class CallTime:
    """Behind authorization, which finds out whose call it is, and before a write gets a task of its own."""

    def __init__(self, time_of_call: TimeOfCall) -> None:
        self._time_of_call = time_of_call

    async def intercept_unary(
        self,
        call_next: Callable[[REQ, RequestContext[REQ, RES]], Awaitable[RES]],
        request: REQ,
        ctx: RequestContext[REQ, RES],
        /,
    ) -> RES:
        async with self._time_of_call():
            return await call_next(request, ctx)
