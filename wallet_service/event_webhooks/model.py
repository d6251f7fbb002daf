"""Endpoints and deliveries as values. Times are aware UTC."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum


class EndpointState(StrEnum):
    """Whether events are sent. The value is stored."""

    ACTIVE = "active"
    PAUSED = "paused"


class Attempts(Enum):
    """Which endpoints are due: those whose next event is sent for the first time, those where it has failed before, both."""

    FIRST = 1
    REPEATED = 2
    ALL = 3


class PausedReason(StrEnum):
    """Why an endpoint is paused: somebody asked for it, three days without success, or the receiver answered 410. Stored."""

    MANUAL = "manual"
    FAILING = "failing"
    GONE = "gone"


class DeliveryState(StrEnum):
    """pending: another attempt follows. failed: none follows by itself. The value is stored."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where events are sent; the columns are explained in `tables.py`."""

    org_id: uuid.UUID
    endpoint_id: uuid.UUID
    url: str
    description: str
    event_types: tuple[str, ...]
    state: EndpointState
    paused_reason: PausedReason | None
    secret: str
    previous_secret: str | None
    previous_secret_expires_at: datetime | None
    handled_seq: int
    failure_count: int
    next_attempt_at: datetime | None
    revision: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back of one attempt. `status_code` None: nothing did, and `error` says why."""

    status_code: int | None
    error: str
    snippet: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event sent to one endpoint; the columns are explained in `tables.py`."""

    org_id: uuid.UUID
    endpoint_id: uuid.UUID
    seq: int
    event_id: uuid.UUID
    event_type: str
    state: DeliveryState
    attempt_count: int
    answer: Answer
    created_at: datetime
    last_attempt_at: datetime
    next_attempt_at: datetime | None
    delivered_at: datetime | None
