"""The simulated Stripe account: its kinds of objects, its ids, and its events."""

import copy
import random
import string
from dataclasses import dataclass, field

from providers.simulators.account import ENDPOINTS, EVENTS, Account, AccountSettings, Clock, IdSource, Json
from providers.simulators.stripe.errors import missing

__all__ = ["Asking", "Clock", "IdSource", "Settings", "World", "random_ids"]

KINDS = (
    "customer",
    "payment_method",
    "payment_intent",
    "setup_intent",
    "charge",
    "refund",
    "dispute",
    "balance_transaction",
    "payout",
    EVENTS,
    ENDPOINTS,
)
WITHOUT_MODE = frozenset({"balance_transaction", "refund"})
"""Kinds that do not say whether they are live."""
API_VERSION = "2026-10-28.endive"
WEBHOOK_SECRET = "whsec_simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(AccountSettings):
    """How the simulated account behaves.

    `followup_delay` is how long after a payment its balance transaction, dispute or failing refund appears.
    """

    webhook_secret: str = WEBHOOK_SECRET
    api_key_prefix: str = "sk_test_"


def random_ids(rng: random.Random) -> IdSource:
    """Ids that look like Stripe's; a seeded generator repeats them."""
    alphabet = string.ascii_letters + string.digits
    return lambda prefix: f"{prefix}_{''.join(rng.choices(alphabet, k=24))}"


@dataclass(slots=True)
class Asking:
    """The request being served, which events name as their cause."""

    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(slots=True)
class World(Account[Settings]):
    """All state. `facts` holds what Stripe knows about a payment method and an endpoint and never shows."""

    tables: dict[str, dict[str, Json]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    asking: Asking = field(default_factory=Asking)

    def begin(self) -> None:
        """A request that no event is to name."""
        self.asking = Asking()

    def add(self, kind: str, prefix: str, fields: Json) -> Json:
        """Store a new object with the fields that nearly all have: id, object, created, livemode."""
        made: Json = {
            "id": self.ids(prefix),
            "object": kind,
            "created": self.now(),
            "livemode": False,
            **fields,
        }
        if kind in WITHOUT_MODE:
            del made["livemode"]
        self.tables[kind][made["id"]] = made
        return made

    def get(self, kind: str, object_id: str, param: str = "id") -> Json:
        """The stored object itself. Raises `ApiError` resource_missing."""
        found = self.tables[kind].get(object_id)
        if found is None or found.get("deleted"):
            raise missing(kind, object_id, param)
        return found

    def emit(self, event_type: str, subject: Json, previous: Json | None = None) -> Json:
        """Record an event with the object as it is now, and queue its deliveries."""
        data: Json = {"object": copy.deepcopy(subject)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = self.add(
            EVENTS,
            "evt",
            {
                "api_version": API_VERSION,
                "data": data,
                "pending_webhooks": 0,
                "request": {
                    "id": self.asking.request_id,
                    "idempotency_key": self.asking.idempotency_key,
                },
                "type": event_type,
            },
        )
        for endpoint in list(self.tables[ENDPOINTS].values()):
            if endpoint["status"] == "enabled" and _subscribed(endpoint, event_type):
                self.queue(event["id"], endpoint["id"])
        return event


def _subscribed(endpoint: Json, event_type: str) -> bool:
    return "*" in endpoint["enabled_events"] or event_type in endpoint["enabled_events"]
