"""What confirming a payment intent does: authentication, decline or charge.

States: requires_payment_method -> requires_confirmation -> requires_action -> succeeded | requires_capture; a decline
returns to requires_payment_method.
"""

import copy
from dataclasses import dataclass
from typing import Any, Never

from providers.simulators.stripe import charges, methods
from providers.simulators.stripe.cards import Card
from providers.simulators.stripe.errors import ApiError, Json, declined, invalid
from providers.simulators.stripe.world import World

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """How a confirmation was asked for."""

    method_id: str | None
    off_session: bool = False
    return_url: str | None = None
    error_on_requires_action: bool = False


def confirm(world: World, intent: Json, confirmation: Confirmation) -> None:
    """Try to pay. Raises `ApiError` 402 for a decline, after having recorded it."""
    if intent["status"] not in CONFIRMABLE:
        raise unexpected_state(intent, "confirm")
    method = check(world, intent, confirmation)
    card = methods.card_of(world, method)
    intent.update(payment_method=method["id"], last_payment_error=None, next_action=None)
    if not _must_authenticate(world, method, card, off_session=confirmation.off_session):
        _charge(world, intent, method, card)
    elif confirmation.off_session or confirmation.error_on_requires_action:
        _decline(
            world,
            intent,
            method,
            declined(
                "authentication_required",
                code="authentication_required",
                message="Your card was declined. This transaction requires authentication.",
                advice=None,
            ),
        )
    else:
        _challenge(world, intent, confirmation.return_url)


def check(world: World, intent: Json, confirmation: Confirmation) -> Json:
    """The method that a confirmation would use. Refuses without effect one that cannot even begin."""
    automatic: Json | None = intent["automatic_payment_methods"]
    redirects = automatic is not None and automatic.get("allow_redirects", "always") == "always"
    if redirects and confirmation.return_url is None and not confirmation.off_session:
        raise invalid(
            "You must provide a `return_url` when redirects are allowed.",
            param="return_url",
        )
    method_id = confirmation.method_id or intent["payment_method"]
    if method_id is None:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    method = methods.usable(world, method_id, customer_id=intent["customer"])
    if method["customer"] is not None and intent["customer"] is None:
        raise invalid(
            "The PaymentMethod is attached to a customer, who must be named too.",
            param="payment_method",
        )
    return method


def finish_challenge(world: World, intent: Json, *, passed: bool) -> None:
    """The payer passed or failed 3-D Secure. Raises `ApiError` as `confirm` does."""
    if intent["status"] != "requires_action":
        raise unexpected_state(intent, "authenticate")
    method = world.get("payment_method", intent["payment_method"])
    intent["next_action"] = None
    if passed:
        _charge(world, intent, method, methods.card_of(world, method))
        return
    error = ApiError(
        402,
        "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
        kind="card_error",
        code="payment_intent_authentication_failure",
        payment_method=copy.deepcopy(method),
    )
    _refused(world, intent, error, charge_id=None)


def unexpected_state(intent: Json, verb: str) -> ApiError:
    return invalid(
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
        payment_intent=copy.deepcopy(intent),
    )


def _must_authenticate(world: World, method: Json, card: Card, *, off_session: bool) -> bool:
    if not off_session:
        return card.on_session
    if card.off_session == "unless_set_up":
        return not world.facts[method["id"]]["set_up"]
    return card.off_session == "always"


def _challenge(world: World, intent: Json, return_url: str | None) -> None:
    page = f"{world.settings.base_url}/_sim/3ds/{intent['id']}?client_secret={intent['client_secret']}"
    intent["status"] = "requires_action"
    if return_url is None:
        intent["next_action"] = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page},
        }
    else:
        intent["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": return_url, "url": page},
        }
        world.facts[intent["payment_method"]]["return_url"] = return_url
    world.emit("payment_intent.requires_action", intent)


def _charge(world: World, intent: Json, method: Json, card: Card) -> None:
    if card.decline is not None:
        try:
            methods.refuse(card)
        except ApiError as refusal:
            _decline(world, intent, method, refusal)
    _keep_method(world, intent, method)
    captured = intent["capture_method"] != "manual"
    charge = charges.succeed(world, intent, method, card, captured=captured)
    intent["latest_charge"] = charge["id"]
    if captured:
        intent.update(status="succeeded", amount_received=intent["amount"])
        world.emit("payment_intent.succeeded", intent)
    else:
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        world.emit("payment_intent.amount_capturable_updated", intent)


def _keep_method(world: World, intent: Json, method: Json) -> None:
    """A method that is not kept by a customer is spent by its first use."""
    facts = world.facts[method["id"]]
    if intent["setup_future_usage"] is not None and intent["customer"] is not None:
        if method["customer"] is None:
            methods.attach_to(world, method, intent["customer"])
        facts["set_up"] = facts["set_up"] or intent["setup_future_usage"] == "off_session"
    elif method["customer"] is None:
        facts["spent"] = True


def _decline(world: World, intent: Json, method: Json, error: ApiError) -> Never:
    charge = charges.fail(world, intent, method, error.error)
    error.error["charge"] = charge["id"]
    error.error["payment_method"] = copy.deepcopy(method)
    _refused(world, intent, error, charge_id=charge["id"])


def _refused(world: World, intent: Json, error: ApiError, charge_id: str | None) -> Never:
    reason: dict[str, Any] = dict(error.error)
    intent.update(status="requires_payment_method", payment_method=None, last_payment_error=reason)
    if charge_id is not None:
        intent["latest_charge"] = charge_id
    world.emit("payment_intent.payment_failed", intent)
    error.error["payment_intent"] = copy.deepcopy(intent)
    raise error
