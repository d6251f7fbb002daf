"""wallet.v1.WebhookService."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from uuid import UUID

from protobuf.wkt import Struct
from wallet_api.wallet.v1 import event_pb
from wallet_api.wallet.v1 import webhook_service_pb as rpc
from wallet_api.wallet.v1.webhook_service_connect import WebhookService

from wallet_service import names
from wallet_service.errors import not_found
from wallet_service.event_webhooks.model import Delivery, DeliveryState, Endpoint, EndpointState
from wallet_service.event_webhooks.operations import EndpointChange, WebhookEndpoints
from wallet_service.event_webhooks.rules import SECRET_PREFIX_LENGTH
from wallet_service.events.model import Event
from wallet_service.events.operations import EventLog
from wallet_service.events.rules import published
from wallet_service.rpc.convert import to_unix
from wallet_service.rpc.scope import Owner, Scope

_ENDPOINT = "webhook-endpoints"
_EVENT = "events"


class WebhookServicer(WebhookService):
    """Events of an organization, and the endpoints that are told of them."""

    def __init__(self, scope: Scope, endpoints: WebhookEndpoints, log: EventLog) -> None:
        self._scope = scope
        self._endpoints = endpoints
        self._log = log

    async def create_webhook_endpoint(
        self, request: rpc.CreateWebhookEndpointRequest, ctx: object, /
    ) -> rpc.CreateWebhookEndpointResponse:
        owner = await self._scope.owner("organization", request.organization_name)
        made, secret = await self._endpoints.create(
            owner.org_id,
            url=request.url,
            event_types=tuple(request.event_types),
            description=request.description,
            request_id=request.request_id,
        )
        return rpc.CreateWebhookEndpointResponse(endpoint=to_proto_endpoint(made, owner.slug), secret=secret)

    async def get_webhook_endpoint(
        self, request: rpc.GetWebhookEndpointRequest, ctx: object, /
    ) -> rpc.GetWebhookEndpointResponse:
        owner, endpoint_id = await self._endpoint(request.name)
        found = await self._endpoints.get(owner.org_id, endpoint_id)
        return rpc.GetWebhookEndpointResponse(endpoint=to_proto_endpoint(found, owner.slug))

    async def list_webhook_endpoints(
        self, request: rpc.ListWebhookEndpointsRequest, ctx: object, /
    ) -> rpc.ListWebhookEndpointsResponse:
        owner = await self._scope.owner("organization", request.organization_name)
        page = await self._endpoints.list(owner.org_id, size=request.page_size, token=request.page_token)
        return rpc.ListWebhookEndpointsResponse(
            endpoints=[to_proto_endpoint(row, owner.slug) for row in page.rows], next_page_token=page.next_page_token
        )

    async def update_webhook_endpoint(
        self, request: rpc.UpdateWebhookEndpointRequest, ctx: object, /
    ) -> rpc.UpdateWebhookEndpointResponse:
        owner, endpoint_id = await self._endpoint(request.name)
        change = EndpointChange(
            url=request.url if request.has_field("url") else None,
            event_types=None if request.event_types is None else tuple(request.event_types.types),
            description=request.description if request.has_field("description") else None,
            state=EndpointState[request.state] if request.state else None,
            skip_missed=request.skip_missed,
        )
        changed = await self._endpoints.update(owner.org_id, endpoint_id, change)
        return rpc.UpdateWebhookEndpointResponse(endpoint=to_proto_endpoint(changed, owner.slug))

    async def delete_webhook_endpoint(
        self, request: rpc.DeleteWebhookEndpointRequest, ctx: object, /
    ) -> rpc.DeleteWebhookEndpointResponse:
        owner, endpoint_id = await self._endpoint(request.name)
        await self._endpoints.delete(owner.org_id, endpoint_id)
        return rpc.DeleteWebhookEndpointResponse()

    async def rotate_webhook_secret(
        self, request: rpc.RotateWebhookSecretRequest, ctx: object, /
    ) -> rpc.RotateWebhookSecretResponse:
        owner, endpoint_id = await self._endpoint(request.name)
        secret, until = await self._endpoints.rotate_secret(owner.org_id, endpoint_id)
        return rpc.RotateWebhookSecretResponse(secret=secret, old_secret_expires_at_unix=to_unix(until))

    async def send_test_event(self, request: rpc.SendTestEventRequest, ctx: object, /) -> rpc.SendTestEventResponse:
        owner, endpoint_id = await self._endpoint(request.name)
        event = await self._endpoints.send_test(owner.org_id, endpoint_id)
        return rpc.SendTestEventResponse(event=to_proto_event(event, owner.slug))

    async def list_webhook_deliveries(
        self, request: rpc.ListWebhookDeliveriesRequest, ctx: object, /
    ) -> rpc.ListWebhookDeliveriesResponse:
        owner, endpoint_id = await self._endpoint(request.name)
        page = await self._endpoints.list_deliveries(
            owner.org_id,
            endpoint_id,
            state=DeliveryState[request.state] if request.state else None,
            size=request.page_size,
            token=request.page_token,
        )
        return rpc.ListWebhookDeliveriesResponse(
            deliveries=[to_proto_delivery(row, owner.slug) for row in page.rows],
            next_page_token=page.next_page_token,
        )

    async def redeliver_webhook(
        self, request: rpc.RedeliverWebhookRequest, ctx: object, /
    ) -> rpc.RedeliverWebhookResponse:
        owner, endpoint_id = await self._endpoint(request.name)
        event_id = _id_of(_EVENT, "event", request.event_name, "event_name")
        done = await self._endpoints.redeliver(owner.org_id, endpoint_id, event_id)
        return rpc.RedeliverWebhookResponse(delivery=to_proto_delivery(done, owner.slug))

    async def list_events(self, request: rpc.ListEventsRequest, ctx: object, /) -> rpc.ListEventsResponse:
        owner = await self._scope.owner("organization", request.organization_name)
        page = await self._log.list(
            owner.org_id,
            after_seq=request.after_sequence,
            event_types=tuple(request.event_types),
            size=request.page_size,
            token=request.page_token,
        )
        return rpc.ListEventsResponse(
            events=[to_proto_event(row, owner.slug) for row in page.rows], next_page_token=page.next_page_token
        )

    async def watch_events(
        self, request: rpc.WatchEventsRequest, ctx: object, /
    ) -> AsyncIterator[rpc.WatchEventsResponse]:
        owner = await self._scope.owner("organization", request.organization_name)
        steps = self._log.watch(
            owner.org_id,
            after_seq=request.after_sequence if request.has_field("after_sequence") else None,
            event_types=tuple(request.event_types),
        )
        async with aclosing(steps):
            async for step in steps:
                event = None if step.event is None else to_proto_event(step.event, owner.slug)
                yield rpc.WatchEventsResponse(event=event, sequence=step.seq)

    async def _endpoint(self, name: str) -> tuple[Owner, UUID]:
        owner = await self._scope.owner("webhook endpoint", name)
        return owner, _id_of(_ENDPOINT, "webhook endpoint", name, "name")


def to_proto_endpoint(endpoint: Endpoint, org_slug: str) -> rpc.WebhookEndpoint:
    return rpc.WebhookEndpoint(
        name=names.child(_ENDPOINT, org_slug, str(endpoint.endpoint_id)),
        url=endpoint.url,
        event_types=list(endpoint.event_types),
        state=endpoint.state.name,
        paused_reason="" if endpoint.paused_reason is None else endpoint.paused_reason.value,
        description=endpoint.description,
        secret_prefix=endpoint.secret[:SECRET_PREFIX_LENGTH],
        last_sequence=endpoint.handled_seq,
        failed_attempt_count=endpoint.failure_count,
        next_attempt_time_unix=to_unix(endpoint.next_attempt_at),
        create_time_unix=to_unix(endpoint.created_at),
    )


def to_proto_delivery(delivery: Delivery, org_slug: str) -> rpc.WebhookDelivery:
    endpoint = names.child(_ENDPOINT, org_slug, str(delivery.endpoint_id))
    return rpc.WebhookDelivery(
        name=f"{endpoint}/deliveries/{delivery.seq}",
        event_name=names.child(_EVENT, org_slug, str(delivery.event_id)),
        sequence=delivery.seq,
        event_type=delivery.event_type,
        state=delivery.state.name,
        attempt_count=delivery.attempt_count,
        status_code=delivery.answer.status_code or 0,
        response_snippet=delivery.answer.snippet,
        error=delivery.answer.error,
        next_attempt_time_unix=to_unix(delivery.next_attempt_at),
        deliver_time_unix=to_unix(delivery.delivered_at),
        create_time_unix=to_unix(delivery.created_at),
    )


def to_proto_event(event: Event, org_slug: str) -> event_pb.Event:
    return event_pb.Event(
        name=names.child(_EVENT, org_slug, str(event.event_id)),
        sequence=event.seq,
        type=event.type,
        subject_name=event.subject,
        create_time_unix=to_unix(event.created_at),
        data=Struct.from_python(published(event.data)),
    )


def _id_of(kind: str, title: str, name: str, field: str) -> UUID:
    """The id in a name; one that is no id of ours is of nothing that exists."""
    try:
        return UUID(names.parse_child(kind, name, field).id)
    except ValueError as error:
        raise not_found(title, name) from error
