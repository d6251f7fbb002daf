"""The state that every simulated account has: objects, clock, ids, deliveries, keys, and what is due to happen later.

Everything is plain JSON in memory, so that it can be written to a file and read back. Nothing here awaits: one handler
runs to its end before another begins, which is what makes each of them atomic.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

Json: TypeAlias = dict[str, Any]
Clock: TypeAlias = Callable[[], datetime]
IdSource: TypeAlias = Callable[[str], str]

EVENTS = "event"
ENDPOINTS = "webhook_endpoint"
_SAVING_SHARE = 20
"""At most one part in so many of the time is spent on saving."""


class Refusal(Exception):
    """A request that is not fulfilled, with the answer it gets. Vendors give it their own shape."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def body(self) -> Json:
        return {"error": {"message": str(self)}}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """How a simulated account behaves; delays in seconds.

    `followup_delay` is how long after a request its consequences appear. `state_file` keeps the state over restarts.
    """

    base_url: str = "http://127.0.0.1"
    webhook_url: str | None = None
    webhook_secret: str = "whsec_simulated"
    followup_delay: int = 0
    shuffle_window: int = 1
    retry_delay: int = 1
    delivery_attempts_max: int = 8
    state_file: Path | None = None


@dataclass(slots=True)
class Delivery:
    """How webhooks are delivered from now on."""

    mode: str = "normal"
    delay: int = 0


@dataclass(slots=True)
class Fault:
    """A misbehaviour for the next `times` requests whose method and path match."""

    kind: str
    method: str
    path: str
    times: int
    seconds: float


SettingsT = TypeVar("SettingsT", bound=AccountSettings)


@dataclass(slots=True)
class Account(Generic[SettingsT]):
    """All state. `facts` holds what the vendor knows about an object and never shows, by the object's id."""

    settings: SettingsT
    clock: Clock
    ids: IdSource
    tables: dict[str, dict[str, Json]] = field(default_factory=lambda: {EVENTS: {}, ENDPOINTS: {}})
    facts: dict[str, Json] = field(default_factory=dict[str, Json])
    followups: list[Json] = field(default_factory=list[Json])
    deliveries: list[Json] = field(default_factory=list[Json])
    idempotency: dict[str, Json] = field(default_factory=dict[str, Json])
    faults: list[Fault] = field(default_factory=list[Fault])
    delivery: Delivery = field(default_factory=Delivery)
    wake: Callable[[], None] = lambda: None
    waiting: list[Json] = field(default_factory=list[Json])
    is_unsaved: bool = False
    save_after_seconds: float = 0.0

    def queued(self) -> list[Json]:
        """Deliveries that are still to be made."""
        self.waiting = [row for row in self.waiting if row["state"] == "queued"]
        return list(self.waiting)

    def now(self) -> int:
        """Unix seconds by the injected clock."""
        return int(self.clock().timestamp())

    def newest_first(self, kind: str) -> Iterator[Json]:
        return reversed(self.tables[kind].values())

    def later(self, action: str, object_id: str, **arguments: Any) -> None:
        """Have this done after the configured delay."""
        self.at(self.now() + self.settings.followup_delay, action, object_id, **arguments)

    def at(self, due: int, action: str, object_id: str, **arguments: Any) -> None:
        """Have this done at `due`, in Unix seconds."""
        self.followups.append({"due": due, "action": action, "id": object_id, "arguments": arguments})
        self.wake()

    def take_due(self, *, everything: bool) -> Json | None:
        """The next followup that is due by the clock, or any; it is removed from the list."""
        for index, row in enumerate(self.followups):
            if everything or row["due"] <= self.now():
                return self.followups.pop(index)
        return None

    def queue(self, event_id: str, endpoint_id: str) -> None:
        """Queue one delivery in the current mode; a duplicate mode queues two, a dropping one none that runs."""
        mode = self.delivery.mode
        waits = {"shuffle": self.settings.shuffle_window, "delay": self.delivery.delay}
        for _ in range(2 if mode == "duplicate" else 1):
            made: Json = {
                "id": self.ids("dlv"),
                "event": event_id,
                "endpoint": endpoint_id,
                "mode": mode,
                "due": self.now() + waits.get(mode, 0),
                "attempts": 0,
                "state": "dropped" if mode == "drop" else "queued",
                "status_code": None,
            }
            self.deliveries.append(made)
            self.waiting.append(made)
        self.wake()

    def clear(self) -> None:
        """Forget everything but the webhook endpoints and their secrets."""
        for kind, rows in self.tables.items():
            if kind != ENDPOINTS:
                rows.clear()
        self.facts = {key: fact for key, fact in self.facts.items() if key in self.tables[ENDPOINTS]}
        for store in (
            self.followups,
            self.deliveries,
            self.waiting,
            self.idempotency,
            self.faults,
        ):
            store.clear()
        self.delivery = Delivery()

    def save(self) -> None:
        """Have the state written soon: at once if that takes little of the time since it was written last.

        The state grows with all that ever happened, so writing it for each request would take ever longer.
        """
        self.is_unsaved = True
        if time.monotonic() >= self.save_after_seconds:
            self.save_now()

    def save_now(self) -> None:
        """Write the state to its file, if one is set, replacing it in one step. Faults and modes are not kept."""
        self.is_unsaved = False
        path = self.settings.state_file
        if path is None:
            return
        begun_seconds = time.monotonic()
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
            file.write(json.dumps(state))
        partial.replace(path)
        ended_seconds = time.monotonic()
        self.save_after_seconds = ended_seconds + _SAVING_SHARE * (ended_seconds - begun_seconds)

    def load(self) -> None:
        """Read the state back, if there is a file. A request that was in progress is forgotten with its key."""
        path = self.settings.state_file
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            return
        state: Json = json.loads(path.read_text(encoding="utf-8"))
        self.tables = {kind: state["tables"].get(kind, {}) for kind in self.tables}
        self.facts, self.followups, self.deliveries = (
            state["facts"],
            state["followups"],
            state["deliveries"],
        )
        self.waiting = list(self.deliveries)
        self.idempotency = {key: kept for key, kept in state["idempotency"].items() if kept["status"] is not None}
