"""Payment methods: cards only. A `pm_card_...` token stands for a new method made from that test card."""

import hashlib
from typing import Any, Never

from providers.simulators.stripe.cards import BY_NUMBER, BY_TOKEN, Card
from providers.simulators.stripe.errors import (
    ApiError,
    Json,
    declined,
    invalid,
    missing,
)
from providers.simulators.stripe.listing import page
from providers.simulators.stripe.params import Params, merged_metadata
from providers.simulators.stripe.world import World

EXPIRES_AFTER_YEARS = 3


def create(world: World, params: Params, path: Json) -> Json:
    params.text("type", required=True, choices=("card",))
    card, billing, metadata = (
        params.child("card"),
        params.child("billing_details"),
        params.mapping("metadata"),
    )
    params.ignore("allow_redisplay")
    number = card.text("number") if card else None
    if card is not None and number is not None:
        card.required_integer("exp_month")
        card.required_integer("exp_year")
    token = card.text("token") if card else None
    for ignored in (card, billing):
        if ignored is not None:
            ignored.ignore(
                "cvc",
                "exp_month",
                "exp_year",
                "name",
                "email",
                "phone",
                "address",
                "networks",
            )
    params.finish()
    found = BY_NUMBER.get(number or "") or BY_TOKEN.get((token or "").replace("tok_", "pm_card_", 1))
    if found is None:
        raise ApiError(
            402,
            "Your card number is incorrect.",
            kind="card_error",
            code="incorrect_number",
            param="number",
        )
    method = make(world, found)
    method["metadata"] = merged_metadata({}, metadata)
    return method


def get(world: World, params: Params, path: Json) -> Json:
    params.finish()
    return resolve(world, path["payment_method"])


def attach(world: World, params: Params, path: Json) -> Json:
    customer_id = params.required_text("customer")
    params.finish()
    world.get("customer", customer_id, "customer")
    method = usable(world, path["payment_method"], customer_id=None)
    if method["customer"] not in (None, customer_id):
        raise invalid("The payment method you provided has already been attached to a customer.")
    if method["customer"] is None:
        refuse_unsavable(card_of(world, method))
        attach_to(world, method, customer_id)
    return method


def detach(world: World, params: Params, path: Json) -> Json:
    params.finish()
    method = world.get("payment_method", path["payment_method"])
    if method["customer"] is None:
        raise invalid("The payment method you provided is not attached to a customer so detachment is impossible.")
    previous, method["customer"] = method["customer"], None
    world.facts[method["id"]]["spent"] = True
    world.emit("payment_method.detached", method, {"customer": previous})
    return method


def listing(world: World, params: Params, path: Json) -> Json:
    customer_id = params.text("customer")
    params.ignore("type", "allow_redisplay")
    rows = (row for row in world.newest_first("payment_method") if customer_id and row["customer"] == customer_id)
    return page(params, rows, "/v1/payment_methods")


def listing_of_customer(world: World, params: Params, path: Json) -> Json:
    customer = world.get("customer", path["customer"])
    params.ignore("type", "allow_redisplay")
    rows = (row for row in world.newest_first("payment_method") if row["customer"] == customer["id"])
    return page(params, rows, f"/v1/customers/{customer['id']}/payment_methods")


def get_of_customer(world: World, params: Params, path: Json) -> Json:
    params.finish()
    method = world.get("payment_method", path["payment_method"])
    if method["customer"] != path["customer"]:
        raise missing("payment_method", method["id"], "id")
    return method


def make(world: World, card: Card) -> Json:
    """A new, unattached payment method from a test card."""
    fingerprint = hashlib.sha256(card.number.encode()).hexdigest()[:16]
    method = world.add(
        "payment_method",
        "pm",
        {
            "allow_redisplay": "unspecified",
            "billing_details": billing_details(),
            "card": {
                "brand": card.brand,
                "checks": {
                    "address_line1_check": None,
                    "address_postal_code_check": None,
                    "cvc_check": "pass",
                },
                "country": "US",
                "display_brand": card.brand,
                "exp_month": 12,
                "exp_year": world.clock().year + EXPIRES_AFTER_YEARS,
                "fingerprint": fingerprint,
                "funding": "credit",
                "generated_from": None,
                "last4": card.number[-4:],
                "networks": {"available": [card.brand], "preferred": None},
                "regulated_status": "unregulated",
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            "customer": None,
            "metadata": {},
            "type": "card",
        },
    )
    world.facts[method["id"]] = {"number": card.number, "set_up": False, "spent": False}
    return method


def billing_details() -> Json:
    blank = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {
        "address": blank,
        "email": None,
        "name": None,
        "phone": None,
        "tax_id": None,
    }


def resolve(world: World, method_id: str, param: str = "id") -> Json:
    """A stored method, or a new one for a test token."""
    card = BY_TOKEN.get(method_id)
    return make(world, card) if card else world.get("payment_method", method_id, param)


def usable(world: World, method_id: str, *, customer_id: str | None) -> Json:
    """A method that may be confirmed or attached; refuses one that is spent or belongs to somebody else."""
    method = resolve(world, method_id, "payment_method")
    if world.facts[method["id"]]["spent"]:
        raise invalid(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, or was"
            " detached from a Customer. It may not be used again.",
            param="payment_method",
        )
    if customer_id is not None and method["customer"] not in (None, customer_id):
        raise invalid(
            "The provided PaymentMethod belongs to another customer.",
            param="payment_method",
        )
    return method


def card_of(world: World, method: Json) -> Card:
    return BY_NUMBER[world.facts[method["id"]]["number"]]


def attach_to(world: World, method: Json, customer_id: str) -> None:
    method["customer"] = customer_id
    world.emit("payment_method.attached", method)


def refuse_unsavable(card: Card, **details: Any) -> None:
    """Raise the decline of a card that cannot even be saved."""
    if card.decline is not None and not card.attaches:
        refuse(card, **details)


def refuse(card: Card, **details: Any) -> Never:
    """Raise the decline of a card."""
    decline = card.decline
    assert decline is not None, f"{card.number} is never declined"
    raise declined(
        decline.decline_code,
        code=decline.code,
        message=decline.message,
        advice=decline.advice,
        **details,
    )
