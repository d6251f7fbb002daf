"""Use cases of the audit log: record calls, counted together or one by one, and list them."""

import asyncio
import uuid
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Final, NamedTuple, Self

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.audit_log import store
from wallet_service.audit_log.model import Actor, AuditEvent, NewAuditEvent, Outcome, Selection
from wallet_service.audit_log.rules import RESOURCES_MAX, canonical
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.pages import Page, decode_token, page_of, page_size, query_digest
from wallet_service.tenancy import within

FLUSH_SECONDS: Final = 1
_WAITING_MAX: Final = 10_000

_log: Final = structlog.get_logger("wallet.audit_log")


class Kind(NamedTuple):
    """Calls that are counted together."""

    org_id: uuid.UUID
    method: str
    outcome: Outcome
    reason: str
    key_name: str
    role: str
    remote_address: str
    user_agent: str


@dataclass(slots=True)
class _Count:
    """Calls of one kind since `first_at`; `correlation_id` is the first one's."""

    first_at: datetime
    correlation_id: str
    call_count: int = 0
    item_count: int = 0
    resources: list[str] = field(default_factory=list[str])


class AuditLog:
    """Records and lists. `clock` is the machine's: an organization's test clock does not tell when somebody called."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._counts: dict[Kind, _Count] = {}
        self._full: list[tuple[Kind, _Count]] = []
        self._loop: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        # Of no call, so that nothing of one is written with it.
        self._loop = asyncio.create_task(self._flush_forever(), name="audit-log", context=Context())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait([self._loop])
        await self._flush_or_log()

    def now(self) -> datetime:
        """When a call is recorded."""
        return self._clock.now()

    def count(self, kind: Kind, correlation_id: str, resources: tuple[str, ...], *, item_count: int = 0) -> None:
        """Note a call, to be recorded within a second together with others of its kind; never waits.

        While the database is out of reach up to 10,000 kinds wait, each with any number of calls; a call of one more kind
        is lost, and logged.
        """
        found = self._counts.get(kind)
        if found is None:
            if len(self._counts) + len(self._full) >= _WAITING_MAX:
                _log.error("audit_record_lost", method=kind.method, key=kind.key_name, outcome=kind.outcome.value)
                return
            found = self._counts[kind] = _Count(self._clock.now(), correlation_id)
        found.call_count += 1
        found.item_count += item_count
        found.resources += resources
        if len(found.resources) >= RESOURCES_MAX:
            self._full.append((kind, self._counts.pop(kind)))

    async def record(self, event: NewAuditEvent) -> None:
        """Write a record in a transaction of its own. Raises UNAVAILABLE when the database is out of reach."""
        with within(event.org_id):
            await self._db.transact(lambda conn: store.append(conn, event))

    async def list(self, org_id: uuid.UUID, selection: Selection, *, size: int, token: str) -> Page[AuditEvent]:
        """Records of a chain, newest first."""
        limit, digest = page_size(size), query_digest("audit-events", org_id, selection)
        key = decode_token(token, digest, [int])

        async def work(conn: AsyncConnection) -> Page[AuditEvent]:
            before = None if key is None else int(key[0])
            rows = await store.select_events(conn, org_id, selection, before=before, limit=limit + 1)
            return page_of(rows, size=limit, digest=digest, key=lambda event: (event.seq,))

        return await self._db.read(work)

    async def flush(self) -> None:
        """Record the calls noted so far, a transaction for each chain."""
        waiting = [*self._full, *self._counts.items()]
        self._full, self._counts = [], {}
        by_chain: dict[uuid.UUID, list[tuple[Kind, _Count]]] = {}
        for kind, counted in waiting:
            by_chain.setdefault(kind.org_id, []).append((kind, counted))
        while by_chain:
            org_id = next(iter(by_chain))
            events = [_event(kind, counted, self._clock.now()) for kind, counted in by_chain[org_id]]
            try:
                with within(org_id):
                    await self._db.transact(lambda conn, events=events: _append_all(conn, events))
            except BaseException:
                self._full = [*(counts for chain in by_chain.values() for counts in chain), *self._full]
                raise
            del by_chain[org_id]

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self._flush_or_log()

    async def _flush_or_log(self) -> None:
        try:
            await self.flush()
        except Exception:
            _log.warning("audit_flush_failed", waiting_count=len(self._full), exc_info=True)


async def _append_all(conn: AsyncConnection, events: Sequence[NewAuditEvent]) -> None:
    for event in events:
        await store.append(conn, event)


def _event(kind: Kind, counted: _Count, now: datetime) -> NewAuditEvent:
    return NewAuditEvent(
        org_id=kind.org_id,
        recorded_at=now,
        first_at=counted.first_at,
        method=kind.method,
        outcome=kind.outcome,
        reason=kind.reason,
        actor=Actor(kind.key_name, kind.role, kind.remote_address, kind.user_agent, counted.correlation_id),
        call_count=counted.call_count,
        resources=tuple(dict.fromkeys(counted.resources)),
        detail=canonical({"items": counted.item_count} if counted.item_count else {}),
    )
