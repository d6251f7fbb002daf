"""The audit log's method of billing.v1.AccountService."""

from typing import Final

from wallet_api.billing.v1 import account_pb as pb
from wallet_api.billing.v1 import account_service_pb as rpc

from wallet_service import names
from wallet_service.audit_log.model import PLATFORM, AuditEvent, Outcome, Selection
from wallet_service.audit_log.operations import AuditLog
from wallet_service.rpc.convert import from_proto_timestamp, to_proto_timestamp
from wallet_service.rpc.scope import Scope

_ROLES: Final = {
    "viewer": pb.Role.VIEWER,
    "editor": pb.Role.EDITOR,
    "admin": pb.Role.ADMIN,
    "operator": pb.Role.OPERATOR,
}
_OUTCOMES: Final = {Outcome.APPLIED: pb.AuditOutcome.APPLIED, Outcome.REFUSED: pb.AuditOutcome.REFUSED}


class AuditLogMethods:
    """Who changed what."""

    def __init__(self, scope: Scope, log: AuditLog) -> None:
        self._audit_scope = scope
        self._audit_log = log

    async def list_audit_events(
        self, request: rpc.ListAuditEventsRequest, ctx: object, /
    ) -> rpc.ListAuditEventsResponse:
        org_id = PLATFORM
        if request.organization_name:
            org_id = (await self._audit_scope.owner("organization", request.organization_name)).org_id
        if request.api_key_name:
            names.parse_api_key(request.api_key_name, "api_key_name")
        selection = Selection(
            method=request.method,
            key_name=request.api_key_name,
            start=from_proto_timestamp(request.start_time, "start_time"),
            end=from_proto_timestamp(request.end_time, "end_time"),
        )
        page = await self._audit_log.list(org_id, selection, size=request.page_size, token=request.page_token)
        return rpc.ListAuditEventsResponse(
            audit_events=[to_proto_audit_event(event) for event in page.rows], next_page_token=page.next_page_token
        )


def to_proto_audit_event(event: AuditEvent) -> pb.AuditEvent:
    content = event.content
    actor = content.actor
    return pb.AuditEvent(
        sequence=event.seq,
        create_time=to_proto_timestamp(content.recorded_at),
        method=content.method,
        api_key_name=actor.key_name,
        role=_ROLES[actor.role],
        remote_address=actor.remote_address,
        user_agent=actor.user_agent,
        correlation_id=actor.correlation_id,
        outcome=_OUTCOMES[content.outcome],
        reason=content.reason,
        call_count=content.call_count,
        first_time=to_proto_timestamp(content.first_at),
        resource_names=list(content.resources),
        detail_json=content.detail,
        hash=event.hash,
    )
