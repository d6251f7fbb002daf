"""What the clients of a run share, and what one of them has for itself."""

import random
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulation.books import Broken
from tests.torture.calling import Client, Outages, Refused
from tests.torture.gate import Gate
from tests.torture.journal import Journal, Tenant, Write
from tests.torture.payer import Stripe

DECLINED: Final = frozenset({"PAYMENT_DECLINED"})
_KEPT: Final = 50
_WITHOUT_KEY: Final = frozenset({"limit"})
"""What is not sent again once it was acknowledged: by then it may have been replaced, and would be put back."""

NAMES: Final[Mapping[str, Callable[[Any], tuple[str, ...]]]] = {
    "Deposit": lambda answer: (answer.journal_entry.name,),
    "RecordJournalEntry": lambda answer: (answer.journal_entry_id,),
    "Refund": lambda answer: (answer.journal_entry.name,),
    "CreateHold": lambda answer: (answer.hold.name,),
    "CaptureHold": lambda answer: (answer.journal_entry_name,),
    "ReleaseHold": lambda answer: (answer.hold.name,),
    "RecordUsageEvent": lambda answer: (answer.usage_event_id,),
    "RecordUsageEvents": lambda answer: tuple(result.usage_event_name for result in answer.results),
    "CreateStripeTopUpIntent": lambda answer: (answer.top_up.name,),
    "SetSpendingLimit": lambda answer: (answer.limit.wallet_name,),
}
"""What a write has made, by its method: the same for every repetition."""


@dataclass
class Scene:
    """One run. `failures`: what was found wrong, the first of which ends it."""

    seed: int
    target: str
    operator_key: str
    tenants: Sequence[Tenant]
    journal: Journal
    stripe: Stripe
    outages: Outages = field(default_factory=Outages)
    stopping: threading.Event = field(default_factory=threading.Event)
    failures: list[BaseException] = field(default_factory=list[BaseException])

    def __post_init__(self) -> None:
        self.gate = Gate(self.stopping)

    def client(self) -> Client:
        return Client(self.target, self.journal, self.outages, self.stopping)

    def fail(self, error: BaseException) -> None:
        self.failures.append(error)
        self.stopping.set()

    def check(self) -> None:
        """Raises what a client has found."""
        if self.failures:
            raise self.failures[0]


class Caller:
    """One client of the run with its chance and its keys."""

    def __init__(self, number: int, scene: Scene, client: Client) -> None:
        self.scene = scene
        self.chance = random.Random(f"{scene.seed}/{number}")
        self.client = client
        self._number = number
        self._key_count = 0
        self.attempt_count = 0
        """Of the last write that was acknowledged."""
        self._done = deque[Write](maxlen=_KEPT)

    def key(self) -> str:
        """A key that was not used before."""
        self._key_count += 1
        return f"client-{self._number}-{self._key_count}"

    def some_tenant(self) -> Tenant:
        """Half of everything is about the first one: the hot wallet."""
        tenants = self.scene.tenants
        return tenants[0] if self.chance.random() < 0.5 else self.chance.choice(tenants)

    def write(
        self, kind: str, tenant: Tenant, method: str, request: Any, key: str, *, refusals: frozenset[str] = frozenset()
    ) -> Any | None:
        """The answer, None for one of `refusals`. Any other raises Broken."""
        write = Write(kind, tenant, method, request, key)
        try:
            answer = self.client.write(write, self._secret(write))
        except Refused as refused:
            if refused.reason in refusals:
                return None
            raise Broken(f"{kind} {key} of {tenant.slug} was refused: {refused}") from refused
        self.scene.journal.is_acknowledged(write, NAMES[method.rpartition("/")[2]](answer))
        self.attempt_count = write.attempt_count
        if kind not in _WITHOUT_KEY:
            self._done.append(write)
        return answer

    def must_write(self, kind: str, tenant: Tenant, method: str, request: Any, key: str) -> Any:
        """The answer of what nothing may refuse."""
        return self.write(kind, tenant, method, request, key)

    def read(self, tenant: Tenant, method: str, request: Any) -> Any:
        return self.client.read(method, request, tenant.api_key)

    def repeat(self) -> None:
        """Send again what was acknowledged: it has to be answered as before."""
        if not self._done:
            return
        write = self.chance.choice(self._done)
        try:
            answer = self.client.read(write.method, write.request, self._secret(write))
        except Refused as refused:
            # The payer's card may have been declined since.
            if write.kind == "top-up" and refused.reason in DECLINED:
                return
            raise Broken(
                f"{write.kind} {write.key} had been acknowledged, and was refused again: {refused}"
            ) from refused
        names = NAMES[write.method.rpartition("/")[2]](answer)
        if names != write.names:
            raise Broken(f"{write.kind} {write.key} was answered {write.names} first, and {names} when it was repeated")
        self.scene.journal.was_repeated()

    def _secret(self, write: Write) -> str:
        return write.tenant.api_key if write.method.startswith("wallet.v1.") else self.scene.operator_key
