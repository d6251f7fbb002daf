"""Recording usage: the use case, and the transaction that its lane commits."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.accounts import AccountKind, chart_account_id
from ledger.batcher import Ledger, one_lane
from ledger.ids import new_id
from ledger.model import Accrue, Posted
from wallet_service.catalog.operations import read_tariffs
from wallet_service.clock import Clock, moment
from wallet_service.db import Database, driver
from wallet_service.errors import Code, FieldViolation, Reason, ServiceError, invalid_field
from wallet_service.rating.rules import total
from wallet_service.usage import store
from wallet_service.usage.lanes import BATCH_EVENTS_MAX, QUEUE_EVENTS_MAX, UsageLanes
from wallet_service.usage.model import (
    Batch,
    Call,
    DuplicateEvent,
    EventResult,
    NewEvent,
    RatedEvent,
    ReadEvent,
    Recorded,
    RefusedEvent,
    Scope,
)
from wallet_service.usage.rules import Knowledge, decide, read_event

EVENTS_MAX: Final = 1000
"""Events of one call."""

_ATTEMPTS_MAX: Final = 5

_CODES: Final = {
    Reason.METER_UNKNOWN: Code.NOT_FOUND,
    Reason.PROJECT_UNKNOWN: Code.NOT_FOUND,
    Reason.IDEMPOTENCY_KEY_REUSED: Code.ALREADY_EXISTS,
    Reason.RATE_MISSING: Code.FAILED_PRECONDITION,
    Reason.EVENT_TOO_OLD: Code.FAILED_PRECONDITION,
    Reason.EVENT_IN_FUTURE: Code.FAILED_PRECONDITION,
    Reason.ACCOUNT_CLOSED: Code.FAILED_PRECONDITION,
}
"""Of a refusal that stands alone; all others are INVALID_ARGUMENT."""

_FIELDS: Final = {
    Reason.METER_UNKNOWN: ".meter",
    Reason.PROJECT_UNKNOWN: ".project_name",
    Reason.IDEMPOTENCY_KEY_REUSED: ".idempotency_key",
    Reason.RATE_MISSING: ".meter",
    Reason.EVENT_TOO_OLD: ".event_time",
    Reason.EVENT_IN_FUTURE: ".event_time",
    Reason.QUANTITY_OUT_OF_RANGE: ".quantity",
    Reason.UNIT_MISMATCH: ".unit",
}


@dataclass(frozen=True, slots=True)
class Accrued:
    """A wallet that a batch has charged: for what follows from its balance before and after."""

    org_id: UUID
    batch_id: UUID
    cost_minor: Decimal
    posted: Posted


FollowUp = Callable[[AsyncConnection, Sequence[Accrued]], Awaitable[None]]
"""A step that runs in the transaction of the batch, to enqueue what follows from it."""


async def nothing_follows(conn: AsyncConnection, accrued: Sequence[Accrued]) -> None:
    """The follow-up of a service without any."""


class UsageRecorder:
    """Records usage between `async with` and its end. When `record` returns, the balance shows the usage."""

    def __init__(
        self,
        db: Database,
        ledger: Ledger,
        clock: Clock,
        *,
        usage_age_max: timedelta,
        usage_ahead_max: timedelta,
        follow_up: FollowUp = nothing_follows,
        lane_of: Callable[[UUID], int] = one_lane,
        batch_events_max: int = BATCH_EVENTS_MAX,
        queue_events_max: int = QUEUE_EVENTS_MAX,
    ) -> None:
        """usage_age_max is for organizations that have none of their own; usage_ahead_max is for all."""
        self._db = db
        self._ledger = ledger
        self._clock = clock
        self._usage_age_max = usage_age_max
        self._usage_ahead_max = usage_ahead_max
        self._follow_up = follow_up
        self._lanes = UsageLanes(
            self._commit, lane_of=lane_of, batch_events_max=batch_events_max, queue_events_max=queue_events_max
        )

    async def __aenter__(self) -> Self:
        await self._lanes.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._lanes.__aexit__(kind, error, trace)

    async def record(
        self, org_id: UUID, events: Sequence[NewEvent], *, all_or_nothing: bool = False, ignore_age: bool = False
    ) -> list[EventResult]:
        """Record up to 1000 events of one organization; a result for each, in their order.

        Raises INVALID_ARGUMENT / BATCH_REFUSED when `all_or_nothing` and an event was refused (nothing is recorded then),
        OVERLOADED, and UNAVAILABLE when the database is out of reach: the same events may be sent again.
        """
        if not 1 <= len(events) <= EVENTS_MAX:
            raise invalid_field("events", f"must be 1 to {EVENTS_MAX} events")
        read = tuple(read_event(event) for event in events)
        results = await self._lanes.submit(Call(org_id, read, all_or_nothing, ignore_age, moment()))
        if all_or_nothing and any(isinstance(result, RefusedEvent) for result in results):
            raise _batch_refused(results)
        return results

    async def record_one(self, org_id: UUID, event: NewEvent) -> Recorded | DuplicateEvent:
        """Record one event. Raises its refusal."""
        result = (await self.record(org_id, [event]))[0]
        if isinstance(result, RefusedEvent):
            raise ServiceError(_CODES.get(result.reason, Code.INVALID_ARGUMENT), result.reason, result.message)
        return result

    async def _commit(self, calls: Sequence[Call]) -> list[list[EventResult]]:
        for _ in range(_ATTEMPTS_MAX):
            try:
                return await self._db.transact(lambda conn: self._record_in(conn, calls))
            except _Overtaken:
                continue
        raise ServiceError(
            Code.ABORTED,
            Reason.OVERLOADED,
            "the same events or the same wallet are being changed elsewhere; send the same events again",
            retry_after=timedelta(seconds=1),
        )

    async def _record_in(self, conn: AsyncConnection, calls: Sequence[Call]) -> list[list[EventResult]]:
        now = self._clock.now()
        knowledge = await self._read(conn, calls)
        decision = decide(calls, knowledge, now=now, ahead_max=self._usage_ahead_max, make_id=lambda: new_id(now))
        if decision.rated:
            await self._write(conn, decision.rated, knowledge.scopes)
        return decision.results

    async def _read(self, conn: AsyncConnection, calls: Sequence[Call]) -> Knowledge:
        asked: dict[UUID, set[str]] = {}
        meters: set[str] = set()
        keys: set[tuple[UUID, bytes]] = set()
        for call in calls:
            slugs = asked.setdefault(call.org_id, set())
            for event in call.events:
                if isinstance(event, ReadEvent):
                    slugs.add(event.wanted.project)
                    meters.add(event.wanted.meter)
                    keys.add((call.org_id, event.key_hash))
        raw = await driver(conn)
        await store.begin_reading(raw)
        return Knowledge(
            scopes=await store.read_scopes(raw, asked, usage_age_max=self._usage_age_max),
            tariffs=await read_tariffs(conn, meters),
            known=await store.read_known(raw, keys),
        )

    async def _write(self, conn: AsyncConnection, rated: Sequence[RatedEvent], scopes: Mapping[UUID, Scope]) -> None:
        now = self._clock.now()
        by_org: dict[UUID, list[RatedEvent]] = {}
        for event in rated:
            by_org.setdefault(event.org_id, []).append(event)
        batch_ids = {org_id: new_id(now) for org_id in by_org}
        raw = await driver(conn)
        await store.begin_writing(raw)
        if await store.write_events(raw, rated, batch_ids=batch_ids, recorded_at=now) != len(rated):
            raise _Overtaken
        costs = {org_id: total(event.cost_minor for event in events) for org_id, events in by_org.items()}
        accruals = [
            _accrual(batch_ids[org_id], scopes[org_id], org_id, costs[org_id], len(events))
            for org_id, events in by_org.items()
            if costs[org_id]
        ]
        accrued: list[Accrued] = []
        for accrual, outcome in zip(accruals, await self._ledger.post_in(conn, accruals), strict=True):
            if not isinstance(outcome, Posted):
                raise _Overtaken
            org_id = accrual.org_id
            accrued.append(Accrued(org_id, batch_ids[org_id], accrual.exact_minor, outcome))
        entries = {one.org_id: one.posted.entry_id for one in accrued}
        await store.write_batches(
            raw,
            [
                Batch(
                    org_id=org_id,
                    batch_id=batch_ids[org_id],
                    currency=scopes[org_id].currency,
                    event_count=len(events),
                    cost_minor=costs[org_id],
                    journal_entry_id=entries.get(org_id),
                )
                for org_id, events in by_org.items()
            ],
            recorded_at=now,
        )
        await self._follow_up(conn, accrued)


class _Overtaken(Exception):
    """A key was used, or the wallet was closed, after this transaction had read it: it runs again with new knowledge."""


def _accrual(batch_id: UUID, scope: Scope, org_id: UUID, cost_minor: Decimal, event_count: int) -> Accrue:
    assert scope.wallet_account is not None, "events of an organization without a wallet are refused"
    return Accrue(
        org_id=org_id,
        key=f"usage:{batch_id}",
        description="Usage, 1 event" if event_count == 1 else f"Usage, {event_count} events",
        wallet=scope.wallet_account,
        revenue_account=chart_account_id(org_id, scope.currency, AccountKind.REVENUE),
        exact_minor=cost_minor,
    )


def _batch_refused(results: Sequence[EventResult]) -> ServiceError:
    violations = [
        FieldViolation(f"events[{index}]{_FIELDS.get(result.reason, '')}", f"{result.reason}: {result.message}")
        for index, result in enumerate(results)
        if isinstance(result, RefusedEvent)
    ]
    return ServiceError(
        Code.INVALID_ARGUMENT,
        Reason.BATCH_REFUSED,
        f"{len(violations)} of {len(results)} events were refused, so none was recorded",
        metadata={"refused_count": str(len(violations)), "event_count": str(len(results))},
        violations=violations,
    )
