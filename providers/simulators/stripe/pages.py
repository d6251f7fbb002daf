"""Pages for a person: pay a payment intent, save a card, pass or fail 3-D Secure. No JavaScript."""

from collections.abc import Awaitable, Callable
from html import escape
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from providers.simulators.pages import HEADERS, page, read_form
from providers.simulators.stripe import confirming, setups
from providers.simulators.stripe.cards import CARDS
from providers.simulators.stripe.errors import ApiError, Json
from providers.simulators.stripe.world import World

RECENT_COUNT = 20
WITHOUT_DECIMALS = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()  # noqa: SIM905
)


class Pages:
    """The pages of one world. A page about an intent needs its client secret, as Stripe's own do."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        return [
            Route("/", self._guarded(self._home), methods=["GET"]),
            Route("/_sim/pay", self._guarded(self._show), methods=["GET"]),
            Route("/_sim/pay", self._guarded(self._pay), methods=["POST"]),
            Route("/_sim/3ds/{id}", self._guarded(self._show_challenge), methods=["GET"]),
            Route(
                "/_sim/3ds/{id}",
                self._guarded(self._finish_challenge),
                methods=["POST"],
            ),
        ]

    def _guarded(self, run: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            self._world.begin()
            try:
                return await run(request)
            except ApiError as error:
                return page(
                    "Not possible",
                    f'<p class="bad">{escape(str(error))}</p>',
                    status=error.status,
                )
            finally:
                self._world.save()

        return serve

    async def _home(self, request: Request) -> Response:
        intents = list(self._world.newest_first("payment_intent"))[:RECENT_COUNT]
        rows = "".join(
            f"<tr><td><a href='/_sim/pay?{_query(intent)}'>{escape(intent['id'])}</a></td>"
            f"<td>{_amount(intent)}</td><td>{escape(intent['status'])}</td></tr>"
            for intent in intents
        )
        table = f"<table>{rows}</table>" if rows else "<p>None yet.</p>"
        return page(
            "Stripe simulator",
            f"<p class='note'>No money moves here. Latest payments:</p>{table}",
        )

    async def _show(self, request: Request) -> Response:
        return _form_page(self._subject(request.query_params.get("client_secret", "")))

    async def _pay(self, request: Request) -> Response:
        form = await read_form(request)
        subject = self._subject(form.get("client_secret", ""))
        token = form.get("card", "")
        try:
            if subject["object"] == "payment_intent":
                here = f"{self._world.settings.base_url}/_sim/pay?{_query(subject)}"
                confirmation = confirming.Confirmation(method_id=token, return_url=here)
                confirming.confirm(self._world, subject, confirmation)
            else:
                setups.confirm(self._world, subject, token)
        except ApiError as error:
            return _form_page(subject, complaint=str(error))
        return _next(subject)

    async def _show_challenge(self, request: Request) -> Response:
        subject = self._subject(request.query_params.get("client_secret", ""))
        if subject["status"] != "requires_action":
            return _form_page(subject)
        secret = escape(subject["client_secret"])
        return page(
            "3-D Secure",
            f"<p>Your bank asks you to approve {_what(subject)}.</p>"
            f"<form method='post' action='/_sim/3ds/{escape(subject['id'])}'>"
            f"<input type='hidden' name='client_secret' value='{secret}'>"
            "<button name='outcome' value='succeed'>Approve</button>"
            "<button class='no' name='outcome' value='fail'>Refuse</button></form>",
        )

    async def _finish_challenge(self, request: Request) -> Response:
        form = await read_form(request)
        subject = self._subject(form.get("client_secret", ""))
        passed = form.get("outcome") == "succeed"
        try:
            if subject["object"] == "payment_intent":
                confirming.finish_challenge(self._world, subject, passed=passed)
            else:
                setups.finish_challenge(self._world, subject, passed=passed)
        except ApiError as error:
            return _form_page(subject, complaint=str(error))
        return _next(subject)

    def _subject(self, client_secret: str) -> Json:
        """The intent that the secret belongs to. Raises `ApiError` for a wrong one."""
        intent_id = client_secret.partition("_secret_")[0]
        kind = "setup_intent" if intent_id.startswith("seti_") else "payment_intent"
        subject = self._world.get(kind, intent_id)
        if subject["client_secret"] != client_secret:
            raise ApiError(404, "No such payment.")
        return subject


def _next(subject: Json) -> Response:
    """Where the payer goes after a step."""
    path = f"/_sim/3ds/{subject['id']}" if subject["status"] == "requires_action" else "/_sim/pay"
    return RedirectResponse(f"{path}?{_query(subject)}", status_code=303, headers=HEADERS)


def _form_page(subject: Json, complaint: str | None = None) -> Response:
    status = subject["status"]
    if status in ("succeeded", "canceled", "requires_capture"):
        tone = "bad" if status == "canceled" else "good"
        return page("Done", f"<p class='{tone}'>{_what(subject)}: {escape(status)}.</p>")
    choices = "".join(
        f"<label><input type='radio' name='card' value='{escape(card.tokens[0])}'{' checked' if index == 0 else ''}>"
        f" <code>{card.number[:4]} … {card.number[-4:]}</code> {escape(card.label)}</label>"
        for index, card in enumerate(CARDS)
    )
    trouble = f"<p class='bad'>{escape(complaint)}</p>" if complaint else ""
    button = "Pay" if subject["object"] == "payment_intent" else "Save card"
    return page(
        button,
        f"{trouble}<p class='amount'>{_what(subject)}</p><p class='note'>Choose a test card. No money moves.</p>"
        "<form method='post' action='/_sim/pay'>"
        f"<input type='hidden' name='client_secret' value='{escape(subject['client_secret'])}'>"
        f"{choices}<button>{button}</button></form>",
        status=402 if complaint else 200,
    )


def _query(subject: Json) -> str:
    return urlencode({"client_secret": subject["client_secret"]})


def _what(subject: Json) -> str:
    return _amount(subject) if subject["object"] == "payment_intent" else "saving your card"


def _amount(intent: Json) -> str:
    amount, currency = intent["amount"], intent["currency"]
    decimals = 0 if currency in WITHOUT_DECIMALS else 3 if currency in ("bhd", "jod", "kwd", "omr", "tnd") else 2
    digits = str(amount).rjust(decimals + 1, "0")
    shown = f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
    return f"{shown} {escape(currency.upper())}"
