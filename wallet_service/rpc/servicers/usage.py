"""billing.v1.UsageService."""

from collections.abc import Sequence
from typing import Final

from wallet_api.billing.v1 import usage_pb as pb
from wallet_api.billing.v1 import usage_service_pb as rpc
from wallet_api.billing.v1.error_reason_pb import ErrorReason
from wallet_api.billing.v1.usage_service_connect import UsageService
from wallet_api.wallet.v1.operator_messages_pb import (
    RecordUsageEventRequest,
    RecordUsageEventResponse,
    SettleUsageToLedgerRequest,
    SettleUsageToLedgerResponse,
)

from ledger.money import round_half_even
from wallet_service import names
from wallet_service.errors import Reason, ServiceError, role_too_low
from wallet_service.principal import Role
from wallet_service.rating.rules import plain_text
from wallet_service.rpc.call import current_call
from wallet_service.rpc.convert import from_proto_timestamp, from_unix, to_proto_timestamp
from wallet_service.rpc.scope import Scope, caller
from wallet_service.usage.model import (
    AllRecorded,
    Columns,
    DuplicateEvent,
    EventResult,
    Fault,
    NewEvent,
    Recorded,
    RefusedEvent,
    UsageEvent,
)
from wallet_service.usage.operations import UsageRecorder
from wallet_service.usage.query_operations import UsageQueries

_STATUS: Final = rpc.UsageEventStatus
_REASONS: Final = {reason: ErrorReason[reason.value] for reason in Reason}
_DATACENTERS: Final = "datacenters/"
_KIND: Final = "usage-events"
_NO_TIME: Final = (None,)


class UsageServicer(UsageService):
    """Records usage and lists what was recorded."""

    def __init__(self, scope: Scope, recorder: UsageRecorder, queries: UsageQueries) -> None:
        self._scope = scope
        self._recorder = recorder
        self._queries = queries

    async def record_usage_events(
        self, request: rpc.RecordUsageEventsRequest, ctx: object, /
    ) -> rpc.RecordUsageEventsResponse:
        owner = await self._scope.owner("organization", request.organization_name)
        if request.ignore_age and caller().role is not Role.OPERATOR:
            raise role_too_low("operator", caller().role.name.lower())
        options = {"all_or_nothing": request.all_or_nothing, "ignore_age": request.ignore_age}
        columns = from_proto_events(request.events)
        if columns is None:
            events = [from_proto_event(event) for event in request.events]
            results = await self._recorder.record(owner.org_id, events, **options)
        else:
            results = await self._recorder.record_columns(owner.org_id, columns, **options)
        if isinstance(results, AllRecorded):
            return rpc.RecordUsageEventsResponse(
                results=to_proto_results(owner.slug, results), recorded_count=len(results.event_ids)
            )
        recorded = sum(isinstance(result, Recorded) for result in results)
        refused = sum(isinstance(result, RefusedEvent) for result in results)
        return rpc.RecordUsageEventsResponse(
            results=[to_proto_result(owner.slug, index, result) for index, result in enumerate(results)],
            recorded_count=recorded,
            duplicate_count=len(results) - recorded - refused,
            refused_count=refused,
        )

    async def record_usage_event(self, request: RecordUsageEventRequest, ctx: object, /) -> RecordUsageEventResponse:
        event = NewEvent(
            project=names.parse_project(request.project_name, "project_name"),
            meter=request.meter,
            quantity=request.quantity,
            key=request.idempotency_key,
            resource=request.resource_name,
            unit=request.unit,
            event_time=from_unix(request.event_time_unix, "event_time_unix"),
            metadata=dict(request.metadata),
        )
        if current_call().organization is None:
            org_id = (await self._scope.project(request.project_name, "project_name")).org_id
        else:
            org_id = (await self._scope.owner("project", request.project_name)).org_id
        done = await self._recorder.record_one(org_id, event)
        return RecordUsageEventResponse(usage_event_id=str(done.event_id))

    async def list_usage_events(
        self, request: rpc.ListUsageEventsRequest, ctx: object, /
    ) -> rpc.ListUsageEventsResponse:
        owner = await self._scope.owner("organization", request.organization_name)
        project = None
        if request.project_name:
            project = await self._scope.project(request.project_name, "project_name")
        page = await self._queries.list_events(
            owner.org_id,
            project_id=project and project.project_id,
            meter_prefix=request.meter_prefix,
            start=from_proto_timestamp(request.start_time, "start_time"),
            end=from_proto_timestamp(request.end_time, "end_time"),
            size=request.page_size,
            token=request.page_token,
        )
        return rpc.ListUsageEventsResponse(
            usage_events=[to_proto_event(owner.slug, row) for row in page.rows],
            next_page_token=page.next_page_token,
        )

    async def settle_usage_to_ledger(
        self, request: SettleUsageToLedgerRequest, ctx: object, /
    ) -> SettleUsageToLedgerResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        settled = await self._queries.settlement(
            owner.org_id,
            request.usage_event_id,
            amount_minor=None if request.use_registered_meter_rate else request.amount_minor,
            currency=request.currency.upper(),
        )
        return SettleUsageToLedgerResponse(
            journal_entry_id=str(settled.journal_entry_id or ""),
            computed_amount_minor=round_half_even(settled.cost_minor),
        )


