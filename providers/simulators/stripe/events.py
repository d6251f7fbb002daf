"""Events as the API lists them, and the endpoints that they are sent to."""

import json
from typing import Any

from providers.simulators.stripe.errors import Json, malformed
from providers.simulators.stripe.listing import page
from providers.simulators.stripe.params import Params, merged_metadata
from providers.simulators.stripe.world import API_VERSION, World

ENDPOINTS_MAX = 16


def get(world: World, params: Params, path: Json) -> Json:
    params.finish()
    count_pending(world)
    return world.get("event", path["id"])


def listing(world: World, params: Params, path: Json) -> Json:
    wanted = params.texts("types") or [kind for kind in (params.text("type"),) if kind]
    params.ignore("type", "delivery_success")
    count_pending(world)
    rows = (row for row in world.newest_first("event") if not wanted or _matches(row["type"], wanted))
    return page(params, rows, "/v1/events")


def count_pending(world: World) -> None:
    """Stripe shows how many endpoints have not yet taken an event."""
    waiting: dict[str, int] = {}
    for row in world.queued():
        waiting[row["event"]] = waiting.get(row["event"], 0) + 1
    for event in world.tables["event"].values():
        event["pending_webhooks"] = waiting.get(event["id"], 0)


def payload(world: World, event: Json) -> bytes:
    """The body of a delivery."""
    waiting = sum(row["event"] == event["id"] for row in world.queued())
    return json.dumps({**event, "pending_webhooks": waiting}, indent=2).encode()


def create_endpoint(world: World, params: Params, path: Json) -> Json:
    """The secret is shown only in this answer."""
    url, enabled = params.required_text("url"), params.texts("enabled_events")
    description, metadata = params.text("description"), params.mapping("metadata")
    params.ignore("api_version", "connect")
    params.finish()
    if not enabled:
        raise malformed(
            "Missing required param: enabled_events.",
            param="enabled_events",
            code="parameter_missing",
        )
    endpoint = add_endpoint(world, url, f"whsec_{world.ids('s').removeprefix('s_')}", enabled)
    endpoint.update(description=description, metadata=merged_metadata({}, metadata))
    return {**endpoint, "secret": world.facts[endpoint["id"]]["secret"]}


def add_endpoint(world: World, url: str, secret: str, enabled: list[str]) -> Json:
    if len(world.tables["webhook_endpoint"]) >= ENDPOINTS_MAX:
        raise malformed(f"You have reached the maximum of {ENDPOINTS_MAX} webhook endpoints.")
    endpoint = world.add(
        "webhook_endpoint",
        "we",
        {
            "api_version": API_VERSION,
            "application": None,
            "description": None,
            "enabled_events": enabled,
            "metadata": {},
            "status": "enabled",
            "url": url,
        },
    )
    world.facts[endpoint["id"]] = {"secret": secret, "old_secrets": []}
    return endpoint


def get_endpoint(world: World, params: Params, path: Json) -> Json:
    params.finish()
    return world.get("webhook_endpoint", path["webhook_endpoint"])


def update_endpoint(world: World, params: Params, path: Json) -> Json:
    url, enabled, disabled = (
        params.text("url"),
        params.texts("enabled_events"),
        params.flag("disabled"),
    )
    metadata = params.mapping("metadata")
    params.finish()
    endpoint = world.get("webhook_endpoint", path["webhook_endpoint"])
    changes: dict[str, Any] = {"url": url, "enabled_events": enabled or None}
    endpoint.update({name: value for name, value in changes.items() if value is not None})
    endpoint["metadata"] = merged_metadata(endpoint["metadata"], metadata)
    if disabled is not None:
        endpoint["status"] = "disabled" if disabled else "enabled"
    return endpoint


def delete_endpoint(world: World, params: Params, path: Json) -> Json:
    params.finish()
    endpoint = world.get("webhook_endpoint", path["webhook_endpoint"])
    del world.tables["webhook_endpoint"][endpoint["id"]]
    world.deliveries[:] = [row for row in world.deliveries if row["endpoint"] != endpoint["id"]]
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def list_endpoints(world: World, params: Params, path: Json) -> Json:
    return page(params, world.newest_first("webhook_endpoint"), "/v1/webhook_endpoints")


def _matches(event_type: str, wanted: list[str]) -> bool:
    return any(event_type == kind or (kind.endswith("*") and event_type.startswith(kind[:-1])) for kind in wanted)
