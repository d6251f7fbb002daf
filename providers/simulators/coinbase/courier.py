"""What Coinbase's deliveries are: the checkout with the event's type, signed together with some of the headers."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from providers.simulators.account import ENDPOINTS, EVENTS
from providers.simulators.coinbase import checkouts, refunds
from providers.simulators.coinbase.world import World
from providers.simulators.courier import Letter

FOLLOWUPS: dict[str, Callable[..., Any]] = {
    "confirm": checkouts.confirm,
    "finish_refund": refunds.finish,
}


def signature(secret: str, body: bytes, signed_at: int, headers: Mapping[str, str]) -> str:
    """The `X-Hook0-Signature` header: v0 covers time and body, v1 also the given headers, in their order."""
    names, values = " ".join(name.lower() for name in headers), ".".join(headers.values())
    bare = f"{signed_at}.".encode() + body
    full = f"{signed_at}.{names}.{values}.".encode() + body
    v0, v1 = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for signed in (bare, full))
    return f"t={signed_at},v0={v0},h={names},v1={v1}"


class CoinbaseSender:
    """What the courier of a Coinbase account delivers, and what happens in the account as time passes."""

    def __init__(self, world: World) -> None:
        self._world = world

    def run_due(self, *, everything: bool) -> int:
        """Expiry goes by the clock alone: nobody means to end every open checkout by asking for deliveries."""
        count = checkouts.expire_due(self._world)
        while (due := self._world.take_due(everything=everything)) is not None:
            FOLLOWUPS[due["action"]](self._world, due["id"], **due["arguments"])
            count += 1
        return count

    def next_due(self) -> int | None:
        dues = [row["due"] for row in self._world.followups]
        expiry = checkouts.next_expiry(self._world)
        return min([*dues, *([] if expiry is None else [expiry])], default=None)

    def letter(self, event_id: str, endpoint_id: str) -> Letter | None:
        event = self._world.tables[EVENTS].get(event_id)
        endpoint = self._world.tables[ENDPOINTS].get(endpoint_id)
        if event is None or endpoint is None:
            return None
        body = json.dumps(event["body"]).encode()
        headers = {
            "content-type": "application/json",
            "x-hook0-id": event_id,
            "x-event-id": event_id,
            "x-event-type": event["body"]["eventType"],
        }
        signed = {name: headers[name] for name in self._world.settings.signed_headers}
        mac = signature(self._world.facts[endpoint_id]["secret"], body, self._world.now(), signed)
        return Letter(endpoint["url"], body, {**headers, "x-hook0-signature": mac})
