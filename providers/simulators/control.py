"""Control endpoints that every simulator has: health, reset, deliveries and faults.

All below `/_sim/`, JSON in and out, without authentication: a simulator listens on loopback only.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from providers.simulators.account import ENDPOINTS, EVENTS, Account, Delivery, Fault, Json, Refusal
from providers.simulators.courier import Courier
from providers.simulators.faults import FAULTS

MODES = ("normal", "duplicate", "shuffle", "delay", "drop")

Run: TypeAlias = Callable[[Request], Awaitable[Any]]
Operation: TypeAlias = tuple[str, str, Run]
"""Method, path below `/_sim/`, and what runs."""


class Control:
    """The endpoints of one account. `begin` runs before each of them."""

    def __init__(self, account: Account[Any], courier: Courier, begin: Callable[[], None] = lambda: None) -> None:
        self._account = account
        self._courier = courier
        self._begin = begin

    def routes(self, *operations: Operation) -> list[Route]:
        """Routes of what all simulators have and of a vendor's own operations."""
        table: tuple[Operation, ...] = (
            ("GET", "health", self._health),
            ("POST", "reset", self._reset),
            ("POST", "flush", self._flush),
            ("GET", "delivery", self._get_delivery),
            ("POST", "delivery", self._set_delivery),
            ("GET", "deliveries", self._list_deliveries),
            ("POST", "deliveries/resend", self._resend),
            ("POST", "faults", self._add_fault),
            ("DELETE", "faults", self._clear_faults),
            *operations,
        )
        return [Route(f"/_sim/{path}", self._endpoint(run), methods=[method]) for method, path, run in table]

    def _endpoint(self, run: Run) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            self._begin()
            try:
                answer = await run(request)
            except Refusal as refusal:
                return JSONResponse(refusal.body, refusal.status)
            finally:
                self._account.save()
            return JSONResponse(answer)

        return serve

    async def _health(self, request: Request) -> Json:
        return {"status": "ok"}

    async def _reset(self, request: Request) -> Json:
        self._account.clear()
        return {}

    async def _flush(self, request: Request) -> Json:
        return asdict(await self._courier.flush())

    async def _get_delivery(self, request: Request) -> Json:
        return asdict(self._account.delivery)

    async def _set_delivery(self, request: Request) -> Json:
        wanted = await read_body(request)
        mode = str(wanted.get("mode", "normal"))
        if mode not in MODES:
            raise Refusal(400, f"mode must be one of {', '.join(MODES)}")
        self._account.delivery = Delivery(mode, int(wanted.get("delay", 0)))
        return asdict(self._account.delivery)

    async def _list_deliveries(self, request: Request) -> list[Json]:
        return self._account.deliveries

    async def _resend(self, request: Request) -> Json:
        """Deliver an event once more to every endpoint, also one that was dropped."""
        event_id = str((await read_body(request)).get("event"))
        if event_id not in self._account.tables[EVENTS]:
            raise Refusal(404, f"No such event: '{event_id}'")
        for endpoint_id in list(self._account.tables[ENDPOINTS]):
            self._account.queue(event_id, endpoint_id)
        return {"event": event_id}

    async def _add_fault(self, request: Request) -> Json:
        wanted = await read_body(request)
        fault = Fault(
            kind=str(wanted.get("kind")),
            method=str(wanted.get("method", "POST")),
            path=str(wanted.get("path", "/")),
            times=int(wanted.get("times", 1)),
            seconds=wanted.get("seconds", 1),
        )
        if fault.kind not in FAULTS:
            raise Refusal(400, f"kind must be one of {', '.join(FAULTS)}")
        self._account.faults.append(fault)
        return asdict(fault)

    async def _clear_faults(self, request: Request) -> Json:
        self._account.faults.clear()
        return {}


async def read_body(request: Request) -> Json:
    """The JSON object in a request, empty for no body. Raises `Refusal`."""
    raw = await request.body()
    try:
        parsed: Any = json.loads(raw) if raw else {}
    except ValueError as error:
        raise Refusal(400, "The body must be JSON.") from error
    if not isinstance(parsed, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return parsed  # pyright: ignore[reportUnknownVariableType]
