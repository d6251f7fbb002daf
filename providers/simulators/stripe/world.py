"""The simulated account: its objects, its clock, its ids, and what is due to happen later.

Everything is plain JSON in memory, so that it can be written to a file and read back. Nothing here awaits: one handler
runs to its end before another begins, which is what makes each of them atomic.
"""

import copy
import json
import os
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from providers.simulators.stripe.errors import Json, missing

Clock: TypeAlias = Callable[[], datetime]
IdSource: TypeAlias = Callable[[str], str]

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
    "event",
    "webhook_endpoint",
)
WITHOUT_MODE = frozenset({"balance_transaction", "refund"})
"""Kinds that do not say whether they are live."""
API_VERSION = "2026-10-28.endive"
WEBHOOK_SECRET = "whsec_simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the simulated account behaves; delays in seconds.

    `followup_delay` is how long after a payment its balance transaction, dispute or failing refund appears.
    """

    base_url: str = "http://127.0.0.1"
    webhook_url: str | None = None
    webhook_secret: str = WEBHOOK_SECRET
    api_key_prefix: str = "sk_test_"
    followup_delay: int = 0
    shuffle_window: int = 1
    retry_delay: int = 1
    delivery_attempts_max: int = 8
    state_file: Path | None = None


def random_ids(rng: random.Random) -> IdSource:
    """Ids that look like Stripe's; a seeded generator repeats them."""
    alphabet = string.ascii_letters + string.digits
    return lambda prefix: f"{prefix}_{''.join(rng.choices(alphabet, k=24))}"


@dataclass(slots=True)
class Delivery:
    """How webhooks are delivered from now on."""

    mode: str = "normal"
    delay: int = 0


@dataclass(slots=True)
class Asking:
    """The request being served, which events name as their cause."""

    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(slots=True)
class Fault:
    """A misbehaviour for the next `times` requests whose method and path match."""

    kind: str
    method: str
    path: str
    times: int
    seconds: float


@dataclass(slots=True)
class World:
    """All state. `facts` holds what Stripe knows about a payment method and never shows, by its id."""

    settings: Settings
    clock: Clock
    ids: IdSource
    tables: dict[str, dict[str, Json]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    facts: dict[str, Json] = field(default_factory=dict[str, Json])
    followups: list[Json] = field(default_factory=list[Json])
    deliveries: list[Json] = field(default_factory=list[Json])
    idempotency: dict[str, Json] = field(default_factory=dict[str, Json])
    faults: list[Fault] = field(default_factory=list[Fault])
    delivery: Delivery = field(default_factory=Delivery)
    asking: Asking = field(default_factory=Asking)
    wake: Callable[[], None] = lambda: None

    def now(self) -> int:
        """Unix seconds by the injected clock."""
        return int(self.clock().timestamp())

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

    def newest_first(self, kind: str) -> Iterator[Json]:
        return reversed(self.tables[kind].values())

    def later(self, action: str, object_id: str, **arguments: Any) -> None:
        """Have `followups` run this after the configured delay."""
        due = self.now() + self.settings.followup_delay
        self.followups.append({"due": due, "action": action, "id": object_id, "arguments": arguments})
        self.wake()

    def emit(self, event_type: str, subject: Json, previous: Json | None = None) -> Json:
        """Record an event with the object as it is now, and queue its deliveries."""
        data: Json = {"object": copy.deepcopy(subject)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = self.add(
            "event",
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
        for endpoint in list(self.tables["webhook_endpoint"].values()):
            if endpoint["status"] == "enabled" and _subscribed(endpoint, event_type):
                self.queue(event["id"], endpoint["id"])
        return event

    def queue(self, event_id: str, endpoint_id: str) -> None:
        """Queue one delivery in the current mode; a duplicate mode queues two, a dropping one none that runs."""
        mode = self.delivery.mode
        waits = {"shuffle": self.settings.shuffle_window, "delay": self.delivery.delay}
        for _ in range(2 if mode == "duplicate" else 1):
            self.deliveries.append(
                {
                    "id": self.ids("dlv"),
                    "event": event_id,
                    "endpoint": endpoint_id,
                    "mode": mode,
                    "due": self.now() + waits.get(mode, 0),
                    "attempts": 0,
                    "state": "dropped" if mode == "drop" else "queued",
                    "status_code": None,
                }
            )
        self.wake()

    def clear(self) -> None:
        """Forget everything but the webhook endpoints."""
        for kind in KINDS:
            if kind != "webhook_endpoint":
                self.tables[kind].clear()
        for store in (
            self.facts,
            self.followups,
            self.deliveries,
            self.idempotency,
            self.faults,
        ):
            store.clear()
        self.delivery = Delivery()

    def save(self) -> None:
        """Write the state to its file, if one is set, replacing it in one step. Faults and modes are not kept."""
        path = self.settings.state_file
        if path is None:
            return
        state = {
            "tables": self.tables,
            "facts": self.facts,
            "followups": self.followups,
            "deliveries": self.deliveries,
            "idempotency": self.idempotency,
        }
        partial = path.with_suffix(path.suffix + ".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(state, file)
        partial.replace(path)

    def load(self) -> None:
        """Read the state back, if there is a file. A request that was in progress is forgotten with its key."""
        path = self.settings.state_file
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            return
        state: Json = json.loads(path.read_text(encoding="utf-8"))
        self.tables = {kind: state["tables"].get(kind, {}) for kind in KINDS}
        self.facts, self.followups, self.deliveries = (
            state["facts"],
            state["followups"],
            state["deliveries"],
        )
        self.idempotency = {key: kept for key, kept in state["idempotency"].items() if kept["status"] is not None}


def _subscribed(endpoint: Json, event_type: str) -> bool:
    return "*" in endpoint["enabled_events"] or event_type in endpoint["enabled_events"]
