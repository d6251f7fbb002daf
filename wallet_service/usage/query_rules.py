"""What a usage query asks for, and how its range of time is cut into whole hours and what is left at the ends."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from ledger.money import round_half_even

_HOUR: Final = timedelta(hours=1)


class Bucket(StrEnum):
    """Width of a bucket, in UTC."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class Dimension(StrEnum):
    """What usage is grouped by. Rows are in the order of the members, whatever order they were asked in."""

    CATEGORY = "category"
    PROJECT = "project"
    METER = "meter"
    RESOURCE = "resource"
    DATACENTER = "datacenter"


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Usage of one organization, or of one of its projects, at or after `start` (None: ever) and before `end`.

    currency: only what was charged in it; "" for any.
    """

    org_id: UUID
    project_id: UUID | None
    meter_prefix: str
    start: datetime | None
    end: datetime
    bucket: Bucket
    dimensions: tuple[Dimension, ...]
    currency: str


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One group in one bucket. A dimension that was not asked for is "". Costs are minor units, after the discount.

    quantity is None, and unit "", when the group holds more than one unit.
    """

    bucket_start: datetime
    category: str
    project: str
    meter: str
    resource: str
    datacenter: str
    currency: str
    quantity: Decimal | None
    unit: str
    cost_minor_exact: Decimal
    discount_minor_exact: Decimal

    @property
    def cost_minor(self) -> int:
        """Whole minor units, rounded half to even, each row by itself: for display."""
        return round_half_even(self.cost_minor_exact)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a row stands: its bucket, and the texts of its dimensions and currency, in their order."""

    bucket_start: datetime
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """From `start`, inclusive (None: ever), to `end`, exclusive."""

    start: datetime | None
    end: datetime


@dataclass(frozen=True, slots=True)
class Cut:
    """A range as whole hours, which the roll-up knows, and the rest, which only the events know."""

    hours: Span | None
    rest: tuple[Span, ...]


def cut(start: datetime | None, end: datetime) -> Cut:
    """The parts are disjoint and together are exactly [start, end). Times are aware UTC."""
    if start is not None and start >= end:
        return Cut(None, ())
    first_hour = None if start is None else _hour_at_or_after(start)
    last_hour = _hour_at_or_before(end)
    if start is None or first_hour is None:
        return Cut(Span(None, last_hour), _nonempty(last_hour, end))
    if first_hour > last_hour:
        return Cut(None, (Span(start, end),))
    hours = Span(first_hour, last_hour) if first_hour < last_hour else None
    return Cut(hours, (*_nonempty(start, first_hour), *_nonempty(last_hour, end)))


def position_of(row: UsageRow, dimensions: Iterable[Dimension]) -> Position:
    texts = [str(getattr(row, dimension.value)) for dimension in dimensions]
    return Position(row.bucket_start, (*texts, row.currency))


def row_digest(texts: Iterable[str]) -> str:
    """Stands for the texts of a position where they are too long for a page token."""
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()


def in_order(dimensions: Iterable[Dimension]) -> tuple[Dimension, ...]:
    """Each dimension once, in the order of rows."""
    asked = frozenset(dimensions)
    return tuple(dimension for dimension in Dimension if dimension in asked)


def bucket_start(bucket: Bucket, at: datetime) -> datetime:
    """Start of the bucket that `at` (aware UTC) lies in."""
    hour = _hour_at_or_before(at)
    if bucket is Bucket.HOUR:
        return hour
    day = hour.replace(hour=0)
    return day if bucket is Bucket.DAY else day.replace(day=1)


def bucket_end(bucket: Bucket, start: datetime) -> datetime:
    """Where the bucket that begins at `start` ends."""
    if bucket is Bucket.HOUR:
        return start + _HOUR
    if bucket is Bucket.DAY:
        return start + timedelta(days=1)
    return (start + timedelta(days=31)).replace(day=1)


def _nonempty(start: datetime, end: datetime) -> tuple[Span, ...]:
    return (Span(start, end),) if start < end else ()


def _hour_at_or_before(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _hour_at_or_after(at: datetime) -> datetime:
    hour = _hour_at_or_before(at)
    return hour if hour == at else hour + _HOUR
