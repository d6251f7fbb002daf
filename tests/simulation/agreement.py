"""Our ledger against the providers' books, once everything has settled."""

from collections import Counter
from decimal import Decimal

from tests.simulation.books import Broken
from tests.simulation.simulation import Simulation

_DISPUTE_AWAY = ("needs_response", "under_review", "lost")


def check_arrived(sim: Simulation) -> None:
    """At any time: what we credited has arrived, and was credited once."""
    for book in sim.books.by_org.values():
        for (provider, payment), amount in book.arrived.items():
            if amount != _received(sim, provider, payment):
                raise Broken(
                    f"{amount} were credited for {provider} {payment}, {_received(sim, provider, payment)} arrived"
                )


def check_agreement(sim: Simulation) -> None:
    """Every payment that succeeded was credited once; refunds and disputes have taken exactly what is away."""
    check_arrived(sim)
    ours: Counter[tuple[str, str]] = Counter()
    taken: Counter[str] = Counter()
    for book in sim.books.by_org.values():
        ours.update(book.arrived)
        taken.update({reference: amount for reference, amount in book.taken.items() if amount})
    for intent in sim.outside.stripe.tables["payment_intent"].values():
        if intent["status"] == "succeeded" and not ours["stripe", intent["id"]]:
            raise Broken(f"nothing was credited for {intent['id']} of {intent['metadata']}")
    for checkout in sim.outside.coinbase.tables["checkout"].values():
        if "settlement" in checkout and not ours["coinbase", checkout["id"]]:
            raise Broken(f"nothing was credited for checkout {checkout['id']}")
    away = _away(sim)
    if away != taken:
        raise Broken(f"away at the providers and not taken: {away - taken}; taken and not away: {taken - away}")


def _received(sim: Simulation, provider: str, payment: str) -> int:
    if provider == "stripe":
        intent = sim.outside.stripe.tables["payment_intent"].get(payment)
        return 0 if intent is None or intent["status"] != "succeeded" else intent["amount_received"]
    checkout = sim.outside.coinbase.tables["checkout"].get(payment)
    if checkout is None or "settlement" not in checkout:
        return 0
    return int(Decimal(checkout["settlement"]["totalAmount"]) * 100)


def _away(sim: Simulation) -> Counter[str]:
    """What the providers hold back or have given back, by the id of the refund or dispute."""
    found: Counter[str] = Counter()
    for refund in sim.outside.stripe.tables["refund"].values():
        if refund["status"] in ("pending", "succeeded"):
            found[refund["id"]] += refund["amount"]
    for dispute in sim.outside.stripe.tables["dispute"].values():
        if dispute["status"] in _DISPUTE_AWAY:
            found[dispute["id"]] += dispute["amount"]
    for checkout in sim.outside.coinbase.tables["checkout"].values():
        for refund in checkout.get("refunds", ()):
            if refund["status"] in ("PENDING", "COMPLETED"):
                found[refund["id"]] += int(Decimal(refund["amount"]) * 100)
    return found
