"""Recharges against what the customers agreed to, by the provider's own book of what it charged."""

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

from tests.simulation.books import Broken
from tests.simulation.simulation import Simulation

_ATTEMPTS: Final = """
    SELECT a.org_id, a.created_at, a.amount_minor, a.state, t.external_id
    FROM auto_recharge_attempts a JOIN topups t ON t.org_id = a.org_id AND t.topup_id = a.topup_id
    ORDER BY a.org_id, a.created_at, a.attempt_id
"""


async def check_recharges(sim: Simulation) -> int:
    """One at a time, no sooner than the cooldown, and never more than the caps in any 24 hours or 31 days. Raises Broken.

    How many attempts there were.
    """
    attempts = await sim.rows(_ATTEMPTS)
    by_org: dict[UUID, list[datetime]] = defaultdict(list)
    charged: dict[UUID, list[tuple[datetime, int]]] = defaultdict(list)
    intents = sim.outside.stripe.tables["payment_intent"]
    for row in attempts:
        by_org[row["org_id"]].append(row["created_at"])
        intent = intents.get(row["external_id"])
        if intent is not None and intent["status"] == "succeeded":
            charged[row["org_id"]].append((row["created_at"], intent["amount_received"]))
    for customer in sim.customers:
        name, terms = customer.wallet.org_slug, customer.terms
        times = by_org[customer.org_id]
        for before, after in pairwise(times):
            if after - before < terms.cooldown:
                raise Broken(f"{name}: recharges at {before} and {after}, cooldown {terms.cooldown}")
        for length, cap in ((timedelta(hours=24), terms.daily_cap), (timedelta(days=31), terms.monthly_cap)):
            _check_cap(name, charged[customer.org_id], length, cap)
    return len(attempts)


def _check_cap(name: str, charges: list[tuple[datetime, int]], length: timedelta, cap: int) -> None:
    for end, _ in charges:
        total = sum(amount for at, amount in charges if end - length < at <= end)
        if total > cap:
            raise Broken(f"{name}: recharges of {total} in {length} until {end}, the cap is {cap}")
