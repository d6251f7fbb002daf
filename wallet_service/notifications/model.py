"""Who is told of what, as values. Times are aware UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class DeliveryState(StrEnum):
    """What became of a message. The value is stored."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller asks for: an address, perhaps a masked one, and types or prefixes with `.*`; none for the default."""

    address: str
    event_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody to tell. `address` is an email address or a chat URL, and secret."""

    target_id: UUID
    address: str
    event_types: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """A target as callers may see it."""

    address: str
    event_types: Sequence[str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one target about one event."""

    org_id: UUID
    event_seq: int
    target_id: UUID
    state: DeliveryState
    attempt_count: int


@dataclass(frozen=True, slots=True)
class Message:
    """Plain text. `title` is one line."""

    title: str
    body: str
