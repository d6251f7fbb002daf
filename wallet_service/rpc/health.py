"""grpc.health.v1 and `/healthz`: SERVING while the database answers and no drain has begun. `/livez`: the process answers.

A process that has more to do than it can is SERVING: it answers the calls that it takes and refuses the others at once.
Taken out of service, it would leave its load to the next one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Final

from connectrpc.request import RequestContext
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from wallet_api.grpc.health.v1.health_connect import Health
from wallet_api.grpc.health.v1.health_pb import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
)

from wallet_service.errors import not_found

Status = HealthCheckResponse.ServingStatus

POLL_SECONDS: Final = 2.0
PROBE_SECONDS_MAX: Final = 6.0


class HealthState:
    """The state of this process, probed on a schedule while `poll` runs. NOT_SERVING until the first probe."""

    def __init__(self, database_ok: Callable[[], Awaitable[bool]], draining: asyncio.Event) -> None:
        self._database_ok = database_ok
        self._draining = draining
        self._database = False
        self._changed = asyncio.Event()

    @property
    def draining(self) -> bool:
        return self._draining.is_set()

    @property
    def status(self) -> Status:
        ok = self._database and not self._draining.is_set()
        return Status.SERVING if ok else Status.NOT_SERVING

    async def poll(self) -> None:
        """Probe for ever; a drain wakes the watchers at once."""
        while True:
            await self.probe()
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._draining.wait()
            except TimeoutError:
                continue
            self._wake()
            return

    async def probe(self) -> None:
        """Ask the database once, bounded. A probe that fails in any way means that it does not answer."""
        before = self.status
        try:
            async with asyncio.timeout(PROBE_SECONDS_MAX):
                self._database = await self._database_ok()
        except Exception:
            self._database = False
        if self.status is not before:
            self._wake()

    @property
    def change(self) -> asyncio.Event:
        """What the next change sets. Take it before the status, so that no change falls between the two."""
        return self._changed

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def routes(self) -> list[Route]:
        """`GET /healthz`: 200 while SERVING, 503 otherwise. `GET /livez`: 200 whatever the state is."""

        async def healthz(request: Request) -> JSONResponse:
            del request
            serving = self.status is Status.SERVING
            return JSONResponse({"status": self.status.name}, status_code=200 if serving else 503)

        async def livez(request: Request) -> JSONResponse:
            del request
            return JSONResponse({"status": "ALIVE"})

        return [Route("/healthz", healthz), Route("/livez", livez)]


class HealthServicer(Health):
    """Answers for the whole server (service "") and for each service by name; all share one state."""

    def __init__(self, state: HealthState, service_names: Iterable[str]) -> None:
        self._state = state
        self._names = ("", *service_names)

    async def check(self, request: HealthCheckRequest, ctx: RequestContext[Any, Any], /) -> HealthCheckResponse:
        del ctx
        if request.service not in self._names:
            raise not_found("service", request.service)
        return HealthCheckResponse(status=self._state.status)

    async def watch(
        self, request: HealthCheckRequest, ctx: RequestContext[Any, Any], /
    ) -> AsyncIterator[HealthCheckResponse]:
        """The status now and at every change; ends after NOT_SERVING of a drain, so that the drain need not wait for it."""
        del ctx
        known = request.service in self._names
        sent: Status | None = None
        while True:
            change, draining = self._state.change, self._state.draining
            status = self._state.status if known else Status.SERVICE_UNKNOWN
            if status is not sent:
                # The drain may begin while this is sent: what was read before says what was told.
                yield HealthCheckResponse(status=status)
                sent = status
            if draining:
                return
            await change.wait()

    async def list(self, request: HealthListRequest, ctx: RequestContext[Any, Any], /) -> HealthListResponse:
        del request, ctx
        status = self._state.status
        return HealthListResponse(statuses={name: HealthCheckResponse(status=status) for name in self._names})
