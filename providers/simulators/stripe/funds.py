"""Balance transactions, the balance, and a minimal payout."""

from providers.simulators.stripe.errors import Json, invalid
from providers.simulators.stripe.listing import page
from providers.simulators.stripe.params import Params, merged_metadata
from providers.simulators.stripe.world import World

AVAILABLE_AFTER_SECONDS = 2 * 24 * 3600
FEE_THOUSANDTHS = 29
FEE_FIXED = 30


def charge_fee(amount: int) -> int:
    """2.9 % rounded half up, plus 30 of the smallest unit."""
    return (amount * FEE_THOUSANDTHS + 500) // 1000 + FEE_FIXED


def book(
    world: World,
    kind: str,
    *,
    amount: int,
    currency: str,
    fee: int,
    source: str,
    description: str,
) -> Json:
    """One movement of the account's balance; a negative amount takes money away."""
    category = {"adjustment": "dispute", "payment_refund": "refund"}.get(kind, kind)
    return world.add(
        "balance_transaction",
        "txn",
        {
            "amount": amount,
            "available_on": world.now() + AVAILABLE_AFTER_SECONDS if amount > 0 else world.now(),
            "balance_type": "payments",
            "currency": currency,
            "description": description,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [_fee(fee, currency)] if fee else [],
            "net": amount - fee,
            "reporting_category": "dispute_reversal" if category == "dispute" and amount > 0 else category,
            "source": source,
            "status": "pending" if amount > 0 else "available",
            "type": kind,
        },
    )


def settle(world: World) -> None:
    """Money whose waiting time is over becomes available."""
    for entry in world.tables["balance_transaction"].values():
        if entry["status"] == "pending" and entry["available_on"] <= world.now():
            entry["status"] = "available"


def balance(world: World, params: Params, path: Json) -> Json:
    params.finish()
    settle(world)
    return {
        "object": "balance",
        "livemode": False,
        "available": _totals(world, "available"),
        "pending": _totals(world, "pending"),
    }


def get(world: World, params: Params, path: Json) -> Json:
    params.finish()
    settle(world)
    return world.get("balance_transaction", path["id"])


def listing(world: World, params: Params, path: Json) -> Json:
    kind, currency, source = (
        params.text("type"),
        params.text("currency"),
        params.text("source"),
    )
    settle(world)
    rows = (
        row
        for row in world.newest_first("balance_transaction")
        if (kind is None or row["type"] == kind)
        and (currency is None or row["currency"] == currency)
        and (source is None or row["source"] == source)
    )
    return page(params, rows, "/v1/balance_transactions")


def create_payout(world: World, params: Params, path: Json) -> Json:
    amount, currency = (
        params.required_integer("amount"),
        params.required_text("currency"),
    )
    metadata, description = params.mapping("metadata"), params.text("description")
    params.finish()
    settle(world)
    available = {row["currency"]: row["amount"] for row in _totals(world, "available")}
    if amount > available.get(currency, 0):
        raise invalid(
            "You have insufficient funds in your Stripe account.",
            code="balance_insufficient",
            param="amount",
        )
    payout = world.add(
        "payout",
        "po",
        {
            "amount": amount,
            "arrival_date": world.now(),
            "automatic": False,
            "balance_transaction": None,
            "currency": currency,
            "description": description,
            "destination": None,
            "failure_code": None,
            "failure_message": None,
            "metadata": merged_metadata({}, metadata),
            "method": "standard",
            "reconciliation_status": "not_applicable",
            "source_type": "card",
            "statement_descriptor": None,
            "status": "pending",
            "type": "bank_account",
        },
    )
    entry = book(
        world,
        "payout",
        amount=-amount,
        currency=currency,
        fee=0,
        source=payout["id"],
        description="STRIPE PAYOUT",
    )
    payout["balance_transaction"] = entry["id"]
    world.emit("payout.created", payout)
    world.later("pay_payout", payout["id"])
    return payout


def pay_payout(world: World, payout_id: str) -> None:
    payout = world.get("payout", payout_id)
    payout["status"] = "paid"
    world.emit("payout.paid", payout, {"status": "pending"})


def get_payout(world: World, params: Params, path: Json) -> Json:
    params.finish()
    return world.get("payout", path["payout"])


def list_payouts(world: World, params: Params, path: Json) -> Json:
    status = params.text("status")
    rows = (row for row in world.newest_first("payout") if status is None or row["status"] == status)
    return page(params, rows, "/v1/payouts")


def _totals(world: World, status: str) -> list[Json]:
    sums: dict[str, int] = {}
    for entry in world.tables["balance_transaction"].values():
        if entry["status"] == status:
            sums[entry["currency"]] = sums.get(entry["currency"], 0) + entry["net"]
    return [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}}
        for currency, amount in sorted(sums.items())
    ]


def _fee(amount: int, currency: str) -> Json:
    return {
        "amount": amount,
        "application": None,
        "currency": currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
