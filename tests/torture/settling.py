"""Top-ups against the books of Stripe: each is settled, or it is told why it is not."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg

from tests.simulation.books import Book, Broken
from tests.torture.payer import Stripe

SETTLE_SECONDS_MAX: Final = 300
_AWAITS_PAYER: Final = frozenset({"requires_payment_method", "requires_action", "requires_confirmation"})
_ENDED: Final = frozenset({"canceled", "requires_payment_method"})
_HELD_BACK: Final = frozenset({"pending", "succeeded"})

_TOPUPS: Final = "SELECT topup_id, org_id, origin, state, external_id, amount_minor FROM topups"
_WAITING: Final = "SELECT count(*) FROM provider_events WHERE processed_at IS NULL"


@dataclass(frozen=True, slots=True)
class Settled:
    """Counts of top-ups. recharges: settled ones that the service began; explained: those without a credit, by why."""

    settled: int
    recharges: int
    refunds: int
    explained: Counter[str]


class Arrivals:
    """What was credited, held against what Stripe has taken in, as the run goes on."""

    def __init__(self, stripe: Stripe) -> None:
        self._stripe = stripe
        self._seen: dict[str, int] = {}

    def check(self, books: Iterable[Book]) -> None:
        """Each credit has a payment that arrived, of its amount, and there is one credit of it. Raises Broken."""
        for book in books:
            for (_, intent), amount in book.arrived.items():
                if intent not in self._seen:
                    self._seen[intent] = _received(self._stripe.intent(intent))
                if self._seen[intent] != amount:
                    raise Broken(f"{amount} were credited for {intent}, {self._seen[intent]} have arrived")


async def settle(
    conn: "asyncpg.Connection[asyncpg.Record]", stripe: Stripe, *, seconds_max: float = SETTLE_SECONDS_MAX
) -> None:
    """Wait until the service has made good what it was not told: it asks Stripe itself. Raises Broken."""
    deadline = time.monotonic() + seconds_max
    while True:
        paid = {row["id"] for row in stripe.rows("payment_intents") if row["status"] == "succeeded"}
        rows = await conn.fetch("SELECT external_id FROM topups WHERE state = 'SUCCEEDED'")
        late = await conn.fetch("SELECT external_id FROM unmatched_payments")
        reversed_ = {row[0] for row in await conn.fetch("SELECT provider_reference FROM topup_reversals WHERE is_away")}
        refunds = {row["id"] for row in stripe.rows("refunds") if row["status"] in _HELD_BACK}
        waiting = await conn.fetchval(_WAITING)
        missing = (paid - {row[0] for row in (*rows, *late)}) | (refunds - reversed_)
        if not missing and not waiting:
            return
        if time.monotonic() > deadline:
            raise Broken(f"not settled after {seconds_max} s: {sorted(missing)}, {waiting} events wait")
        await asyncio.sleep(1)


async def reconcile(
    conn: "asyncpg.Connection[asyncpg.Record]", stripe: Stripe, books: Iterable[Book], answered: Mapping[UUID, str]
) -> Settled:
    """Both books in full, when all has settled. `answered`: payments by top-up, as clients were told. Raises Broken."""
    intents = {row["id"]: row for row in stripe.rows("payment_intents")}
    topups = await conn.fetch(_TOPUPS)
    _check_one_to_one(topups, intents)
    stored = {row["topup_id"]: row["external_id"] for row in topups}
    other = {topup: intent for topup, intent in answered.items() if stored.get(topup) != intent}
    if other:
        raise Broken(f"clients were told of other payments than there are: {other}")
    credited: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for book in books:
        credited.update({intent: amount for (_, intent), amount in book.arrived.items()})
        taken.update({reference: amount for reference, amount in book.taken.items() if amount})
    arrived = Counter({intent: _received(row) for intent, row in intents.items() if _received(row)})
    if credited != arrived:
        raise Broken(f"arrived and not credited: {arrived - credited}; credited and not arrived: {credited - arrived}")
    refunds = [row for row in stripe.rows("refunds") if row["status"] in _HELD_BACK]
    away = Counter({row["id"]: row["amount"] for row in refunds})
    if away != taken:
        raise Broken(f"given back and not taken: {away - taken}; taken and not given back: {taken - away}")
    explained = Counter(_explain(row, intents.get(row["external_id"])) for row in topups if row["state"] != "SUCCEEDED")
    settled = [row for row in topups if row["state"] == "SUCCEEDED"]
    recharges = sum(row["origin"] == "auto" for row in settled)
    return Settled(len(settled), recharges, len(refunds), explained)


def _check_one_to_one(topups: Iterable[Any], intents: dict[str, dict[str, Any]]) -> None:
    """No payment was begun twice for a top-up, and none that no top-up knows of."""
    of_topup = Counter(UUID(row["metadata"]["top_up_id"]) for row in intents.values())
    twice = [topup for topup, count in of_topup.items() if count > 1]
    known = {row["external_id"]: row["topup_id"] for row in topups if row["external_id"]}
    unknown = set(intents) - set(known)
    if twice or unknown:
        raise Broken(f"top-ups with several payments: {twice}; payments that no top-up has: {sorted(unknown)}")


def _explain(topup: Any, intent: dict[str, Any] | None) -> str:
    """Why it was not credited; raises Broken where Stripe gives no reason."""
    state = topup["state"]
    if intent is None:
        raise Broken(f"{dict(topup)} has no payment at Stripe")
    if state == "PENDING" and intent["status"] in _AWAITS_PAYER:
        return "waits for its payer"
    if state in ("FAILED", "CANCELED") and intent["status"] in _ENDED:
        return "declined"
    raise Broken(f"{dict(topup)}, and at Stripe {intent['status']}")


def _received(intent: dict[str, Any]) -> int:
    return intent["amount_received"] if intent["status"] == "succeeded" else 0