def from_proto_events(events: Sequence[rpc.UsageEventInput]) -> Columns | None:
    """None when a name or time is malformed."""
    projects = [event.project_name for event in events]
    datacenters = [event.datacenter_name for event in events]
    times = [event.event_time for event in events]
    try:
        slugs = {name: names.parse_project(name, "project_name") for name in set(projects)}
        event_times = [from_proto_timestamp(at, "event_time") for at in times] if any(times) else _NO_TIME * len(times)
    except ServiceError:
        return None
    ids = {name: _datacenter(name) for name in set(datacenters)}
    if None in ids.values():
        return None
    return Columns(
        projects=[slugs[name] for name in projects],
        meters=[event.meter for event in events],
        quantities=[event.quantity for event in events],
        keys=[event.idempotency_key for event in events],
        resources=[event.resource_name for event in events],
        datacenters=[ids[name] or "" for name in datacenters],
        units=[event.unit for event in events],
        event_times=event_times,
        metadata=[dict(pairs) for pairs in metadata] if any(metadata := [e.metadata for e in events]) else (),
    )


def from_proto_event(event: rpc.UsageEventInput) -> NewEvent:
    """A name or time that is malformed becomes the fault of this event alone."""
    project, fault, event_time = "", None, None
    try:
        project = names.parse_project(event.project_name, "project_name")
        event_time = from_proto_timestamp(event.event_time, "event_time")
    except ServiceError as error:
        fault = Fault(error.reason, error.message)
    datacenter = _datacenter(event.datacenter_name)
    if datacenter is None:
        fault = fault or Fault(
            Reason.INVALID_RESOURCE_NAME, "datacenter_name: must be a name of the form datacenters/{id}"
        )
    return NewEvent(
        project=project,
        meter=event.meter,
        quantity=event.quantity,
        key=event.idempotency_key,
        resource=event.resource_name,
        datacenter=datacenter or "",
        unit=event.unit,
        event_time=event_time,
        metadata=dict(event.metadata),
        fault=fault,
    )


def to_proto_results(org: str, recorded: AllRecorded) -> list[rpc.UsageEventResult]:
    costs = [plain_text(cost) for cost in recorded.costs_minor]
    prefix = names.child(_KIND, org, "")
    results = [
        rpc.UsageEventResult(
            index=index,
            status=_STATUS.RECORDED,
            usage_event_name=prefix + event_id,
            cost_minor_decimal=costs[number],
        )
        for index, (event_id, number) in enumerate(zip(recorded.event_ids, recorded.pattern_of, strict=True))
    ]
    if any(recorded.corrections):
        for result, number in zip(results, recorded.pattern_of, strict=True):
            result.correction = recorded.corrections[number]
    return results


def to_proto_result(org: str, index: int, result: EventResult) -> rpc.UsageEventResult:
    if isinstance(result, RefusedEvent):
        return rpc.UsageEventResult(
            index=index, status=_STATUS.REFUSED, reason=_REASONS[result.reason], message=result.message
        )
    return rpc.UsageEventResult(
        index=index,
        status=_STATUS.DUPLICATE if isinstance(result, DuplicateEvent) else _STATUS.RECORDED,
        usage_event_name=names.child(_KIND, org, str(result.event_id)),
        cost_minor_decimal=plain_text(result.cost_minor),
        correction=result.correction,
    )


def _datacenter(name: str) -> str | None:
    """Its id, empty for none; None when `name` is malformed."""
    datacenter = name.removeprefix(_DATACENTERS)
    is_malformed = name and (datacenter == name or not datacenter or "/" in datacenter)
    return None if is_malformed else datacenter


def to_proto_event(org: str, event: UsageEvent) -> pb.UsageEvent:
    return pb.UsageEvent(
        name=names.child(_KIND, org, str(event.event_id)),
        project_name=names.project(event.project),
        resource_name=event.resource,
        datacenter_name=names.datacenter(event.datacenter),
        meter=event.meter,
        quantity=plain_text(event.quantity),
        unit=event.unit,
        event_time=to_proto_timestamp(event.event_time),
        record_time=to_proto_timestamp(event.recorded_at),
        correction=event.quantity < 0,
        unit_price_minor_decimal=plain_text(event.unit_price_minor),
        cost_minor_decimal=plain_text(event.cost_minor),
        currency=event.currency,
        metadata=dict(event.metadata),
        idempotency_key=event.idempotency_key,
    )
