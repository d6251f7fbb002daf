"""Pages for a person: the list of checkouts, and the page that a checkout's `url` leads to. No JavaScript."""

from collections.abc import Awaitable, Callable
from html import escape

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from providers.simulators.account import Json
from providers.simulators.coinbase import checkouts
from providers.simulators.coinbase.errors import ApiError
from providers.simulators.coinbase.world import CHECKOUTS, World
from providers.simulators.pages import HEADERS, page, read_form

RECENT_COUNT = 20
GOOD = frozenset({"COMPLETED", "REFUNDED", "PARTIALLY_REFUNDED", "PROCESSING"})


class Pages:
    """The pages of one world. Whoever has the link may pay, as at Coinbase."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        return [
            Route("/", self._guarded(self._home), methods=["GET"]),
            Route("/payment-links/{link}", self._guarded(self._show), methods=["GET"]),
            Route("/payment-links/{link}", self._guarded(self._pay), methods=["POST"]),
        ]

    def _guarded(self, run: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            checkouts.expire_due(self._world)
            try:
                return await run(request)
            except ApiError as error:
                return page("Not possible", f"<p class='bad'>{escape(str(error))}</p>", status=error.status)
            finally:
                self._world.save()

        return serve

    async def _home(self, request: Request) -> Response:
        rows = "".join(
            f"<tr><td><a href='/payment-links/{self._world.facts[row['id']]['link']}'>{row['id']}</a></td>"
            f"<td>{row['amount']} USDC</td><td>{row['status']}</td></tr>"
            for row in list(self._world.newest_first(CHECKOUTS))[:RECENT_COUNT]
        )
        table = f"<table>{rows}</table>" if rows else "<p>None yet.</p>"
        return page("Coinbase simulator", f"<p class='note'>No money moves here. Latest checkouts:</p>{table}")

    async def _show(self, request: Request) -> Response:
        return _checkout_page(self._subject(request))

    async def _pay(self, request: Request) -> Response:
        checkout, form = self._subject(request), await read_form(request)
        if checkout["status"] != "ACTIVE":
            return _checkout_page(checkout, status=409)
        succeeds = form.get("outcome") == "success"
        checkouts.pay(self._world, checkout, succeeds=succeeds)
        target = checkout.get("successRedirectUrl" if succeeds else "failRedirectUrl")
        return RedirectResponse(target or request.url.path, status_code=303, headers=HEADERS)

    def _subject(self, request: Request) -> Json:
        """The checkout of the link. Raises `ApiError`."""
        link = request.path_params["link"]
        for checkout in self._world.tables[CHECKOUTS].values():
            if self._world.facts[checkout["id"]]["link"] == link:
                return checkout
        raise ApiError(404, "not_found", "There is no such payment.")


def _checkout_page(checkout: Json, status: int = 200) -> Response:
    amount = f"<p class='amount'>{checkout['amount']} USDC</p>"
    described = f"<p>{escape(checkout['description'])}</p>" if "description" in checkout else ""
    if checkout["status"] != "ACTIVE":
        tone = "good" if checkout["status"] in GOOD else "bad"
        outcome = f"<p class='{tone}'>This payment is {checkout['status']}.</p>"
        return page("Payment", f"{amount}{described}{outcome}", status=status)
    return page(
        "Pay with USDC",
        f"{amount}{described}"
        f"<p class='note'>On Base, to <code>{checkout['address']}</code>, until {checkout['expiresAt']}."
        " No money moves here.</p>"
        "<form method='post'><button name='outcome' value='success'>Pay</button>"
        "<button class='no' name='outcome' value='fail'>Let the payment fail</button></form>",
        status=status,
    )
