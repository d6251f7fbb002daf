"""The simulated HTTP API: one table of operations, served with token, idempotency and faults."""

import asyncio
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from providers.simulators import idempotency
from providers.simulators.account import Fault, Json
from providers.simulators.coinbase import checkouts, refunds, tokens
from providers.simulators.coinbase.errors import ApiError, invalid
from providers.simulators.coinbase.fields import Fields
from providers.simulators.coinbase.world import World
from providers.simulators.faults import Hangup, take_fault

BODY_BYTES_MAX = 1024 * 1024
PREFIX = "/api/v1/checkouts"

Handler: TypeAlias = Callable[[World, Fields, Json], Json]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method and path, and the status of its success."""

    method: str
    path: str
    status: int
    handler: Handler


OPERATIONS = (
    Operation("POST", PREFIX, 201, checkouts.create),
    Operation("GET", PREFIX, 200, checkouts.listing),
    Operation("GET", PREFIX + "/{id}", 200, checkouts.get),
    Operation("POST", PREFIX + "/{id}/deactivate", 200, checkouts.deactivate),
    Operation("POST", PREFIX + "/{id}/refund", 200, refunds.create),
)


class Api:
    """Serves `OPERATIONS` on one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        return [Route(op.path, self._endpoint(op), methods=[op.method]) for op in OPERATIONS]

    def _endpoint(self, operation: Operation) -> Callable[[Request], Any]:
        async def serve(request: Request) -> Response:
            return await self._serve(operation, request)

        return serve

    async def _serve(self, operation: Operation, request: Request) -> Response:
        world, body = self._world, await request.body()
        fault = take_fault(world, operation.method, request.url.path)
        if fault is not None and fault.kind == "disconnect_before":
            return Hangup()
        try:
            if len(body) > BODY_BYTES_MAX:
                raise ApiError(413, "invalid_request", "Request body too large.")
            tokens.check(world, request)
            if fault is not None and fault.kind == "rate_limit":
                raise ApiError(429, "rate_limit_exceeded", "Too many requests.")
            given = _json(body) if operation.method == "POST" else _query(request)
            key = _key(request) if operation.method == "POST" else None
            kept = _claim(world, key, [operation.method, request.url.path, given]) if key else None
            if kept is not None:
                status, answer = kept["status"], kept["body"]
            else:
                status, answer = await self._execute(operation, dict(request.path_params), given, key, fault)
        except ApiError as error:
            status, answer = error.status, error.body
        if fault is not None and fault.kind == "disconnect_after":
            return Hangup()
        return JSONResponse(answer, status)

    async def _execute(
        self, operation: Operation, path: Json, given: Json, key: str | None, fault: Fault | None
    ) -> tuple[int, Json]:
        """Run the operation under its claimed key. Only a success is kept: a refusal had no effect to protect."""
        world, kind = self._world, fault.kind if fault else None
        broken = ApiError(500, "internal_server_error", "An error occurred on our side.")
        done = False
        try:
            if fault is not None and kind == "slow_before":
                await asyncio.sleep(fault.seconds)
            if kind == "error_before":
                raise broken
            checkouts.expire_due(world)
            answer = operation.handler(world, Fields(given), path)
            done = True
            if key is not None:
                idempotency.keep(world, key, operation.status, copy.deepcopy(answer))
        finally:
            if key is not None and not done:
                idempotency.forget(world, key)
            world.save()
        if fault is not None and kind == "slow_after":
            await asyncio.sleep(fault.seconds)
        if kind == "error_after":
            raise broken
        return operation.status, answer


def not_found(request: Request) -> JSONResponse:
    """An address that is not simulated."""
    error = ApiError(404, "not_found", f"There is no {request.method} {request.url.path}.")
    return JSONResponse(error.body, 404)


def _json(body: bytes) -> Json:
    try:
        given: Any = json.loads(body) if body else {}
    except ValueError as error:
        raise invalid("The body must be JSON.") from error
    if not isinstance(given, dict):
        raise invalid("The body must be a JSON object.")
    return given  # pyright: ignore[reportUnknownVariableType]


def _query(request: Request) -> Json:
    query = request.query_params
    return {name: query.getlist(name) if name == "status" else query[name] for name in query}


def _key(request: Request) -> str | None:
    """The idempotency key. Coinbase rejects any form but that of a version 4 UUID."""
    key = request.headers.get("x-idempotency-key")
    if key is None:
        return None
    try:
        is_version_4 = UUID(key).version == 4
    except ValueError:
        is_version_4 = False
    if not is_version_4:
        raise invalid("X-Idempotency-Key must be a UUID of version 4.")
    return key


def _claim(world: World, key: str, request: list[Any]) -> Json | None:
    try:
        return idempotency.claim(world, key, request)
    except idempotency.KeyReused as error:
        raise ApiError(422, "idempotency_error", "The idempotency key was used for another request.") from error
    except idempotency.KeyInProgress as error:
        raise ApiError(409, "idempotency_key_in_use", "The first request with this key is in progress.") from error
