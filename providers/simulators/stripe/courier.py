"""What Stripe's deliveries are: the event as a body, signed with the secrets in force."""

import hashlib
import hmac

from providers.simulators.account import ENDPOINTS, EVENTS
from providers.simulators.courier import Letter
from providers.simulators.stripe import events
from providers.simulators.stripe.followups import run_due
from providers.simulators.stripe.world import World


def signature(secrets: list[str], body: bytes, signed_at: int) -> str:
    """The `Stripe-Signature` header: one v1 for each secret in force."""
    signed = str(signed_at).encode() + b"." + body
    macs = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={signed_at}", *(f"v1={mac}" for mac in macs)])


class StripeSender:
    """What the courier of a Stripe account delivers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def run_due(self, *, everything: bool) -> int:
        return run_due(self._world, everything=everything)

    def next_due(self) -> int | None:
        return min((row["due"] for row in self._world.followups), default=None)

    def letter(self, event_id: str, endpoint_id: str) -> Letter | None:
        event = self._world.tables[EVENTS].get(event_id)
        endpoint = self._world.tables[ENDPOINTS].get(endpoint_id)
        if event is None or endpoint is None:
            return None
        body, kept = events.payload(self._world, event), self._world.facts[endpoint_id]
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (simulated)",
            "Stripe-Signature": signature([kept["secret"], *kept["old_secrets"]], body, self._world.now()),
        }
        return Letter(endpoint["url"], body, headers)
