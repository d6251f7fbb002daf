"""The transport around a scripted WalletService, whose requests say what it shall do. Runs as a process of its own."""

import asyncio
import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from connectrpc.request import RequestContext
from opentelemetry.sdk.trace import TracerProvider
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp
from wallet_api.wallet.v1.event_pb import Event
from wallet_api.wallet.v1.meter_rate_pb import PublicMeterRate
from wallet_api.wallet.v1.wallet_pb import Wallet
from wallet_api.wallet.v1.wallet_service_connect import (
    WalletService,
    WalletServiceASGIApplication,
)
from wallet_api.wallet.v1.wallet_service_pb import (
    CreateCardSetupIntentRequest,
    CreateCardSetupIntentResponse,
    CreateStripeTopUpIntentRequest,
    CreateStripeTopUpIntentResponse,
    GetWalletBalanceRequest,
    GetWalletBalanceResponse,
    GetWalletRequest,
    GetWalletResponse,
    ListPublicMeterRatesRequest,
    ListPublicMeterRatesResponse,
)
from wallet_api.wallet.v1.webhook_service_connect import WebhookService, WebhookServiceASGIApplication
from wallet_api.wallet.v1.webhook_service_pb import WatchEventsRequest, WatchEventsResponse

from wallet_service import names
from wallet_service.errors import Code, FieldViolation, Reason, ServiceError
from wallet_service.logs import configure_logging
from wallet_service.principal import Principal, Role
from wallet_service.rpc.authentication import unauthenticated
from wallet_service.rpc.call import current_call
from wallet_service.rpc.composition import (
    Environment,
    RpcOptions,
    RpcService,
    build_asgi,
)
from wallet_service.rpc.rate_limits import Rate, RateLimits, TokenBuckets

ORG = "my-org"
PATIENT = Rate(1_000_000, 1_000_000)
KEYS = {
    "wk_test_viewer": (ORG, Role.VIEWER),
    "wk_test_editor": (ORG, Role.EDITOR),
    "wk_test_operator": (None, Role.OPERATOR),
}
KEY_IDS = {secret: uuid.uuid5(uuid.NAMESPACE_OID, secret) for secret in KEYS}

FOLDER_VARIABLE = "SCRIPTED_FOLDER"
"""Folder for what the servicer writes; a file `database-down` in it fails the database probe."""
CORS_ORIGIN = "https://console.example.com"
DEADLINE_DEFAULT = timedelta(seconds=5)

BROKEN = "secret internals of the database"


def folder() -> Path:
    return Path(os.environ[FOLDER_VARIABLE])


async def authenticate(secret: str) -> Principal:
    if secret not in KEYS or (folder() / f"{secret}.revoked").exists():
        raise unauthenticated()
    slug, role = KEYS[secret]
    org_id = uuid.uuid5(uuid.NAMESPACE_DNS, slug) if slug else None
    return Principal(KEY_IDS[secret], org_id, slug, role)


class ScriptedWallet(WalletService):
    """Constant answers, and what the request's text asks for: `sleep:<seconds>`, `boom`, `surrogate`, `remaining`."""

    async def get_wallet(self, request: GetWalletRequest, ctx: RequestContext[Any, Any], /) -> GetWalletResponse:
        del ctx
        slug = names.parse_wallet(request.name, "name")
        return GetWalletResponse(wallet=Wallet(name=names.wallet(slug, flat=current_call().flat_names), currency="USD"))

    async def get_wallet_balance(
        self, request: GetWalletBalanceRequest, ctx: RequestContext[Any, Any], /
    ) -> GetWalletBalanceResponse:
        del ctx
        return GetWalletBalanceResponse(wallet_name=request.name, balance_minor=12345, currency="USD")

    async def list_public_meter_rates(
        self, request: ListPublicMeterRatesRequest, ctx: RequestContext[Any, Any], /
    ) -> ListPublicMeterRatesResponse:
        del ctx
        verb, _, argument = request.meter_prefix.partition(":")
        meter = request.meter_prefix
        if verb == "sleep":
            await asyncio.sleep(float(argument))
        elif verb == "boom":
            raise RuntimeError(BROKEN)
        elif verb == "surrogate":
            meter = "\ud800"
        elif verb == "remaining":
            remaining = current_call().remaining()
            meter = str(remaining / timedelta(milliseconds=1)) if remaining is not None else "none"
        return ListPublicMeterRatesResponse(public_meter_rates=[PublicMeterRate(meter=meter)])

    async def create_stripe_top_up_intent(
        self, request: CreateStripeTopUpIntentRequest, ctx: RequestContext[Any, Any], /
    ) -> CreateStripeTopUpIntentResponse:
        del ctx
        seconds, _, file = request.idempotency_key.partition(":")
        with (folder() / f"{file}.started").open("w"):
            pass
        await asyncio.sleep(float(seconds))
        with (folder() / f"{file}.committed").open("w"):
            pass
        return CreateStripeTopUpIntentResponse(client_secret="pi_secret")

    async def create_card_setup_intent(
        self, request: CreateCardSetupIntentRequest, ctx: RequestContext[Any, Any], /
    ) -> CreateCardSetupIntentResponse:
        del ctx
        raise ServiceError(
            Code.FAILED_PRECONDITION,
            Reason.INSUFFICIENT_FUNDS,
            "100 USD minor units are needed and 99 are available",
            metadata={"available_minor": "99", "required_minor": "100"},
            violations=[FieldViolation("amount_minor", "more than is available")],
            retry_after=timedelta(seconds=1.5),
        )


