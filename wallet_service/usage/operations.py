"""Recording usage: the use case, and the transaction that its lane commits."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.accounts import AccountKind, chart_account_id
from ledger.batcher import Ledger, on_one_server, one_lane
from ledger.ids import new_id
from ledger.model import Accrue, Posted
from wallet_service.catalog.operations import read_tariffs
from wallet_service.clock import Clock, moment
from wallet_service.db import Database, driver
from wallet_service.errors import Code, FieldViolation, Reason, ServiceError, invalid_field
from wallet_service.rating.rules import total
from wallet_service.tenancy import Reach, within
from wallet_service.usage import store
from wallet_service.usage.columns import decide_together, read_columns, rows_of
from wallet_service.usage.lanes import BATCH_EVENTS_MAX, QUEUE_EVENTS_MAX, UsageLanes
from wallet_service.usage.model import (
    AllRecorded,
    Batch,
    Call,
    CallResult,
    Columns,
    DuplicateEvent,
    EventResult,
    Fault,
    NewEvent,
    NewRows,
    RatedEvent,
    ReadColumns,
    ReadEvent,
    Recorded,
    RefusedEvent,
    Scope,
)
from wallet_service.usage.rules import Knowledge, decide, read_event

EVENTS_MAX: Final = 1000
"""Events of one call."""

WARY_BATCHES: Final = 64
"""How many batches look for keys used before, after one that found some too late: whoever repeats calls repeats more."""

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
        on_shards: Callable[[], bool] = on_one_server,
        batch_events_max: int = BATCH_EVENTS_MAX,
        queue_events_max: int = QUEUE_EVENTS_MAX,
    ) -> None:
        """usage_age_max is for organizations that have none of their own; usage_ahead_max is for all. `lane_of` and
        `on_shards` are those of the ledger."""
        self._db = db
        self._ledger = ledger
        self._clock = clock
        self._usage_age_max = usage_age_max
        self._usage_ahead_max = usage_ahead_max
        self._follow_up = follow_up
        self._on_shards = on_shards
        self._wary_batches = 0
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
        _check_count(len(events))
        read = tuple(read_event(event) for event in events)
        results = await self._submit(Call(org_id, read, all_or_nothing, ignore_age, moment()))
        return results.each() if isinstance(results, AllRecorded) else results

    async def record_columns(
        self, org_id: UUID, columns: Columns, *, all_or_nothing: bool = False, ignore_age: bool = False
    ) -> CallResult:
        """`record` of events given, and mostly worked and answered, column by column."""
        _check_count(len(columns.keys))
        read = read_columns(columns) or tuple(read_event(event) for event in columns.rows())
        return await self._submit(Call(org_id, read, all_or_nothing, ignore_age, moment()))

    async def record_one(self, org_id: UUID, event: NewEvent) -> Recorded | DuplicateEvent:
        """Record one event. Raises its refusal."""
        result = (await self.record(org_id, [event]))[0]
        if isinstance(result, RefusedEvent):
            raise ServiceError(_CODES.get(result.reason, Code.INVALID_ARGUMENT), result.reason, result.message)
        return result

    async def _submit(self, call: Call) -> CallResult:
        results = await self._lanes.submit(call)
        if isinstance(results, AllRecorded) or not call.all_or_nothing:
            return results
        if any(isinstance(result, RefusedEvent) for result in results):
            raise _batch_refused(results)
        return results

    async def _commit(self, calls: Sequence[Call]) -> Sequence[CallResult]:
        for _ in range(_ATTEMPTS_MAX):
            try:
                # Calls of many organizations share a batch.
                with within(Reach.EVERYONE):
                    return await self._db.transact(lambda conn: self._record_in(conn, calls))
            except _Overtaken:
                self._wary_batches = WARY_BATCHES
        raise ServiceError(
            Code.ABORTED,
            Reason.OVERLOADED,
            "the same events or the same wallet are being changed elsewhere; send the same events again",
            retry_after=timedelta(seconds=1),
        )

    async def _record_in(self, conn: AsyncConnection, calls: Sequence[Call]) -> Sequence[CallResult]:
        now = self._clock.now()
        raw = await driver(conn)
        knowledge = await self._read(conn, calls)
        if self._wary_batches:
            self._wary_batches -= 1
            known = await store.read_known(raw, _keys_of(calls), on_shards=self._on_shards())
        else:
            known = None
        if not known:
            together = decide_together(
                calls, knowledge, now=now, ahead_max=self._usage_ahead_max, make_id=lambda: new_id(now)
            )
            if together is not None:
                costs = together.costs_minor
                await self._write(conn, together.rows, costs, together.event_counts, knowledge.scopes, now=now)
                return together.results
        if known is None:
            known = await store.read_known(raw, _keys_of(calls), on_shards=self._on_shards())
        knowledge = replace(knowledge, known=known)
        decision = decide(calls, knowledge, now=now, ahead_max=self._usage_ahead_max, make_id=lambda: new_id(now))
        if decision.rated:
            costs, counts = _sums(decision.rated)
            await self._write(conn, rows_of(decision.rated), costs, counts, knowledge.scopes, now=now)
        return decision.results

    async def _read(self, conn: AsyncConnection, calls: Sequence[Call]) -> Knowledge:
        """All but the keys that were used before."""
        asked: dict[UUID, set[str]] = {}
        meters: set[str] = set()
        for call in calls:
            slugs = asked.setdefault(call.org_id, set())
            events = call.events
            for event in events.patterns if isinstance(events, ReadColumns) else _wanted(events):
                slugs.add(event.project)
                meters.add(event.meter)
        raw = await driver(conn)
        return Knowledge(
            scopes=await store.read_scopes(raw, asked, usage_age_max=self._usage_age_max, on_shards=self._on_shards()),
            tariffs=await read_tariffs(conn, meters),
            known={},
        )

    async def _write(
        self,
        conn: AsyncConnection,
        rows: NewRows,
        costs: Mapping[UUID, Decimal],
        event_counts: Mapping[UUID, int],
        scopes: Mapping[UUID, Scope],
        *,
        now: datetime,
    ) -> None:
        batch_ids = {org_id: new_id(now) for org_id in costs}
        raw = await driver(conn)
        if await store.write_events(raw, rows, batch_ids=batch_ids, recorded_at=now) != len(rows):
            raise _Overtaken
        accruals = [
            _accrual(batch_ids[org_id], scopes[org_id], org_id, cost, event_counts[org_id])
            for org_id, cost in costs.items()
            if cost
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
                    event_count=event_counts[org_id],
                    cost_minor=cost,
                    journal_entry_id=entries.get(org_id),
                )
                for org_id, cost in costs.items()
            ],
            recorded_at=now,
        )
        await self._follow_up(conn, accrued)


def _check_count(count: int) -> None:
    if not 1 <= count <= EVENTS_MAX:
        raise invalid_field("events", f"must be 1 to {EVENTS_MAX} events")


def _wanted(events: Sequence[ReadEvent | Fault]) -> Iterator[NewEvent]:
    return (event.wanted for event in events if isinstance(event, ReadEvent))


def _keys_of(calls: Sequence[Call]) -> set[tuple[UUID, bytes]]:
    keys: set[tuple[UUID, bytes]] = set()
    for call in calls:
        events = call.events
        if isinstance(events, ReadColumns):
            keys.update((call.org_id, key_hash) for key_hash in events.key_hashes)
        else:
            keys.update((call.org_id, event.key_hash) for event in events if isinstance(event, ReadEvent))
    return keys


def _sums(rated: Sequence[RatedEvent]) -> tuple[dict[UUID, Decimal], dict[UUID, int]]:
    """The exact cost and the number of the events of each organization."""
    by_org: dict[UUID, list[Decimal]] = {}
    for event in rated:
        by_org.setdefault(event.priced.org_id, []).append(event.priced.cost_minor)
    return {org_id: total(costs) for org_id, costs in by_org.items()}, {o: len(costs) for o, costs in by_org.items()}


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
