"""Records of write calls as values. Times are aware UTC of the machine, also for organizations on a test clock."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

PLATFORM: Final = uuid.UUID(int=0)
"""Whose chain the calls are in that are about no organization."""


class Outcome(StrEnum):
    """APPLIED: the record was committed with, or after, what the call did. REFUSED: the call was answered with a reason."""

    APPLIED = "applied"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who called, and from where as far as the transport tells: `remote_address` is the peer of the connection.

    `key_name` is the resource name of the API key; `correlation_id` is in the log line of the call.
    """

    key_name: str
    role: str
    remote_address: str
    user_agent: str
    correlation_id: str


@dataclass(frozen=True, slots=True)
class NewAuditEvent:
    """A record to be written. `reason` is empty for what was applied.

    `call_count` calls since `first_at` are in it; `resources` are the names that they gave or were answered. `detail` is
    canonical JSON text without secrets: the request, what was there before, and the events that were written.
    """

    org_id: uuid.UUID
    recorded_at: datetime
    first_at: datetime
    method: str
    outcome: Outcome
    reason: str
    actor: Actor
    call_count: int
    resources: tuple[str, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A record as it was written: number `seq` of its chain, whose hash covers it and all records before it."""

    content: NewAuditEvent
    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records of a chain to list; recorded in [start, end). Empty and None: all."""

    method: str = ""
    key_name: str = ""
    start: datetime | None = None
    end: datetime | None = None
