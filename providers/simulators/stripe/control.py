"""What Stripe does not offer: paying as the payer's browser does, finishing challenges, and deciding disputes."""

from starlette.requests import Request
from starlette.routing import Route

from providers.simulators import control
from providers.simulators.control import read_body
from providers.simulators.courier import Courier
from providers.simulators.stripe import charges, confirming, disputes, refunds, setups
from providers.simulators.stripe.errors import Json, malformed
from providers.simulators.stripe.listing import expanded
from providers.simulators.stripe.world import World


class Control:
    """The out-of-band operations on one world."""

    def __init__(self, world: World, courier: Courier) -> None:
        self._world = world
        self._shared = control.Control(world, courier, world.begin)

    def routes(self) -> list[Route]:
        return self._shared.routes(
            ("POST", "payment_intents/{id}/pay", self._pay),
            ("POST", "payment_intents/{id}/authenticate", self._authenticate_payment),
            ("POST", "setup_intents/{id}/pay", self._save_card),
            ("POST", "setup_intents/{id}/authenticate", self._authenticate_setup),
            ("POST", "disputes", self._open_dispute),
            ("POST", "disputes/{id}/resolve", self._resolve_dispute),
            ("POST", "refunds/{id}/fail", self._fail_refund),
            ("POST", "fraud_warnings", self._warn_of_fraud),
        )

    async def _pay(self, request: Request) -> Json:
        """What the payer's browser does with the client secret."""
        wanted = await read_body(request)
        intent = self._world.get("payment_intent", request.path_params["id"])
        confirmation = confirming.Confirmation(
            method_id=wanted.get("payment_method"),
            return_url=wanted.get("return_url", "http://127.0.0.1/"),
        )
        confirming.confirm(self._world, intent, confirmation)
        return expanded(self._world, intent, ())

    async def _authenticate_payment(self, request: Request) -> Json:
        passed = _passed(await read_body(request))
        intent = self._world.get("payment_intent", request.path_params["id"])
        confirming.finish_challenge(self._world, intent, passed=passed)
        return expanded(self._world, intent, ())

    async def _save_card(self, request: Request) -> Json:
        wanted = await read_body(request)
        setup = self._world.get("setup_intent", request.path_params["id"])
        setups.confirm(self._world, setup, wanted.get("payment_method"))
        return expanded(self._world, setup, ())

    async def _authenticate_setup(self, request: Request) -> Json:
        passed = _passed(await read_body(request))
        setup = self._world.get("setup_intent", request.path_params["id"])
        setups.finish_challenge(self._world, setup, passed=passed)
        return expanded(self._world, setup, ())

    async def _open_dispute(self, request: Request) -> Json:
        wanted = await read_body(request)
        return disputes.open_dispute(
            self._world,
            self._charge_of(wanted),
            reason=str(wanted.get("reason", "fraudulent")),
            inquiry=bool(wanted.get("inquiry", False)),
            amount=wanted.get("amount"),
        )

    async def _resolve_dispute(self, request: Request) -> Json:
        outcome = (await read_body(request)).get("outcome")
        if outcome not in ("won", "lost"):
            raise malformed("outcome must be won or lost", param="outcome")
        return disputes.resolve_dispute(self._world, request.path_params["id"], outcome)

    async def _fail_refund(self, request: Request) -> Json:
        refunds.fail_refund(self._world, request.path_params["id"])
        return self._world.get("refund", request.path_params["id"])

    async def _warn_of_fraud(self, request: Request) -> Json:
        charge_id = self._charge_of(await read_body(request))
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
