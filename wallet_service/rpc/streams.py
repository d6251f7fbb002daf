"""What unary calls get once, for as long as a stream lasts: its key is looked at again before each message."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeVar, cast

from connectrpc.request import RequestContext

from wallet_service.rpc.authentication import Authentication

REQ = TypeVar("REQ")
RES = TypeVar("RES")


class StreamAuthentication:
    """Ends a server stream with UNAUTHENTICATED when its key was revoked or has expired.

    A stream that has nothing to say says so from time to time, so that this is noticed. Authentication has its own cache.
    """

    def __init__(self, authentication: Authentication) -> None:
        self._authentication = authentication

    async def intercept_server_stream(
        self,
        call_next: Callable[[REQ, RequestContext[REQ, RES]], AsyncIterator[RES]],
        request: REQ,
        ctx: RequestContext[REQ, RES],
        /,
    ) -> AsyncIterator[RES]:
        async with responses(call_next, request, ctx) as stream:
            async for response in stream:
                await self._authentication.authenticate(ctx)
                yield response


def responses(
    call_next: Callable[[REQ, RequestContext[REQ, RES]], AsyncIterator[RES]],
    request: REQ,
    ctx: RequestContext[REQ, RES],
) -> "aclosing[AsyncGenerator[RES, Any]]":
    """The rest of the chain, closed when the block ends: a generator that wraps another one would leave it open."""
    return aclosing(cast("AsyncGenerator[RES, Any]", call_next(request, ctx)))
