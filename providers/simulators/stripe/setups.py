"""Setup intents: saving a card for later."""

import copy

from providers.simulators.stripe import methods
from providers.simulators.stripe.errors import ApiError, Json, invalid, malformed
from providers.simulators.stripe.listing import page
from providers.simulators.stripe.params import Params, merged_metadata
from providers.simulators.stripe.world import World

SETTLED = ("succeeded", "canceled")


def create(world: World, params: Params, path: Json) -> Json:
    allowed = params.texts("allowed_payment_method_types")
    automatic = params.child("automatic_payment_methods")
    if automatic is not None:
        automatic.ignore("enabled", "allow_redirects")
    if allowed and automatic is not None:
        raise malformed(
            "allowed_payment_method_types and automatic_payment_methods exclude each other.",
            param="allowed_payment_method_types",
        )
    customer, description = params.text("customer"), params.text("description")
    usage = params.text("usage", choices=("off_session", "on_session")) or "off_session"
    metadata, confirmed = params.mapping("metadata"), params.flag("confirm") or False
    method_id, return_url = params.text("payment_method"), params.text("return_url")
    params.ignore("use_stripe_sdk", "mandate_data", "payment_method_options")
    params.finish()
    if customer is not None:
        world.get("customer", customer, "customer")
    setup = world.add("setup_intent", "seti", _blank(allowed))
    setup.update(
        client_secret=f"{setup['id']}_secret_{world.ids('s').removeprefix('s_')}",
        customer=customer,
        description=description,
        metadata=merged_metadata({}, metadata),
        usage=usage,
    )
    if method_id is not None:
        setup["payment_method"] = methods.usable(world, method_id, customer_id=customer)["id"]
        setup["status"] = "requires_confirmation"
    world.emit("setup_intent.created", setup)
    if confirmed:
        confirm(world, setup, setup["payment_method"], return_url=return_url)
    return setup


def get(world: World, params: Params, path: Json) -> Json:
    secret = params.text("client_secret")
    params.finish()
    setup = world.get("setup_intent", path["intent"])
    if secret is not None and secret != setup["client_secret"]:
        raise invalid("The client_secret provided does not match.", param="client_secret")
    return setup


def confirm_call(world: World, params: Params, path: Json) -> Json:
    method_id, return_url = params.text("payment_method"), params.text("return_url")
    params.ignore("use_stripe_sdk", "mandate_data", "payment_method_options")
    params.finish()
    setup = world.get("setup_intent", path["intent"])
    confirm(world, setup, method_id or setup["payment_method"], return_url=return_url)
    return setup


def cancel(world: World, params: Params, path: Json) -> Json:
    reasons = ("abandoned", "duplicate", "requested_by_customer")
    reason = params.text("cancellation_reason", choices=reasons)
    params.finish()
    setup = world.get("setup_intent", path["intent"])
    if setup["status"] in SETTLED:
        raise unexpected_state(setup, "cancel")
    setup.update(status="canceled", cancellation_reason=reason, next_action=None)
    world.emit("setup_intent.canceled", setup)
    return setup


def listing(world: World, params: Params, path: Json) -> Json:
    customer = params.text("customer")
    rows = (row for row in world.newest_first("setup_intent") if customer is None or row["customer"] == customer)
    return page(params, rows, "/v1/setup_intents")


def confirm(world: World, setup: Json, method_id: str | None, *, return_url: str | None = None) -> None:
    """Try to save a card. Raises `ApiError` 402 when its bank refuses, after having recorded it."""
    if setup["status"] in SETTLED:
        raise unexpected_state(setup, "confirm")
    if method_id is None:
        raise invalid("You cannot confirm this SetupIntent because it's missing a payment method.")
    method = methods.usable(world, method_id, customer_id=setup["customer"])
    card = methods.card_of(world, method)
    setup.update(payment_method=method["id"], next_action=None, last_setup_error=None)
    try:
        methods.refuse_unsavable(card, payment_method=copy.deepcopy(method))
    except ApiError as error:
        _refused(world, setup, error)
        raise
    if card.on_session:
        _challenge(world, setup, return_url)
    else:
        _succeed(world, setup, method)


def finish_challenge(world: World, setup: Json, *, passed: bool) -> None:
    """The payer passed or failed 3-D Secure. Raises `ApiError` as `confirm` does."""
    if setup["status"] != "requires_action":
        raise unexpected_state(setup, "authenticate")
    method = world.get("payment_method", setup["payment_method"])
    setup["next_action"] = None
    if passed:
        _succeed(world, setup, method)
        return
    error = ApiError(
        402,
        "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
        kind="card_error",
        code="setup_intent_authentication_failure",
        payment_method=copy.deepcopy(method),
    )
    _refused(world, setup, error)
    raise error


def unexpected_state(setup: Json, verb: str) -> ApiError:
    return invalid(
        f"You cannot {verb} this SetupIntent because it has a status of {setup['status']}.",
        code="setup_intent_unexpected_state",
        setup_intent=copy.deepcopy(setup),
    )


def _challenge(world: World, setup: Json, return_url: str | None) -> None:
    url = f"{world.settings.base_url}/_sim/3ds/{setup['id']}?client_secret={setup['client_secret']}"
    setup["status"] = "requires_action"
    if return_url is None:
        setup["next_action"] = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url},
        }
    else:
        setup["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": return_url, "url": url},
        }
    world.emit("setup_intent.requires_action", setup)


def _succeed(world: World, setup: Json, method: Json) -> None:
    if setup["customer"] is not None and method["customer"] is None:
        methods.attach_to(world, method, setup["customer"])
    if setup["usage"] == "off_session":
        world.facts[method["id"]]["set_up"] = True
    setup["status"] = "succeeded"
    world.emit("setup_intent.succeeded", setup)


def _refused(world: World, setup: Json, error: ApiError) -> None:
    setup.update(
        status="requires_payment_method",
        payment_method=None,
        last_setup_error=dict(error.error),
    )
    world.emit("setup_intent.setup_failed", setup)
    error.error["setup_intent"] = copy.deepcopy(setup)


def _blank(allowed: list[str]) -> Json:
    return {
        "application": None,
        "automatic_payment_methods": None if allowed else {"enabled": True, "allow_redirects": "always"},
        "cancellation_reason": None,
        "client_secret": None,
        "customer": None,
        "description": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": "off_session",
        **({"allowed_payment_method_types": allowed} if allowed else {}),
    }
