"""Charges: made only by confirming a payment intent."""

from typing import Any

from providers.simulators.stripe import funds
from providers.simulators.stripe.cards import Card
from providers.simulators.stripe.errors import Json
from providers.simulators.stripe.listing import page
from providers.simulators.stripe.methods import billing_details
from providers.simulators.stripe.params import Params
from providers.simulators.stripe.world import World


def get(world: World, params: Params, path: Json) -> Json:
    params.finish()
    return world.get("charge", path["charge"])


def listing(world: World, params: Params, path: Json) -> Json:
    customer, intent = params.text("customer"), params.text("payment_intent")
    rows = (
        row
        for row in world.newest_first("charge")
        if (customer is None or row["customer"] == customer) and (intent is None or row["payment_intent"] == intent)
    )
    return page(params, rows, "/v1/charges")


def succeed(world: World, intent: Json, method: Json, card: Card, *, captured: bool) -> Json:
    """A paid charge. Its balance transaction is booked later, as with asynchronous capture."""
    charge = _add(world, intent, method, paid=True, captured=captured)
    world.emit("charge.succeeded", charge)
    if captured:
        world.later("settle_charge", charge["id"])
    if card.dispute_reason is not None:
        world.later(
            "open_dispute",
            charge["id"],
            reason=card.dispute_reason,
            inquiry=card.inquiry,
        )
    if card.fraud_warning:
        world.later("warn_of_fraud", charge["id"])
    return charge


def fail(world: World, intent: Json, method: Json, error: Json) -> Json:
    """A refused charge."""
    charge = _add(world, intent, method, paid=False, captured=False)
    charge.update(
        failure_code=error.get("code"),
        failure_message=error.get("message"),
        status="failed",
        outcome={
            "advice_code": error.get("advice_code"),
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "declined_by_network",
            "reason": error.get("decline_code"),
            "risk_level": "normal",
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        },
    )
    world.emit("charge.failed", charge)
    return charge


def capture(world: World, charge: Json, amount: int) -> None:
    """Take an authorized amount."""
    charge.update(captured=True, amount_captured=amount)
    world.emit("charge.captured", charge)
    world.later("settle_charge", charge["id"])


def settle_charge(world: World, charge_id: str) -> None:
    """Book the charge and its fee."""
    charge = world.get("charge", charge_id)
    entry = funds.book(
        world,
        "charge",
        amount=charge["amount_captured"],
        currency=charge["currency"],
        fee=funds.charge_fee(charge["amount_captured"]),
        source=charge_id,
        description=charge["description"] or "Simulated charge",
    )
    charge["balance_transaction"] = entry["id"]
    world.emit("charge.updated", charge, {"balance_transaction": None})


def warn_of_fraud(world: World, charge_id: str) -> None:
    """An early fraud warning; only its event is simulated."""
    charge = world.get("charge", charge_id)
    warning: Json = {
        "id": world.ids("issfr"),
        "object": "radar.early_fraud_warning",
        "actionable": True,
        "charge": charge_id,
        "created": world.now(),
        "fraud_type": "made_with_stolen_card",
        "livemode": False,
        "payment_intent": charge["payment_intent"],
    }
    world.emit("radar.early_fraud_warning.created", warning)


def _add(world: World, intent: Json, method: Json, *, paid: bool, captured: bool) -> Json:
    return world.add(
        "charge",
        "ch",
        {
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if captured else 0,
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": billing_details(),
            "calculated_statement_descriptor": "SIMULATED",
            "captured": captured,
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "fraud_details": {},
            "metadata": dict(intent["metadata"]),
            "on_behalf_of": None,
            "outcome": _authorized(),
            "paid": paid,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": {
                "card": _card_details(intent, method),
                "type": "card",
            },
            "radar_options": {},
            "receipt_email": intent["receipt_email"],
            "receipt_number": None,
            "receipt_url": None,
            "refunded": False,
            "review": None,
            "shipping": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "succeeded",
            "transfer_data": None,
            "transfer_group": None,
        },
    )


def _authorized() -> Json:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 10,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }


def _card_details(intent: Json, method: Json) -> Json:
    card: dict[str, Any] = method["card"]
    shown = (
        "brand",
        "checks",
        "country",
        "exp_month",
        "exp_year",
        "fingerprint",
        "funding",
        "last4",
        "wallet",
    )
    return {
        **{name: card[name] for name in shown},
        "amount_authorized": intent["amount"],
        "authorization_code": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {
            "maximum_amount_capturable": intent["amount"],
            "status": "unavailable",
        },
        "regulated_status": "unregulated",
        "three_d_secure": None,
    }
