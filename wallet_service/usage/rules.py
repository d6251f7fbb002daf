"""What becomes of each event of a batch: pure, in order.

Which refusal wins: a malformed event, then a key used with other content, then no open wallet, unknown meter, unknown
project, another unit, a time too far ahead, a time too old, no rate in force, a cost out of range.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from wallet_service.catalog.rules import MeterTariff
from wallet_service.errors import Reason
from wallet_service.rating.rules import COST_MINOR_MAX, charge, discount_in_force, parse_quantity, rate_in_force
from wallet_service.usage.model import (
    Call,
    DuplicateEvent,
    EventResult,
    Fault,
    KnownEvent,
    NewEvent,
    Pattern,
    PricedPattern,
    RatedEvent,
    ReadEvent,
    Recorded,
    RefusedEvent,
    Scope,
)

KEY_LENGTH_MAX: Final = 255
RESOURCE_LENGTH_MAX: Final = 512
DATACENTER_LENGTH_MAX: Final = 255
METADATA_PAIRS_MAX: Final = 64
METADATA_LENGTH_MAX: Final = 1000
HASH_BYTES: Final = 16

Keys = dict[tuple[UUID, bytes], KnownEvent]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What was read before the decision: organizations, meters, and events recorded before (by organization and key)."""

    scopes: Mapping[UUID, Scope]
    tariffs: Mapping[str, MeterTariff]
    known: Mapping[tuple[UUID, bytes], KnownEvent]


@dataclass(frozen=True, slots=True)
class Decision:
    """Results, call by call and event by event, and the events to write."""

    results: list[list[EventResult]] = field(default_factory=list[list[EventResult]])
    rated: list[RatedEvent] = field(default_factory=list[RatedEvent])


def read_event(wanted: NewEvent) -> ReadEvent | Fault:
    """Check what can be checked without knowing anything else, and hash the key and the content."""
    fault = wanted.fault or _fault_of_length(wanted)
    if fault is not None:
        return fault
    quantity = parse_quantity(wanted.quantity)
    if quantity is None:
        return Fault(
            Reason.QUANTITY_OUT_OF_RANGE,
            "the quantity must be decimal text of up to 18 digits before and 12 after the point",
        )
    content = _content(wanted, quantity)
    if content is None:
        return Fault(Reason.INVALID_FIELD, "a text has a NUL character or is not Unicode")
    return ReadEvent(wanted, quantity, key_hash(wanted.key), hash_of(content))


def key_hash(key: str) -> bytes:
    """16 bytes for a key of any length."""
    return hash_of(key.encode())


def decide(
    calls: Sequence[Call],
    knowledge: Knowledge,
    *,
    now: datetime,
    ahead_max: timedelta,
    make_id: Callable[[], UUID],
) -> Decision:
    """What becomes of every event. Earlier events of the batch count as recorded for later ones with the same key."""
    decision = Decision()
    keys: Keys = dict(knowledge.known)
    for call in calls:
        judge = Judge(call, knowledge, keys, now=now, ahead_max=ahead_max, make_id=make_id)
        results = [judge.result_of(event) for event in call.rows()]
        decision.results.append(results)
        if not (call.all_or_nothing and any(isinstance(r, RefusedEvent) for r in results)):
            decision.rated.extend(judge.rated)
            keys.update(judge.fresh)
    return decision


