"""Values of usage: what is asked, what is known, what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Call:
    """The events of one call, all of one organization. With `all_or_nothing` one refused event refuses them all.

    moment: the time that the organization lives in, if it is not real time.
    """

    org_id: UUID
    events: tuple[ReadEvent | Fault, ...]
    all_or_nothing: bool = False
    ignore_age: bool = False
    moment: datetime | None = None


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


class RatedEvent(NamedTuple):
    """An event to be written. Costs are exact minor units of `currency`, after the discount."""

    org_id: UUID
    event_id: UUID
    project_id: UUID
    read: ReadEvent
    event_time: datetime
    currency: str
    unit_price_minor: Decimal
    cost_minor: Decimal
    discount_minor: Decimal


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
