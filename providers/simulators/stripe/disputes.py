"""Disputes: the bank takes the money at once, and gives it back when we win."""

from providers.simulators.stripe import funds
from providers.simulators.stripe.errors import Json, invalid
from providers.simulators.stripe.listing import page
from providers.simulators.stripe.params import Params, merged_metadata
from providers.simulators.stripe.world import World

DISPUTE_FEE = 1500
RESPOND_WITHIN_SECONDS = 7 * 24 * 3600
OPEN = ("needs_response", "under_review")
INQUIRY_OPEN = ("warning_needs_response", "warning_under_review")
EVIDENCE_TEXTS = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_tracking_number",
    "uncategorized_text",
)
EVIDENCE_FILES = (
    "cancellation_policy",
    "customer_communication",
    "customer_signature",
    "duplicate_charge_documentation",
    "receipt",
    "refund_policy",
    "service_documentation",
    "shipping_documentation",
    "uncategorized_file",
)
DECIDING_EVIDENCE = {"winning_evidence": "won", "losing_evidence": "lost"}


def get(world: World, params: Params, path: Json) -> Json:
    params.finish()
    return world.get("dispute", path["dispute"])


def listing(world: World, params: Params, path: Json) -> Json:
    charge, intent = params.text("charge"), params.text("payment_intent")
    rows = (
        row
        for row in world.newest_first("dispute")
        if (charge is None or row["charge"] == charge) and (intent is None or row["payment_intent"] == intent)
    )
    return page(params, rows, "/v1/disputes")


def update(world: World, params: Params, path: Json) -> Json:
    """Submit evidence. The published texts winning_evidence and losing_evidence decide the dispute a little later."""
    nested = params.child("evidence")
    evidence = {name: value for name in EVIDENCE_TEXTS if nested and (value := nested.text(name)) is not None}
    metadata, submitted = params.mapping("metadata"), params.flag("submit")
    params.finish()
    dispute = world.get("dispute", path["dispute"])
    if dispute["status"] not in (*OPEN, *INQUIRY_OPEN):
        raise invalid("This dispute is already closed.")
    dispute["metadata"] = merged_metadata(dispute["metadata"], metadata)
    dispute["evidence"].update(evidence)
    if evidence:
        details: Json = dispute["evidence_details"]
        details["has_evidence"] = True
        if submitted is not False:
            details["submission_count"] += 1
            details["submission_method"] = "manual"
            dispute["status"] = "under_review" if dispute["status"] in OPEN else "warning_under_review"
            outcome = DECIDING_EVIDENCE.get(evidence.get("uncategorized_text", ""))
            if outcome is not None:
                world.later("resolve_dispute", dispute["id"], outcome=outcome)
    world.emit("charge.dispute.updated", dispute)
    return dispute


def close(world: World, params: Params, path: Json) -> Json:
    """Concede."""
    params.finish()
    dispute = world.get("dispute", path["dispute"])
    if dispute["status"] not in (*OPEN, *INQUIRY_OPEN):
        raise invalid("This dispute is already closed.")
    resolve_dispute(world, dispute["id"], "lost")
    return dispute


def open_dispute(
    world: World,
    charge_id: str,
    *,
    reason: str,
    inquiry: bool = False,
    amount: int | None = None,
) -> Json:
    """The payer's bank disputes what is left of a charge, or all of it when nothing is; an inquiry takes no money yet."""
    charge = world.get("charge", charge_id, "charge")
    left = charge["amount_captured"] - charge["amount_refunded"]
    if not charge["paid"] or not charge["captured"]:
        raise invalid("Only a captured charge can be disputed.", param="charge")
    dispute = world.add(
        "dispute",
        "du",
        {
            "amount": (left or charge["amount_captured"]) if amount is None else amount,
            "balance_transactions": [],
            "charge": charge_id,
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {
                **dict.fromkeys((*EVIDENCE_TEXTS, *EVIDENCE_FILES)),
                "enhanced_evidence": {},
            },
            "evidence_details": {
                "due_by": world.now() + RESPOND_WITHIN_SECONDS,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
                "submission_method": "not_submitted",
            },
            "intended_submission_method": None,
            "is_charge_refundable": inquiry,
            "metadata": {},
            "network_reason_code": "10.4",
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {
                "card": {
                    "brand": charge["payment_method_details"]["card"]["brand"],
                    "case_type": "inquiry" if inquiry else "chargeback",
                    "network": charge["payment_method_details"]["card"]["brand"],
                    "network_reason_code": "10.4",
                },
                "type": "card",
            },
            "reason": reason,
            "status": "warning_needs_response" if inquiry else "needs_response",
        },
    )
    charge["disputed"] = True
    if not inquiry:
        _move_funds(world, dispute, -dispute["amount"], DISPUTE_FEE)
    world.emit("charge.dispute.created", dispute)
    if not inquiry:
        world.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def resolve_dispute(world: World, dispute_id: str, outcome: str) -> Json:
    """End a dispute as won or lost; an inquiry just closes. The fee stays with Stripe either way."""
    dispute = world.get("dispute", dispute_id)
    previous = {"status": dispute["status"]}
    if dispute["status"] in INQUIRY_OPEN:
        dispute["status"] = "warning_closed"
    elif dispute["status"] in OPEN:
        dispute["status"] = outcome
    else:
        raise invalid("This dispute is already closed.")
    won = dispute["status"] == "won"
    if won:
        _move_funds(world, dispute, dispute["amount"], 0)
    world.emit("charge.dispute.updated", dispute, previous)
    world.emit("charge.dispute.closed", dispute, previous)
    if won:
        world.emit("charge.dispute.funds_reinstated", dispute)
    return dispute


def _move_funds(world: World, dispute: Json, amount: int, fee: int) -> None:
    entry = funds.book(
        world,
        "adjustment",
        amount=amount,
        currency=dispute["currency"],
        fee=fee,
        source=dispute["id"],
        description=f"Chargeback {'withdrawal' if amount < 0 else 'reversal'} for {dispute['charge']}",
    )
    dispute["balance_transactions"].append(dict(entry))