class Judge:
    """Decides one call; what it would record is in `rated` and `fresh` until the call is accepted."""

    def __init__(
        self,
        call: Call,
        knowledge: Knowledge,
        keys: Keys,
        *,
        now: datetime,
        ahead_max: timedelta,
        make_id: Callable[[], UUID],
    ) -> None:
        self.rated: list[RatedEvent] = []
        self.fresh: Keys = {}
        self._call = call
        self._scope = knowledge.scopes.get(call.org_id)
        self._tariffs = knowledge.tariffs
        self._keys = keys
        self._now = now
        self._ahead_max = ahead_max
        self._latest = now + ahead_max
        self._make_id = make_id

    def result_of(self, event: ReadEvent | Fault) -> EventResult:
        if isinstance(event, Fault):
            return RefusedEvent(event.reason, event.message)
        key = (self._call.org_id, event.key_hash)
        known = self.fresh.get(key) or self._keys.get(key)
        if known is not None:
            return _replayed(event, known)
        wanted = event.wanted
        priced = self.price(
            Pattern(wanted.project, wanted.meter, wanted.unit, wanted.datacenter, event.quantity, wanted.event_time)
        )
        if isinstance(priced, Fault):
            return RefusedEvent(priced.reason, priced.message)
        event_id = self._make_id()
        self.rated.append(RatedEvent(event_id, event, priced))
        self.fresh[key] = KnownEvent(event_id, event.content_hash, event.quantity, priced.cost_minor)
        return Recorded(event_id, priced.cost_minor, correction=event.quantity < 0)

    def price(self, pattern: Pattern) -> PricedPattern | Fault:
        """What each event of this pattern costs."""
        scope = self._scope
        if scope is None or scope.wallet_account is None:
            return Fault(Reason.ACCOUNT_CLOSED, "the organization has no open wallet")
        tariff = self._tariffs.get(pattern.meter)
        if tariff is None:
            return Fault(Reason.METER_UNKNOWN, f"no meter is named {pattern.meter}")
        project_id = scope.projects.get(pattern.project) if pattern.project else scope.only_project
        if project_id is None:
            return _project_unknown(pattern.project)
        if pattern.unit and pattern.unit != tariff.unit:
            return Fault(Reason.UNIT_MISMATCH, f"{pattern.meter} is measured in {tariff.unit}, not in {pattern.unit}")
        event_time = pattern.event_time or self._now
        fault = self._fault_of_time(event_time, scope)
        if fault is not None:
            return fault
        price = rate_in_force(tariff.rates.get(scope.currency, ()), event_time)
        if price is None:
            return Fault(
                Reason.RATE_MISSING,
                f"{pattern.meter} has no rate in {scope.currency} in force at {event_time.isoformat()}",
            )
        charged = charge(pattern.quantity, price, discount_percent=discount_in_force(scope.discounts, event_time))
        if charged.cost_minor.copy_abs() > COST_MINOR_MAX:
            return Fault(Reason.QUANTITY_OUT_OF_RANGE, f"the cost exceeds {COST_MINOR_MAX} minor units")
        return PricedPattern(
            org_id=self._call.org_id,
            project_id=project_id,
            meter=pattern.meter,
            datacenter=pattern.datacenter,
            currency=scope.currency,
            quantity=pattern.quantity,
            unit_price_minor=price,
            cost_minor=charged.cost_minor,
            discount_minor=charged.discount_minor,
            event_time=event_time,
        )

    def _fault_of_time(self, event_time: datetime, scope: Scope) -> Fault | None:
        if event_time > self._latest:
            return Fault(
                Reason.EVENT_IN_FUTURE,
                f"the event lies more than {int(self._ahead_max.total_seconds())} seconds ahead",
            )
        if not self._call.ignore_age and self._now - event_time > scope.usage_age_max:
            return Fault(
                Reason.EVENT_TOO_OLD,
                f"the event is older than {int(scope.usage_age_max.total_seconds())} seconds",
            )
        return None


def _replayed(event: ReadEvent, known: KnownEvent) -> EventResult:
    if known.content_hash != event.content_hash:
        return RefusedEvent(Reason.IDEMPOTENCY_KEY_REUSED, "this idempotency key was used before with other content")
    return DuplicateEvent(known.event_id, known.cost_minor, correction=known.quantity < 0)


def _project_unknown(project: str) -> Fault:
    if project:
        return Fault(Reason.PROJECT_UNKNOWN, f"the organization has no project {project}")
    return Fault(Reason.PROJECT_UNKNOWN, "name a project: the organization has none, or more than one")


def _fault_of_length(wanted: NewEvent) -> Fault | None:
    if not 1 <= len(wanted.key) <= KEY_LENGTH_MAX:
        return Fault(Reason.INVALID_FIELD, f"idempotency_key: must be 1 to {KEY_LENGTH_MAX} characters")
    if len(wanted.resource) > RESOURCE_LENGTH_MAX:
        return Fault(Reason.INVALID_FIELD, f"resource_name: has more than {RESOURCE_LENGTH_MAX} characters")
    if len(wanted.datacenter) > DATACENTER_LENGTH_MAX:
        return Fault(Reason.INVALID_FIELD, f"datacenter_name: has more than {DATACENTER_LENGTH_MAX} characters")
    return fault_of_metadata(wanted.metadata)


def fault_of_metadata(metadata: Mapping[str, str]) -> Fault | None:
    if len(metadata) > METADATA_PAIRS_MAX:
        return Fault(Reason.INVALID_FIELD, f"metadata: has more than {METADATA_PAIRS_MAX} pairs")
    for pair in metadata.items():
        if max(map(len, pair)) > METADATA_LENGTH_MAX:
            return Fault(Reason.INVALID_FIELD, f"metadata: a text has more than {METADATA_LENGTH_MAX} characters")
    return None


def _content(wanted: NewEvent, quantity: Decimal) -> bytes | None:
    """What the key stands for, field by field with NUL between; None when a text has a NUL of its own or lone surrogates,
    neither of which PostgreSQL keeps."""
    parts = [
        wanted.project,
        wanted.meter,
        wanted.resource,
        wanted.datacenter,
        wanted.unit,
        wanted.key,
        str(quantity),
        time_in_content(wanted.event_time),
    ]
    for pair in sorted(wanted.metadata.items()):
        parts += pair
    text = "\0".join(parts)
    if text.count("\0") != len(parts) - 1:
        return None
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def time_in_content(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).isoformat()


def hash_of(content: bytes) -> bytes:
    """16 bytes."""
    return hashlib.blake2b(content, digest_size=HASH_BYTES).digest()
