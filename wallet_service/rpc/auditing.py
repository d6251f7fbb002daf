"""Records write calls in the audit log, inside of what shields them from callers that leave.

A call is recorded with its first transaction, or before its answer where it has none of its own. Two kinds of call are
counted instead and recorded within a second: those of `COUNTED`, and refused ones, which have changed nothing. What
changed in a counted call is in the journal or the usage events. A request that is no valid message, a call without a
valid key, and failures of the service leave no record.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from json import loads
from typing import Any, Final, TypeVar

from connectrpc.method import IdempotencyLevel
from connectrpc.request import RequestContext
from protobuf import Message

from wallet_service import names
from wallet_service.audit_log.model import PLATFORM, Actor, NewAuditEvent, Outcome
from wallet_service.audit_log.operations import AuditLog, Kind
from wallet_service.audit_log.pending import Note, PendingRecord
from wallet_service.audit_log.rules import canonical, printable, public_facts, without_secrets
from wallet_service.db import closing_write
from wallet_service.errors import Code, ServiceError
from wallet_service.rpc.call import Call, current_call
from wallet_service.rpc.policy import method_name

REQ = TypeVar("REQ", bound=Message[Any])
RES = TypeVar("RES", bound=Message[Any])

COUNTED: Final[Mapping[str, Callable[[Any], int]]] = {
    "billing.v1.LedgerService/RecordJournalEntries": lambda request: len(request.entries),
    "billing.v1.LedgerService/CreateHold": lambda _: 0,
    "billing.v1.LedgerService/ExtendHold": lambda _: 0,
    "billing.v1.LedgerService/CaptureHold": lambda _: 0,
    "billing.v1.LedgerService/ReleaseHold": lambda _: 0,
    "billing.v1.UsageService/RecordUsageEvent": lambda _: 1,
    "billing.v1.UsageService/RecordUsageEvents": lambda request: len(request.events),
}
"""Methods whose calls are counted, and how many items a request of each brings."""

_NO_REFUSAL: Final = frozenset({Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED, Code.UNIMPLEMENTED})
"""The service could not serve; it has decided nothing about the call."""


class Auditing:
    """Interceptor, behind authentication and before authorization, whose refusals it counts too."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    async def intercept_unary(
        self,
        call_next: Callable[[REQ, RequestContext[REQ, RES]], Awaitable[RES]],
        request: REQ,
        ctx: RequestContext[REQ, RES],
        /,
    ) -> RES:
        if ctx.method.idempotency_level is IdempotencyLevel.NO_SIDE_EFFECTS:
            return await call_next(request, ctx)
        method = method_name(ctx.method)
        try:
            if (items_of := COUNTED.get(method)) is None:
                return await self._recorded(call_next, request, ctx, method)
            response = await call_next(request, ctx)
        except ServiceError as error:
            if error.code not in _NO_REFUSAL:
                self._count(method, names_in(request), refused_with=error.reason.value)
            raise
        self._count(method, (*names_in(request), *names_in(response)), item_count=items_of(request))
        return response

    async def _recorded(
        self,
        call_next: Callable[[REQ, RequestContext[REQ, RES]], Awaitable[RES]],
        request: REQ,
        ctx: RequestContext[REQ, RES],
        method: str,
    ) -> RES:
        call = current_call()
        pending = PendingRecord(lambda notes: self._record_of(call, method, request, notes))
        token = closing_write.set(pending)
        try:
            response = await call_next(request, ctx)
        finally:
            closing_write.reset(token)
        if not pending.is_committed:
            await self._log.record(self._record_of(call, method, request, (), names_in(response)))
        return response

    def _record_of(
        self, call: Call, method: str, request: Any, notes: Sequence[Note], answered: Sequence[str] = ()
    ) -> NewAuditEvent:
        now = self._log.now()
        detail: dict[str, Any] = {"request": without_secrets(loads(request.to_json()))}
        if before := {subject: public_facts(facts) for kind, subject, facts in notes if kind == "before"}:
            detail["before"] = before
        if events := [
            {"type": kind, "subject": s, "data": public_facts(f)} for kind, s, f in notes if kind != "before"
        ]:
            detail["events"] = events
        resources = (*names_in(request), *(subject for _, subject, _ in notes), *answered)
        return NewAuditEvent(
            org_id=_chain_of(call),
            recorded_at=now,
            first_at=now,
            method=method,
            outcome=Outcome.APPLIED,
            reason="",
            actor=_actor(call),
            call_count=1,
            resources=tuple(dict.fromkeys(resources)),
            detail=canonical(detail),
        )

    def _count(self, method: str, resources: tuple[str, ...], *, refused_with: str = "", item_count: int = 0) -> None:
        call = current_call()
        actor = _actor(call)
        kind = Kind(
            _chain_of(call),
            method,
            Outcome.REFUSED if refused_with else Outcome.APPLIED,
            refused_with,
            actor.key_name,
            actor.role,
            actor.remote_address,
            actor.user_agent,
        )
        self._log.count(kind, actor.correlation_id, resources, item_count=item_count)


def names_in(message: Message[Any]) -> tuple[str, ...]:
    """The resource names that a message gives: its fields `name` and `*_name`, and `name` of the message it begins with."""
    named, first = _name_fields(type(message))
    found: list[object] = [getattr(message, field) for field in named]
    if first is not None:
        found.append(getattr(getattr(message, first), "name", ""))
    return tuple(printable(name) for name in found if isinstance(name, str) and "/" in name)


@cache
def _name_fields(kind: type[Message[Any]]) -> tuple[tuple[str, ...], str | None]:
    """The attributes that hold names, and that of field 1 where it is a message or a list."""
    fields = kind.desc().fields
    named = tuple(f.local_name for f in fields if f.name == "name" or f.name.endswith("_name"))
    first = next((f.local_name for f in fields if f.number == 1 and f.local_name not in named), None)
    return named, first


def _chain_of(call: Call) -> uuid.UUID:
    """The organization that the call is about, else that of its key: what is tried elsewhere stands with who tried it."""
    principal = call.principal
    own = None if principal is None else principal.org_id
    return call.org_id or own or PLATFORM


def _actor(call: Call) -> Actor:
    principal = call.principal
    assert principal is not None, "authentication comes first, and every write needs a key"
    return Actor(
        key_name=names.api_key(principal.org_slug, str(principal.key_id)),
        role=principal.role.name.lower(),
        remote_address=printable(call.remote_address),
        user_agent=printable(call.user_agent),
        correlation_id=call.correlation_id,
    )
