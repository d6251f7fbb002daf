"""What happens at Stripe without the service: payers pay, or fail to; the account's owner gives money back."""

import random
import threading
from collections.abc import Iterator
from typing import Any, Final

import httpx

from tests.torture.installation import STRIPE_KEY

GOOD: Final = "pm_card_visa"
DECLINED: Final = "pm_card_visa_chargeDeclined"
MODES: Final = ("normal", "normal", "normal", "duplicate", "shuffle", "drop")
_PAGE: Final = 100


class Stripe:
    """The simulator, from outside. May be used by several threads."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"authorization": f"Bearer {STRIPE_KEY}"}, timeout=60, trust_env=False
        )
        self._drops = threading.Lock()
        self._is_dropping = False
        self.refund_count = 0

    def close(self) -> None:
        self._http.close()

    def pay(self, intent: str, card: str) -> bool:
        """What the payer's browser does; whether Stripe took it."""
        answer = self._http.post(f"/_sim/payment_intents/{intent}/pay", json={"payment_method": card})
        return answer.status_code == 200

    def refund(self, intent: str, amount_minor: int) -> None:
        """The owner gives a part back, or tries to. Not while deliveries get lost: nothing else tells of it for an hour."""
        with self._drops:
            if not self._is_dropping:
                answer = self._http.post("/v1/refunds", data={"payment_intent": intent, "amount": str(amount_minor)})
                self.refund_count += answer.status_code == 200

    def deliver(self, mode: str) -> None:
        """How webhooks are delivered from now on."""
        with self._drops:
            self._http.post("/_sim/delivery", json={"mode": mode}).raise_for_status()
            self._is_dropping = mode == "drop"

    def deliver_somehow(self, chance: random.Random) -> None:
        self.deliver(chance.choice(MODES))

    def intent(self, intent: str) -> dict[str, Any]:
        answer = self._http.get(f"/v1/payment_intents/{intent}")
        answer.raise_for_status()
        return answer.json()

    def rows(self, kind: str) -> Iterator[dict[str, Any]]:
        """All objects of a kind, as the API lists them, newest first."""
        after: dict[str, str] = {}
        while True:
            page = self._http.get(f"/v1/{kind}", params={"limit": str(_PAGE), **after})
            page.raise_for_status()
            listed = page.json()
            yield from listed["data"]
            if not listed["has_more"]:
                return
            after = {"starting_after": listed["data"][-1]["id"]}
