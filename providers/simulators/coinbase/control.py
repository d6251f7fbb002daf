"""What Coinbase does not offer: paying without a page, ending a checkout early, and refunds that fail."""

from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from providers.simulators import control
from providers.simulators.account import Json
from providers.simulators.coinbase import checkouts
from providers.simulators.coinbase.errors import invalid
from providers.simulators.coinbase.world import World
from providers.simulators.control import read_body
from providers.simulators.courier import Courier

OUTCOMES = ("success", "fail")
REFUNDS = ("complete", "fail")


class Control:
    """The out-of-band operations on one world."""

    def __init__(self, world: World, courier: Courier) -> None:
        self._world = world
        self._shared = control.Control(world, courier)

    def routes(self) -> list[Route]:
        return self._shared.routes(
            ("POST", "checkouts/{id}/pay", self._pay),
            ("POST", "checkouts/{id}/expire", self._expire),
        )

    async def _pay(self, request: Request) -> Json:
        """What the payer does on the page."""
        wanted = await read_body(request)
        outcome, refunds = wanted.get("outcome", "success"), wanted.get("refunds", "complete")
        after: Any = wanted.get("after", 0)
        if outcome not in OUTCOMES or refunds not in REFUNDS or not isinstance(after, int):
            raise invalid("outcome is success or fail, refunds complete or fail, after a number of seconds")
        checkout = self._world.checkout(request.path_params["id"])
        checkouts.pay(self._world, checkout, succeeds=outcome == "success", after=after)
        self._world.facts[checkout["id"]]["refunds"] = refunds
        return self._world.shown(checkout)

    async def _expire(self, request: Request) -> Json:
        checkout = self._world.checkout(request.path_params["id"])
        checkouts.expire(self._world, checkout)
        return self._world.shown(checkout)
