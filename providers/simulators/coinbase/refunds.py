"""Refunds: never more than is left of the payment, on their way for a while, sometimes failing."""

import hashlib
from decimal import Decimal

from providers.simulators.account import Json
from providers.simulators.coinbase.checkouts import CENT
from providers.simulators.coinbase.errors import invalid
from providers.simulators.coinbase.fields import Fields
from providers.simulators.coinbase.world import World

REFUNDABLE = ("COMPLETED", "PARTIALLY_REFUNDED")


def create(world: World, fields: Fields, path: Json) -> Json:
    amount, reason = fields.amount("amount"), fields.text("reason")
    currency = fields.choice("currency", "USDC") or "USDC"
    fields.finish()
    checkout = world.checkout(path["id"])
    if checkout["status"] not in REFUNDABLE:
        raise invalid(f"A checkout that is {checkout['status']} cannot be refunded.")
    left = Decimal(checkout["settlement"]["totalAmount"]) - _sum(checkout, "PENDING", "COMPLETED")
    if amount > left:
        raise invalid(f"The refund of {amount} exceeds the remaining refundable amount of {left}.")
    refund: Json = {
        "id": world.ids("refund"),
        "checkoutId": checkout["id"],
        "amount": f"{amount.quantize(CENT)}",
        "currency": currency,
        "status": "PENDING",
        "createdAt": world.time(),
        **({"reason": reason} if reason is not None else {}),
    }
    checkout.setdefault("refunds", []).append(refund)
    checkout["updatedAt"] = world.time()
    fails = world.facts[checkout["id"]]["refunds"] == "fail"
    world.later("finish_refund", checkout["id"], refund_id=refund["id"], succeeds=not fails)
    return {"checkout": world.shown(checkout), "refund": dict(refund)}


def finish(world: World, checkout_id: str, *, refund_id: str, succeeds: bool) -> None:
    """The money has reached the payer, or has come back."""
    checkout = world.checkout(checkout_id)
    (refund,) = (row for row in checkout["refunds"] if row["id"] == refund_id)
    if not succeeds:
        refund["status"] = "FAILED"
        checkout["updatedAt"] = world.time()
        world.emit("checkout.refund.failed", checkout)
        return
    digits = hashlib.sha256(f"refund:{refund_id}".encode()).hexdigest()
    refund.update(status="COMPLETED", completedAt=world.time(), transactionHash=f"0x{digits}")
    given_back = _sum(checkout, "COMPLETED")
    checkout["refundedAmount"] = f"{given_back}"
    is_whole = given_back == Decimal(checkout["settlement"]["totalAmount"])
    world.change(checkout, "REFUNDED" if is_whole else "PARTIALLY_REFUNDED")
    world.emit("checkout.refund.success", checkout)


def _sum(checkout: Json, *statuses: str) -> Decimal:
    amounts = (Decimal(row["amount"]) for row in checkout.get("refunds", ()) if row["status"] in statuses)
    return sum(amounts, Decimal("0.00"))
