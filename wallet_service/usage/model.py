"""Values of usage: what is asked, what is known, what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple
from uuid import UUID

from wallet_service.errors import Reason
from wallet_service.rating.rules import DiscountWindow

_NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an event is refused: a published reason, and words for people that hold nothing of another tenant."""

    reason: Reason
    message: str


class NewEvent(NamedTuple):
    """An event as asked for. (Tuples, here and below, because there is one for each of a thousand events.)

    project: slug; empty means the organization's only project. quantity: decimal text. unit: empty means the meter's.
    event_time: aware, to the microsecond; None means when it is recorded. resource, datacenter: empty for none.
    fault: what the conversion from the wire found wrong; such an event is refused with it.
    """

    project: str
    meter: str
    quantity: str
    key: str
    resource: str = ""
    datacenter: str = ""
    unit: str = ""
    event_time: datetime | None = None
    metadata: Mapping[str, str] = _NO_METADATA
    fault: Fault | None = None


class ReadEvent(NamedTuple):
    """An event that is well formed by itself; hashes are 16 bytes each. `wanted` is what was asked."""

    wanted: NewEvent
    quantity: Decimal
    key_hash: bytes
    content_hash: bytes


class Columns(NamedTuple):
    """Events as asked for, column by column, each as said at `NewEvent`. `metadata` is empty when none has any."""

    projects: Sequence[str]
    meters: Sequence[str]
    quantities: Sequence[str]
    keys: Sequence[str]
    resources: Sequence[str]
    datacenters: Sequence[str]
    units: Sequence[str]
    event_times: Sequence[datetime | None]
    metadata: Sequence[Mapping[str, str]] = ()

    def rows(self) -> list[NewEvent]:
        return [
            NewEvent(project, meter, quantity, key, resource, datacenter, unit, event_time, pairs)
            for project, meter, quantity, key, resource, datacenter, unit, event_time, pairs in zip(
                *self[:8], self.metadata or [_NO_METADATA] * len(self.keys), strict=True
            )
        ]


class Pattern(NamedTuple):
    """What events of a call have in common: all that their cost depends on, and a little more."""

    project: str
    meter: str
    unit: str
    datacenter: str
    quantity: Decimal
    event_time: datetime | None


@dataclass(frozen=True, slots=True)
class ReadColumns:
    """Events that are all well formed by themselves. `pattern_of` is the position in `patterns`, of each event."""

    columns: Columns
    patterns: Sequence[Pattern]
    pattern_of: Sequence[int]
    key_hashes: Sequence[bytes]
    content_hashes: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.key_hashes)

    def rows(self) -> list[ReadEvent]:
        return [
            ReadEvent(wanted, self.patterns[number].quantity, key_hash, content_hash)
            for wanted, number, key_hash, content_hash in zip(
                self.columns.rows(), self.pattern_of, self.key_hashes, self.content_hashes, strict=True
            )
        ]


@dataclass(frozen=True, slots=True)
class Call:
    """The events of one call, all of one organization. With `all_or_nothing` one refused event refuses them all.

    moment: the time that the organization lives in, if it is not real time.
    """

    org_id: UUID
    events: tuple[ReadEvent | Fault, ...] | ReadColumns
    all_or_nothing: bool = False
    ignore_age: bool = False
    moment: datetime | None = None

    def rows(self) -> Sequence[ReadEvent | Fault]:
        return self.events.rows() if isinstance(self.events, ReadColumns) else self.events


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known of an organization: its open wallet, its projects by slug (those asked for, at least), and the discounts
    that its usage ever had."""

    currency: str
    wallet_account: UUID | None
    usage_age_max: timedelta
    projects: Mapping[str, UUID]
    only_project: UUID | None
    discounts: tuple[DiscountWindow, ...] = ()


class KnownEvent(NamedTuple):
    """An event recorded before."""

    event_id: UUID
    content_hash: bytes
    quantity: Decimal
    cost_minor: Decimal


class PricedPattern(NamedTuple):
    """What is stored alike of several events. Costs are exact minor units, of each event, after the discount."""

    org_id: UUID
    project_id: UUID
    meter: str
    datacenter: str
    currency: str
    quantity: Decimal
    unit_price_minor: Decimal
    cost_minor: Decimal
    discount_minor: Decimal
    event_time: datetime


class RatedEvent(NamedTuple):
    """An event to be written."""

    event_id: UUID
    read: ReadEvent
    priced: PricedPattern


@dataclass(frozen=True, slots=True)
class NewRows:
    """Events to be written, column by column. `pattern_of` is the position in `patterns`, of each event; event_ids are
    texts; `metadata` is JSON, empty when no event has any."""

    patterns: list[PricedPattern] = field(default_factory=list[PricedPattern])
    pattern_of: list[int] = field(default_factory=list[int])
    resources: list[str] = field(default_factory=list[str])
    keys: list[str] = field(default_factory=list[str])
    event_ids: list[str] = field(default_factory=list[str])
    key_hashes: list[bytes] = field(default_factory=list[bytes])
    content_hashes: list[bytes] = field(default_factory=list[bytes])
    metadata: list[str | None] = field(default_factory=list[str | None])

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True)
class Batch:
    """One organization's part of a transaction. `journal_entry_id` None: the carry absorbed the cost, or there was none."""

    org_id: UUID
    batch_id: UUID
    currency: str
    event_count: int
    cost_minor: Decimal
    journal_entry_id: UUID | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """Recorded now. `cost_minor` is exact; a correction has a negative quantity."""

    event_id: UUID
    cost_minor: Decimal
    correction: bool


@dataclass(frozen=True, slots=True)
class DuplicateEvent:
    """Recorded before under this key with the same content; nothing changed."""

    event_id: UUID
    cost_minor: Decimal
    correction: bool


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """Not recorded. The key is not used up."""

    reason: Reason
    message: str


EventResult = Recorded | DuplicateEvent | RefusedEvent


@dataclass(frozen=True, slots=True)
class AllRecorded:
    """Every event of a call is recorded now. Event ids as texts; costs, and whether it is a correction, by pattern."""

    event_ids: Sequence[str]
    pattern_of: Sequence[int]
    costs_minor: Sequence[Decimal]
    corrections: Sequence[bool]

    def each(self) -> list[EventResult]:
        return [
            Recorded(UUID(event_id), self.costs_minor[number], self.corrections[number])
            for event_id, number in zip(self.event_ids, self.pattern_of, strict=True)
        ]


CallResult = list[EventResult] | AllRecorded


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """A recorded event as it is shown."""

    event_id: UUID
    project: str
    meter: str
    unit: str
    resource: str
    datacenter: str
    quantity: Decimal
    event_time: datetime
    recorded_at: datetime
    currency: str
    unit_price_minor: Decimal
    cost_minor: Decimal
    metadata: Mapping[str, str]
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an event was settled: the entry of the batch that carried it (None: the carry absorbed all of it)."""

    journal_entry_id: UUID | None
    cost_minor: Decimal
    currency: str
