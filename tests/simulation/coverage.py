"""What a run has to have met, and how often it did: so a run that found nothing shows that it looked."""

from collections import Counter
from decimal import Decimal
from itertools import product
from typing import Final

from tests.simulation.boundary import Side, Strike
from tests.simulation.simulation import Simulation

_STRIKES: Final = frozenset(
    f"{strike} at {side} {moment}"
    for strike, side, moment in product((Strike.LOST, Strike.CRASH), Side, ("before", "after"))
)
WANTED: Final = frozenset(
    {
        "card payment succeeded",
        "card payment declined",
        "3-D Secure asked for",
        "3-D Secure passed",
        "3-D Secure failed",
        "card refund succeeded",
        "card refund failed",
        "dispute won",
        "dispute lost",
        "dispute open at the end",
        "checkout paid",
        "checkout expired unpaid",
        "checkout paid late",
        "top-up paid twice",
        "top-up paid twice by card",
        "checkout refunded",
        "usage event",
        "usage correction",
        "usage told again",
        "entry in bulk",
        "hold granted",
        "hold refused",
        "hold captured",
        "hold captured in part",
        "hold expired",
        "refused by a limit",
        "recharge",
        "month closed",
        "promotion redeemed",
        "discounted usage",
        "delivery dropped",
        "delivery doubled",
        "delivery out of order",
        "delivery kept for later",
        "provider answered badly",
        "clock ahead",
        "clock back",
        "killed between steps",
        "stopped between steps",
        f"{Strike.SERIALIZATION} at {Side.DATABASE}",
    }
    | _STRIKES
)


def outcomes(sim: Simulation) -> Counter[str]:
    """What became of payments, by the providers' own books."""
    found: Counter[str] = Counter()
    stripe, coinbase = sim.outside.stripe.tables, sim.outside.coinbase.tables
    for charge in stripe["charge"].values():
        found["card payment succeeded" if charge["paid"] else "card payment declined"] += 1
    for refund in stripe["refund"].values():
        found[f"card refund {refund['status']}"] += 1
    for dispute in stripe["dispute"].values():
        status = dispute["status"]
        found[f"dispute {status}" if status in ("won", "lost") else "dispute open at the end"] += 1
    for checkout in coinbase["checkout"].values():
        if "settlement" in checkout:
            found["checkout paid"] += 1
            found["checkout refunded"] += any(Decimal(refund["amount"]) for refund in checkout.get("refunds", ()))
        elif checkout["status"] == "EXPIRED":
            found["checkout expired unpaid"] += 1
    return found
