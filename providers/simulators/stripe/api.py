"""The simulated HTTP API: one table of operations, served with authentication, idempotency, expansion and faults."""

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from providers.simulators.account import Fault
from providers.simulators.faults import Hangup, take_fault
from providers.simulators.idempotency import forget, keep
from providers.simulators.stripe import (
    charges,
    customers,
    disputes,
    events,
    funds,
    idempotency,
    methods,
    payments,
    refunds,
    setups,
)
from providers.simulators.stripe.errors import ApiError, Json
from providers.simulators.stripe.listing import expanded
from providers.simulators.stripe.params import Params, decode
from providers.simulators.stripe.world import API_VERSION, Asking, World

BODY_BYTES_MAX = 1024 * 1024

Handler: TypeAlias = Callable[[World, Params, Json], Json]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method and path, spelled as in Stripe's OpenAPI document."""

    method: str
    path: str
    handler: Handler


OPERATIONS = tuple(
    Operation(method, f"/v1/{path}", handler)
    for method, path, handler in (
        ("POST", "customers", customers.create),
        ("GET", "customers", customers.listing),
        ("GET", "customers/{customer}", customers.get),
        ("POST", "customers/{customer}", customers.update),
        ("DELETE", "customers/{customer}", customers.delete),
        ("GET", "customers/{customer}/payment_methods", methods.listing_of_customer),
        (
            "GET",
            "customers/{customer}/payment_methods/{payment_method}",
            methods.get_of_customer,
        ),
        ("POST", "payment_methods", methods.create),
        ("GET", "payment_methods", methods.listing),
        ("GET", "payment_methods/{payment_method}", methods.get),
        ("POST", "payment_methods/{payment_method}/attach", methods.attach),
        ("POST", "payment_methods/{payment_method}/detach", methods.detach),
        ("POST", "payment_intents", payments.create),
        ("GET", "payment_intents", payments.listing),
        ("GET", "payment_intents/{intent}", payments.get),
        ("POST", "payment_intents/{intent}", payments.update),
        ("POST", "payment_intents/{intent}/confirm", payments.confirm_call),
        ("POST", "payment_intents/{intent}/cancel", payments.cancel),
        ("POST", "payment_intents/{intent}/capture", payments.capture),
        ("POST", "setup_intents", setups.create),
        ("GET", "setup_intents", setups.listing),
        ("GET", "setup_intents/{intent}", setups.get),
        ("POST", "setup_intents/{intent}/confirm", setups.confirm_call),
        ("POST", "setup_intents/{intent}/cancel", setups.cancel),
        ("GET", "charges", charges.listing),
        ("GET", "charges/{charge}", charges.get),
        ("POST", "refunds", refunds.create),
        ("GET", "refunds", refunds.listing),
        ("GET", "refunds/{refund}", refunds.get),
        ("POST", "refunds/{refund}", refunds.update),
        ("GET", "disputes", disputes.listing),
        ("GET", "disputes/{dispute}", disputes.get),
        ("POST", "disputes/{dispute}", disputes.update),
        ("POST", "disputes/{dispute}/close", disputes.close),
        ("GET", "balance", funds.balance),
        ("GET", "balance_transactions", funds.listing),
        ("GET", "balance_transactions/{id}", funds.get),
        ("POST", "payouts", funds.create_payout),
        ("GET", "payouts", funds.list_payouts),
        ("GET", "payouts/{payout}", funds.get_payout),
        ("GET", "events", events.listing),
        ("GET", "events/{id}", events.get),
        ("POST", "webhook_endpoints", events.create_endpoint),
        ("GET", "webhook_endpoints", events.list_endpoints),
        ("GET", "webhook_endpoints/{webhook_endpoint}", events.get_endpoint),
        ("POST", "webhook_endpoints/{webhook_endpoint}", events.update_endpoint),
        ("DELETE", "webhook_endpoints/{webhook_endpoint}", events.delete_endpoint),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer, for whoever checks them against the published schema."""

    method: str
    path: str
    query: str
    body: str
    status: int
    answer: Json


class Api:
    """Serves `OPERATIONS` on one world. `on_exchange` sees each request that got an answer of its own."""

    def __init__(self, world: World, on_exchange: Callable[[Exchange], None] | None = None) -> None:
        self._world = world
        self._on_exchange = on_exchange

    def routes(self) -> list[Route]:
        return [Route(op.path, self._endpoint(op), methods=[op.method]) for op in OPERATIONS]

    def _endpoint(self, operation: Operation) -> Callable[[Request], Any]:
        async def serve(request: Request) -> Response:
            return await self._serve(operation, request)

        return serve

    async def _serve(self, operation: Operation, request: Request) -> Response:
        world = self._world
        request_id = world.ids("req")
        body = (await request.body()).decode()
        fault = take_fault(world, operation.method, request.url.path)
        if fault is not None and fault.kind == "disconnect_before":
            return Hangup()
        key = request.headers.get("idempotency-key") if operation.method == "POST" else None
        headers = {
            "Request-Id": request_id,
            "Stripe-Version": request.headers.get("stripe-version", API_VERSION),
        }
        try:
            if len(body) > BODY_BYTES_MAX:
                raise ApiError(413, "Request body too large.", saved=False)
            _authenticate(world, request)
            if fault is not None and fault.kind == "rate_limit":
                raise ApiError(429, "Too many requests.", code="rate_limit", saved=False)
            tree = decode(body if operation.method == "POST" else request.url.query)
            world.asking = Asking(request_id, key)
            kept = idempotency.claim(world, key, operation.method, request.url.path, tree) if key else None
            if kept is not None:
                replay = {
                    "Idempotent-Replayed": "true",
                    "Idempotency-Key": str(key),
                    "Original-Request": kept["request"],
                }
                return JSONResponse(kept["body"], kept["status"], {**headers, **replay})
            status, answer = await self._execute(operation, request, tree, key, fault)
        except ApiError as error:
            status, answer = error.status, error.body
        if fault is not None and fault.kind == "disconnect_after":
            return Hangup()
        if status >= 500:
            headers["Stripe-Should-Retry"] = "false"
        elif self._on_exchange is not None:
            self._on_exchange(
                Exchange(
                    method=operation.method,
                    path=operation.path,
                    query=request.url.query,
                    body=body,
                    status=status,
                    answer=answer,
                )
            )
        return JSONResponse(answer, status, {**headers, **({"Idempotency-Key": key} if key else {})})

    async def _execute(
        self,
        operation: Operation,
        request: Request,
        tree: Json,
        key: str | None,
        fault: Fault | None,
    ) -> tuple[int, Json]:
        """Run the operation under its claimed key; between claim and answer only a `slow` fault waits."""
        world, executed = self._world, False
        try:
            if fault is not None and fault.kind == "slow_before":
                asking = world.asking
                await asyncio.sleep(fault.seconds)
                world.asking = asking
            status, answer, executed = self._run(operation, dict(request.path_params), tree, fault)
            if key is not None and executed:
                keep(world, key, status, answer)
        finally:
            if key is not None and not executed:
                forget(world, key)
        world.save()
        if fault is not None and fault.kind == "slow_after":
            await asyncio.sleep(fault.seconds)
        return status, answer

    def _run(self, operation: Operation, path: Json, tree: Json, fault: Fault | None) -> tuple[int, Json, bool]:
        """(status, body, whether the answer is to be kept under the key)."""
        broken = ApiError(500, "An error occurred on our side.", kind="api_error")
        if fault is not None and fault.kind == "error_before":
            return broken.status, broken.body, True
        params = Params(tree)
        paths = params.texts("expand")
        try:
            result = operation.handler(self._world, params, path)
            answer = expanded(self._world, result, paths)
        except ApiError as error:
            # A copy, so that what is kept does not change with the objects it shows.
            return error.status, copy.deepcopy(error.body), error.saved
        if fault is not None and fault.kind == "error_after":
            return broken.status, broken.body, True
        return 200, answer, True


def not_found(request: Request) -> JSONResponse:
    """An address that is not simulated."""
    error = ApiError(404, f"Unrecognized request URL ({request.method}: {request.url.path}).")
    return JSONResponse(error.body, 404)


def _authenticate(world: World, request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith(world.settings.api_key_prefix):
        raise ApiError(401, "Invalid API Key provided.", saved=False)
