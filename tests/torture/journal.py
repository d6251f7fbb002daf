"""What the clients have written down: every write with its key before it is sent, and what became of it.

It is kept in memory and, line by line, in a file beside the installation, for whoever has to find out what went wrong.
"""

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.simulation.model import Customer


@dataclass(slots=True)
class Tenant:
    """One organization: what its wallet has to be by what was answered, and who may change that.

    cards: names of saved ones. topups: payments at Stripe by the id of the top-up. limit_minor: the spending limit, which is
    set by one client at a time; limits_open: those asked for by attempts that were given up, which may be served later.
    """

    customer: Customer
    api_key: str
    is_recharged: bool = False
    cards: tuple[str, ...] = ()
    lock: threading.Lock = field(default_factory=threading.Lock)
    event_count: int = 0
    topups: dict[UUID, str] = field(default_factory=dict[UUID, str])
    limit_minor: int | None = None
    limits_open: set[int] = field(default_factory=set[int])
    limit_lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def slug(self) -> str:
        return self.customer.wallet.org_slug

    @property
    def name(self) -> str:
        return f"organizations/{self.slug}"

    @property
    def wallet(self) -> str:
        return f"{self.name}/wallets/default"

    @property
    def project(self) -> str:
        return f"projects/{self.slug}-main"


@dataclass(slots=True)
class Write:
    """One write. `names`: of what it has made, from its first answer."""

    kind: str
    tenant: Tenant
    method: str
    request: Any
    key: str
    attempt_count: int = 0
    names: tuple[str, ...] = ()


class Journal:
    """Used by all clients at the same time.

    sent, acknowledged, refused: writes by kind. unknown_count: attempts without a definite answer, hinted_count of them with
    a refusal that says when to come back. resent_count: attempts but the first. repeated_count: of acknowledged writes.
    last_resolved_seconds: when a write was answered whose outcome had been unknown.
    """

    def __init__(self, file: Path) -> None:
        self.sent = Counter[str]()
        self.acknowledged = Counter[str]()
        self.refused = Counter[str]()
        self.unknown_count = 0
        self.resent_count = 0
        self.repeated_count = 0
        self.hinted_count = 0
        self.refusals = Counter[str]()
        self.last_answer_seconds = 0.0
        self.last_resolved_seconds = 0.0
        self.pending: dict[str, Write] = {}
        self._fresh: list[Write] = []
        self._lock = threading.Lock()
        self._file = file.open("w", buffering=1)

    def will_send(self, write: Write) -> None:
        with self._lock:
            write.attempt_count += 1
            if write.attempt_count > 1:
                self.resent_count += 1
            else:
                self.sent[write.kind] += 1
                self.pending[write.key] = write
            self._note(write, "sent")

    def not_known(self, write: Write, why: str, *, is_hinted: bool) -> None:
        """No answer, or one that leaves open what became of it."""
        with self._lock:
            self.unknown_count += 1
            self.hinted_count += is_hinted
            self._note(write, "unknown", why=why)

    def is_acknowledged(self, write: Write, names: tuple[str, ...]) -> None:
        with self._lock:
            write.names = names
            self.acknowledged[write.kind] += 1
            self._answered(write)
            self._fresh.append(write)
            self._note(write, "acknowledged", names=names)

    def is_refused(self, write: Write, reason: str) -> None:
        with self._lock:
            self.refused[write.kind] += 1
            self.refusals[reason] += 1
            self._answered(write)
            self._note(write, "refused", reason=reason)

    def was_repeated(self) -> None:
        """A write that had been acknowledged was sent once more, and answered as before."""
        with self._lock:
            self.repeated_count += 1

    def mark(self, what: str) -> None:
        """Write down what was done to the service meanwhile."""
        with self._lock:
            self._file.write(json.dumps({"at": round(time.time(), 3), "state": "mark", "what": what}) + "\n")

    def take_fresh(self) -> list[Write]:
        """What was acknowledged since this was asked last."""
        with self._lock:
            fresh, self._fresh = self._fresh, []
        return fresh

    def close(self) -> None:
        self._file.close()

    def _answered(self, write: Write) -> None:
        self.last_answer_seconds = time.monotonic()
        if write.attempt_count > 1:
            self.last_resolved_seconds = self.last_answer_seconds
        del self.pending[write.key]

    def _note(self, write: Write, state: str, **more: object) -> None:
        line = {"at": round(time.time(), 3), "state": state, "kind": write.kind, "key": write.key, **more}
        if state == "sent" and write.attempt_count == 1:
            line |= {"of": write.tenant.slug, "request": str(write.request)}
        self._file.write(json.dumps(line) + "\n")
