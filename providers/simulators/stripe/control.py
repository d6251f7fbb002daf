"""What no vendor offers: finishing challenges, deciding disputes, and making deliveries and answers go wrong.

All below `/_sim/`, JSON in and out, without authentication: the simulator listens on loopback only.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from providers.simulators.stripe import charges, confirming, disputes, refunds, setups
from providers.simulators.stripe.courier import Courier
from providers.simulators.stripe.errors import ApiError, Json, malformed
from providers.simulators.stripe.listing import expanded
from providers.simulators.stripe.world import Asking, Delivery, Fault, World

MODES = ("normal", "duplicate", "shuffle", "delay", "drop")
FAULTS = (
    "disconnect_before",
    "disconnect_after",
    "error_before",
    "error_after",
    "rate_limit",
    "slow_before",
    "slow_after",
)


class Control:
    """The out-of-band operations on one world."""

    def __init__(self, world: World, courier: Courier) -> None:
        self._world = world
        self._courier = courier

    def routes(self) -> list[Route]:
        table: tuple[tuple[str, str, Callable[[Request], Awaitable[Any]]], ...] = (
            ("GET", "health", self._health),
            ("POST", "reset", self._reset),
            ("POST", "flush", self._flush),
            ("GET", "delivery", self._get_delivery),
            ("POST", "delivery", self._set_delivery),
            ("GET", "deliveries", self._list_deliveries),
            ("POST", "deliveries/resend", self._resend),
            ("POST", "faults", self._add_fault),
            ("DELETE", "faults", self._clear_faults),
            ("POST", "payment_intents/{id}/pay", self._pay),
            ("POST", "payment_intents/{id}/authenticate", self._authenticate_payment),
            ("POST", "setup_intents/{id}/pay", self._save_card),
            ("POST", "setup_intents/{id}/authenticate", self._authenticate_setup),
            ("POST", "disputes", self._open_dispute),
            ("POST", "disputes/{id}/resolve", self._resolve_dispute),
            ("POST", "refunds/{id}/fail", self._fail_refund),
            ("POST", "fraud_warnings", self._warn_of_fraud),
        )
        return [Route(f"/_sim/{path}", self._endpoint(run), methods=[method]) for method, path, run in table]

    def _endpoint(self, run: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            self._world.asking = Asking()
            try:
                answer = await run(request)
            except ApiError as error:
                return JSONResponse(error.body, error.status)
            finally:
                self._world.save()
            return JSONResponse(answer)

        return serve

    async def _health(self, request: Request) -> Json:
        return {"status": "ok"}

    async def _reset(self, request: Request) -> Json:
        self._world.clear()
        return {}

    async def _flush(self, request: Request) -> Json:
        return asdict(await self._courier.flush())

    async def _get_delivery(self, request: Request) -> Json:
        return asdict(self._world.delivery)

    async def _set_delivery(self, request: Request) -> Json:
        wanted = await _body(request)
        mode = str(wanted.get("mode", "normal"))
        if mode not in MODES:
            raise malformed(f"mode must be one of {', '.join(MODES)}", param="mode")
        self._world.delivery = Delivery(mode, int(wanted.get("delay", 0)))
        return asdict(self._world.delivery)

    async def _list_deliveries(self, request: Request) -> list[Json]:
        return self._world.deliveries

    async def _resend(self, request: Request) -> Json:
        """Deliver an event once more to every endpoint, also one that was dropped."""
        event = self._world.get("event", str((await _body(request)).get("event")))
        for endpoint_id in list(self._world.tables["webhook_endpoint"]):
            self._world.queue(event["id"], endpoint_id)
        return {"event": event["id"]}

    async def _add_fault(self, request: Request) -> Json:
        wanted = await _body(request)
        fault = Fault(
            kind=str(wanted.get("kind")),
            method=str(wanted.get("method", "POST")),
            path=str(wanted.get("path", "/v1/")),
            times=int(wanted.get("times", 1)),
            seconds=wanted.get("seconds", 1),
        )
        if fault.kind not in FAULTS:
            raise malformed(f"kind must be one of {', '.join(FAULTS)}", param="kind")
        self._world.faults.append(fault)
        return asdict(fault)

    async def _clear_faults(self, request: Request) -> Json:
        self._world.faults.clear()
        return {}

    async def _pay(self, request: Request) -> Json:
        """What the payer's browser does with the client secret."""
        wanted = await _body(request)
        intent = self._world.get("payment_intent", request.path_params["id"])
        confirmation = confirming.Confirmation(
            method_id=wanted.get("payment_method"),
            return_url=wanted.get("return_url", "http://127.0.0.1/"),
        )
        confirming.confirm(self._world, intent, confirmation)
        return expanded(self._world, intent, ())

    async def _authenticate_payment(self, request: Request) -> Json:
        passed = _passed(await _body(request))
        intent = self._world.get("payment_intent", request.path_params["id"])
        confirming.finish_challenge(self._world, intent, passed=passed)
        return expanded(self._world, intent, ())

    async def _save_card(self, request: Request) -> Json:
        wanted = await _body(request)
        setup = self._world.get("setup_intent", request.path_params["id"])
        setups.confirm(self._world, setup, wanted.get("payment_method"))
        return expanded(self._world, setup, ())

    async def _authenticate_setup(self, request: Request) -> Json:
        passed = _passed(await _body(request))
        setup = self._world.get("setup_intent", request.path_params["id"])
        setups.finish_challenge(self._world, setup, passed=passed)
        return expanded(self._world, setup, ())

    async def _open_dispute(self, request: Request) -> Json:
        wanted = await _body(request)
        return disputes.open_dispute(
            self._world,
            self._charge_of(wanted),
            reason=str(wanted.get("reason", "fraudulent")),
            inquiry=bool(wanted.get("inquiry", False)),
            amount=wanted.get("amount"),
        )

    async def _resolve_dispute(self, request: Request) -> Json:
        outcome = (await _body(request)).get("outcome")
        if outcome not in ("won", "lost"):
            raise malformed("outcome must be won or lost", param="outcome")
        return disputes.resolve_dispute(self._world, request.path_params["id"], outcome)

    async def _fail_refund(self, request: Request) -> Json:
        refunds.fail_refund(self._world, request.path_params["id"])
        return self._world.get("refund", request.path_params["id"])

    async def _warn_of_fraud(self, request: Request) -> Json:
        charge_id = self._charge_of(await _body(request))
        charges.warn_of_fraud(self._world, charge_id)
        return {"charge": charge_id}

    def _charge_of(self, wanted: Json) -> str:
        """The charge named directly or by its payment intent."""
        if "charge" in wanted:
            return str(wanted["charge"])
        charge_id = self._world.get("payment_intent", str(wanted.get("payment_intent")))["latest_charge"]
        if charge_id is None:
            raise malformed("This PaymentIntent has no charge.", param="payment_intent")
        return charge_id


def _passed(wanted: Json) -> bool:
    outcome = wanted.get("outcome")
    if outcome not in ("succeed", "fail"):
        raise malformed("outcome must be succeed or fail", param="outcome")
    return outcome == "succeed"


async def _body(request: Request) -> Json:
    raw = await request.body()
    try:
        parsed: Any = json.loads(raw) if raw else {}
    except ValueError as error:
        raise malformed("The body must be JSON.") from error
    if not isinstance(parsed, dict):
        raise malformed("The body must be a JSON object.")
    return parsed  # pyright: ignore[reportUnknownVariableType]
