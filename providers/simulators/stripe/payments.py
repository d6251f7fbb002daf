"""Payment intents."""

from providers.simulators.stripe import charges, methods
from providers.simulators.stripe.confirming import (
    Confirmation,
    check,
    confirm,
    unexpected_state,
)
from providers.simulators.stripe.errors import Json, invalid, malformed
from providers.simulators.stripe.listing import page
from providers.simulators.stripe.params import Params, merged_metadata
from providers.simulators.stripe.world import World

AMOUNT_MAX = 99_999_999
MINIMUMS = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "cad": 50, "aud": 50, "chf": 50}
SETTLED = ("succeeded", "canceled")


def create(world: World, params: Params, path: Json) -> Json:
    fields = _read_new(params)
    confirmed = params.flag("confirm") or False
    confirmation = _read_confirmation(params)
    params.finish()
    _check_amount(fields["amount"], fields["currency"])
    if not confirmed and (confirmation.off_session or confirmation.return_url):
        raise malformed("This parameter can only be used with confirm=true.", param="off_session")
    if fields["customer"] is not None:
        world.get("customer", fields["customer"], "customer")
    if confirmation.method_id is not None:
        method = methods.usable(world, confirmation.method_id, customer_id=fields["customer"])
        fields["payment_method"] = method["id"]
    draft = {**_blank(), **fields}
    if confirmed:
        draft["payment_method"] = check(world, draft, _with_method(confirmation, draft["payment_method"]))["id"]
    intent = world.add("payment_intent", "pi", draft)
    intent["client_secret"] = f"{intent['id']}_secret_{world.ids('s').removeprefix('s_')}"
    if intent["payment_method"] is not None:
        intent["status"] = "requires_confirmation"
    world.emit("payment_intent.created", intent)
    if confirmed:
        confirm(world, intent, _with_method(confirmation, intent["payment_method"]))
    return intent


def get(world: World, params: Params, path: Json) -> Json:
    secret = params.text("client_secret")
    params.finish()
    intent = world.get("payment_intent", path["intent"])
    if secret is not None and secret != intent["client_secret"]:
        raise invalid("The client_secret provided does not match.", param="client_secret")
    return intent


def update(world: World, params: Params, path: Json) -> Json:
    amount, description = params.integer("amount"), params.text("description")
    metadata, method_id = params.mapping("metadata"), params.text("payment_method")
    usage = params.text("setup_future_usage", choices=("off_session", "on_session"))
    params.finish()
    intent = world.get("payment_intent", path["intent"])
    if intent["status"] in (*SETTLED, "requires_capture") and (amount or method_id):
        raise unexpected_state(intent, "update")
    if amount is not None:
        _check_amount(amount, intent["currency"])
        intent["amount"] = amount
    if method_id is not None:
        intent["payment_method"] = methods.usable(world, method_id, customer_id=intent["customer"])["id"]
        intent["status"] = "requires_confirmation"
    intent["description"] = description or intent["description"]
    intent["setup_future_usage"] = usage or intent["setup_future_usage"]
    intent["metadata"] = merged_metadata(intent["metadata"], metadata)
    return intent


def confirm_call(world: World, params: Params, path: Json) -> Json:
    confirmation = _read_confirmation(params)
    usage = params.text("setup_future_usage", choices=("off_session", "on_session"))
    params.finish()
    intent = world.get("payment_intent", path["intent"])
    intent["setup_future_usage"] = usage or intent["setup_future_usage"]
    confirm(world, intent, confirmation)
    return intent


def cancel(world: World, params: Params, path: Json) -> Json:
    reasons = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
    reason = params.text("cancellation_reason", choices=reasons)
    params.finish()
    intent = world.get("payment_intent", path["intent"])
    if intent["status"] in SETTLED:
        raise unexpected_state(intent, "cancel")
    intent.update(
        status="canceled",
        canceled_at=world.now(),
        cancellation_reason=reason,
        next_action=None,
        amount_capturable=0,
    )
    world.emit("payment_intent.canceled", intent)
    return intent


