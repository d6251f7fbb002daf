"""The simulated account: its checkouts, its ids, its times and its events."""

import copy
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from providers.simulators.account import ENDPOINTS, EVENTS, Account, AccountSettings, Clock, IdSource, Json
from providers.simulators.coinbase.errors import missing
from providers.simulators.coinbase.keys import KEY_ID, PUBLIC_KEY

__all__ = ["Clock", "IdSource", "Settings", "World", "random_ids", "rfc3339"]

CHECKOUTS = "checkout"
WEBHOOK_SECRET = "simulated-webhook-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(AccountSettings):
    """How the simulated account behaves.

    `followup_delay` is how long after a refund was asked for it completes. `public_keys` are the account's API keys, in
    PEM by key id. `signed_headers` are what the signature of a delivery covers.
    """

    webhook_secret: str = WEBHOOK_SECRET
    public_keys: Mapping[str, str] = field(default_factory=lambda: {KEY_ID: PUBLIC_KEY})
    signed_headers: tuple[str, ...] = ("content-type", "x-hook0-id")
    expires_after: int = 3600


def random_ids(rng: random.Random) -> IdSource:
    """24 hexadecimal digits, as Coinbase's ids are; a seeded generator repeats them."""
    return lambda prefix: f"{rng.getrandbits(96):024x}"


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class World(Account[Settings]):
    """All state. `facts` holds of a checkout its link, its expiry and how its refunds end; of an endpoint its secret."""

    tables: dict[str, dict[str, Json]] = field(default_factory=lambda: {CHECKOUTS: {}, EVENTS: {}, ENDPOINTS: {}})
    nonces: dict[str, int] = field(default_factory=dict[str, int])
    """Nonces of tokens that may still be valid, with their expiry. Not kept over a restart."""

    def time(self) -> str:
        return rfc3339(self.clock())

    def checkout(self, checkout_id: str) -> Json:
        """The stored checkout itself. Raises `ApiError` not_found."""
        found = self.tables[CHECKOUTS].get(checkout_id)
        if found is None:
            raise missing(checkout_id)
        return found

    def shown(self, checkout: Json) -> Json:
        """A copy as the API shows it. The address of the page depends on where the simulator listens now."""
        url = f"{self.settings.base_url}/payment-links/{self.facts[checkout['id']]['link']}"
        return {"id": checkout["id"], "url": url, **copy.deepcopy(checkout)}

    def change(self, checkout: Json, status: str) -> None:
        checkout.update(status=status, updatedAt=self.time())

    def emit(self, event_type: str, checkout: Json) -> None:
        """Record an event with the checkout as it is now, and queue its deliveries."""
        event_id = self.ids("event")
        self.tables[EVENTS][event_id] = {"id": event_id, "body": {**self.shown(checkout), "eventType": event_type}}
        for endpoint_id in list(self.tables[ENDPOINTS]):
            self.queue(event_id, endpoint_id)

    def add_endpoint(self, url: str, secret: str) -> None:
        """Send events there from now on, signed with this secret."""
        endpoint_id = self.ids("endpoint")
        self.tables[ENDPOINTS][endpoint_id] = {"id": endpoint_id, "url": url}
        self.facts[endpoint_id] = {"secret": secret}
