"""Refunds: never more than is left of the charge."""

from providers.simulators.stripe import funds, methods
from providers.simulators.stripe.errors import Json, invalid, malformed
from providers.simulators.stripe.listing import page
from providers.simulators.stripe.params import Params, merged_metadata
from providers.simulators.stripe.world import World

OPEN_DISPUTES = ("needs_response", "under_review")


def create(world: World, params: Params, path: Json) -> Json:
    charge_id, intent_id = params.text("charge"), params.text("payment_intent")
    amount, metadata = params.integer("amount"), params.mapping("metadata")
    reason = params.text("reason", choices=("duplicate", "fraudulent", "requested_by_customer"))
    params.finish()
    charge = _refundable_charge(world, charge_id, intent_id)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        raise invalid(
            f"Charge {charge['id']} has already been refunded.",
            code="charge_already_refunded",
        )
    taken = left if amount is None else amount
    if taken < 1:
        raise malformed("Invalid positive integer", param="amount", code="parameter_invalid_integer")
    if taken > left:
        raise invalid(
            f"Refund amount ({taken}) is greater than unrefunded amount on charge ({left})",
            param="amount",
        )
    return _give_back(world, charge, taken, reason, metadata)


def get(world: World, params: Params, path: Json) -> Json:
    params.finish()
    return world.get("refund", path["refund"])


def update(world: World, params: Params, path: Json) -> Json:
    metadata = params.mapping("metadata")
    params.finish()
    refund = world.get("refund", path["refund"])
    refund["metadata"] = merged_metadata(refund["metadata"], metadata)
    world.emit("refund.updated", refund)
    return refund


def listing(world: World, params: Params, path: Json) -> Json:
    charge, intent = params.text("charge"), params.text("payment_intent")
    rows = (
        row
        for row in world.newest_first("refund")
        if (charge is None or row["charge"] == charge) and (intent is None or row["payment_intent"] == intent)
    )
    return page(params, rows, "/v1/refunds")


def fail_refund(world: World, refund_id: str, reason: str = "expired_or_canceled_card") -> None:
    """The money came back: book it, and the charge is less refunded than it was."""
    refund = world.get("refund", refund_id)
    if refund["status"] not in ("pending", "succeeded"):
        raise invalid(f"Refund {refund_id} has a status of {refund['status']}.")
    charge = world.get("charge", refund["charge"])
    entry = funds.book(
        world,
        "refund_failure",
        amount=refund["amount"],
        currency=refund["currency"],
        fee=0,
        source=refund_id,
        description="REFUND FAILURE",
    )
    previous = refund["status"]
    refund.update(status="failed", failure_reason=reason, failure_balance_transaction=entry["id"])
    refund.pop("pending_reason", None)
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    world.emit("refund.updated", refund, {"status": previous})
    world.emit("refund.failed", refund)


def finish_refund(world: World, refund_id: str) -> None:
    """A pending refund reaches the card."""
    refund = world.get("refund", refund_id)
    refund["status"] = "succeeded"
    refund.pop("pending_reason", None)
    world.emit("refund.updated", refund, {"status": "pending"})


def _refundable_charge(world: World, charge_id: str | None, intent_id: str | None) -> Json:
    if (charge_id is None) == (intent_id is None):
        raise malformed(
            "One of charge and payment_intent is required.",
            param="payment_intent",
            code="parameter_missing",
        )
    if intent_id is not None:
        intent = world.get("payment_intent", intent_id, "payment_intent")
        if intent["status"] != "succeeded":
            raise invalid(
                f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.",
                param="payment_intent",
            )
        charge_id = intent["latest_charge"]
    assert charge_id is not None
    charge = world.get("charge", charge_id, "charge")
    if not charge["captured"]:
        raise invalid(f"Charge {charge_id} is not captured.", param="charge")
    for dispute in world.tables["dispute"].values():
        if dispute["charge"] == charge_id and dispute["status"] in (
            *OPEN_DISPUTES,
            "lost",
        ):
            raise invalid(f"Charge {charge_id} has been charged back.", code="charge_disputed")
    return charge


def _give_back(
    world: World,
    charge: Json,
    amount: int,
    reason: str | None,
    metadata: dict[str, str],
) -> Json:
    behaviour = methods.card_of(world, world.get("payment_method", charge["payment_method"])).refund
    refund = world.add(
        "refund",
        "re",
        {
            "amount": amount,
            "balance_transaction": None,
            "charge": charge["id"],
            "currency": charge["currency"],
            "customer": charge["customer"],
            "customer_account": None,
            "destination_details": {
                "card": {
                    "reference_status": "pending",
                    "reference_type": "acquirer_reference_number",
                    "type": "refund",
                },
                "type": "card",
            },
            "metadata": merged_metadata({}, metadata),
            "payment_intent": charge["payment_intent"],
            "payment_method": charge["payment_method"],
            "reason": reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded",
            "transfer_reversal": None,
        },
    )
    entry = funds.book(
        world,
        "refund",
        amount=-amount,
        currency=charge["currency"],
        fee=0,
        source=refund["id"],
        description="REFUND FOR CHARGE",
    )
    refund["balance_transaction"] = entry["id"]
    if behaviour == "pending":
        refund.update(status="pending", pending_reason="processing")
        world.later("finish_refund", refund["id"])
    previous = {"amount_refunded": charge["amount_refunded"]}
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    world.emit("refund.created", refund)
    world.emit("charge.refunded", charge, previous)
    if behaviour == "fails":
        world.later("fail_refund", refund["id"])
    return refund