def capture(world: World, params: Params, path: Json) -> Json:
    amount = params.integer("amount_to_capture")
    params.finish()
    intent = world.get("payment_intent", path["intent"])
    if intent["status"] != "requires_capture":
        raise unexpected_state(intent, "capture")
    taken = intent["amount_capturable"] if amount is None else amount
    if not 0 < taken <= intent["amount_capturable"]:
        raise invalid(
            "The amount to capture is more than is capturable.",
            param="amount_to_capture",
        )
    charges.capture(world, world.get("charge", intent["latest_charge"]), taken)
    intent.update(status="succeeded", amount_received=taken, amount_capturable=0)
    world.emit("payment_intent.succeeded", intent)
    return intent


def listing(world: World, params: Params, path: Json) -> Json:
    customer = params.text("customer")
    rows = (row for row in world.newest_first("payment_intent") if customer is None or row["customer"] == customer)
    return page(params, rows, "/v1/payment_intents")


def _read_new(params: Params) -> Json:
    allowed = params.texts("allowed_payment_method_types")
    automatic = params.child("automatic_payment_methods")
    if allowed and automatic is not None:
        raise malformed(
            "allowed_payment_method_types and automatic_payment_methods exclude each other.",
            param="allowed_payment_method_types",
        )
    if any(kind != "card" for kind in allowed):
        raise malformed("Only card is simulated.", param="allowed_payment_method_types")
    redirects = automatic.text("allow_redirects", choices=("always", "never")) if automatic else None
    if automatic is not None:
        automatic.flag("enabled")
    return {
        "amount": params.required_integer("amount"),
        "currency": params.required_text("currency").lower(),
        "customer": params.text("customer"),
        "description": params.text("description"),
        "receipt_email": params.text("receipt_email"),
        "metadata": merged_metadata({}, params.mapping("metadata")),
        "capture_method": params.text("capture_method", choices=("automatic", "automatic_async", "manual"))
        or "automatic_async",
        "setup_future_usage": params.text("setup_future_usage", choices=("off_session", "on_session")),
        "automatic_payment_methods": None if allowed else {"enabled": True, "allow_redirects": redirects or "always"},
        **({"allowed_payment_method_types": allowed} if allowed else {}),
    }


def _read_confirmation(params: Params) -> Confirmation:
    params.ignore("use_stripe_sdk", "mandate_data", "payment_method_options")
    return Confirmation(
        method_id=params.text("payment_method"),
        off_session=params.flag("off_session") or False,
        return_url=params.text("return_url"),
        error_on_requires_action=params.flag("error_on_requires_action") or False,
    )


def _with_method(confirmation: Confirmation, method_id: str | None) -> Confirmation:
    """The same confirmation with the method that creating made of a token."""
    return Confirmation(
        method_id=method_id,
        off_session=confirmation.off_session,
        return_url=confirmation.return_url,
        error_on_requires_action=confirmation.error_on_requires_action,
    )


def _check_amount(amount: int, currency: str) -> None:
    if len(currency) != 3 or not currency.isalpha():
        raise malformed(f"Invalid currency: {currency}", param="currency")
    if amount < 1:
        raise malformed("Invalid positive integer", param="amount", code="parameter_invalid_integer")
    if amount < MINIMUMS.get(currency, 1):
        raise malformed(
            "Amount must convert to at least 50 cents.",
            param="amount",
            code="amount_too_small",
        )
    if amount > AMOUNT_MAX:
        raise malformed(
            "Amount must be no more than 999,999.99.",
            param="amount",
            code="amount_too_large",
        )
    if currency in ("bhd", "jod", "kwd", "omr", "tnd") and amount % 10:
        raise malformed(
            "Amount must be divisible by ten.",
            param="amount",
            code="parameter_invalid_integer",
        )


def _blank() -> Json:
    return {
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "client_secret": None,
        "confirmation_method": "automatic",
        "last_payment_error": None,
        "latest_charge": None,
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "processing": None,
        "review": None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