class ScriptedEvents(WebhookService):
    """Streams `after_sequence` messages and then what the first event type asks for: `boom`, `refuse`, `idle` or `flood`.

    It leaves a file behind when a stream has ended, and one that says how much of a flood was taken.
    """

    async def watch_events(
        self, request: WatchEventsRequest, ctx: RequestContext[Any, Any], /
    ) -> AsyncIterator[WatchEventsResponse]:
        del ctx
        verb = request.event_types[0] if request.event_types else "end"
        try:
            for number in range(1, request.after_sequence + 1):
                yield WatchEventsResponse(event=Event(sequence=number), sequence=number)
            async for answer in _script(verb, request.after_sequence):
                yield answer
        finally:
            (folder() / f"{verb}.stream-ended").touch()


async def _script(verb: str, number: int) -> AsyncIterator[WatchEventsResponse]:
    if verb == "boom":
        raise RuntimeError(BROKEN)
    if verb == "refuse":
        raise ServiceError(Code.UNAVAILABLE, Reason.OVERLOADED, "shutting down", retry_after=timedelta(seconds=1))
    while verb == "idle":
        await asyncio.sleep(0.1)
        yield WatchEventsResponse(sequence=number)
    while verb == "flood":
        number += 1
        (folder() / "flood").write_text(str(number))
        await asyncio.sleep(0)
        yield WatchEventsResponse(event=Event(subject_name="x" * 10_000), sequence=number)


async def echo(request: Request) -> Response:
    if request.path_params["what"] == "boom":
        raise RuntimeError(BROKEN)
    if request.path_params["what"] == "refused":
        raise ServiceError(Code.NOT_FOUND, Reason.RESOURCE_NOT_FOUND, "no such thing")
    return Response(await request.body())


@asynccontextmanager
async def lifespan() -> AsyncGenerator[None]:
    if (folder() / "fail-startup").exists():
        raise RuntimeError("the lifespan was told to fail")
    (folder() / "lifespan-started").touch()
    yield
    (folder() / "lifespan-ended").touch()


async def database_ok() -> bool:
    return not (folder() / "database-down").exists()


def create_app(draining: asyncio.Event) -> ASGIApp:
    configure_logging(format="json", level=os.environ.get("SCRIPTED_LOG_LEVEL", "info"))  # type: ignore[arg-type]
    return build_asgi(
        [
            RpcService(WalletServiceASGIApplication, ScriptedWallet(), WalletService.desc()),
            RpcService(WebhookServiceASGIApplication, ScriptedEvents(), WebhookService.desc()),
        ],
        http_routes=[Route("/echo/{what}", echo, methods=["POST"])],
        environment=Environment(
            authenticate=authenticate,
            database_ok=database_ok,
            draining=draining,
            lifespan=lifespan,
        ),
        options=RpcOptions(
            cors_origins=[CORS_ORIGIN],
            deadline=DEADLINE_DEFAULT,
            rate_limits=RateLimits(TokenBuckets(PATIENT), TokenBuckets(PATIENT)),
            tracer_provider=TracerProvider() if "SCRIPTED_NO_TRACES" not in os.environ else None,
        ),
    )
