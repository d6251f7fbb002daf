"""`POST /webhooks/{stripe,coinbase}`: the raw body goes to the inbox; nothing is parsed before its signature was checked."""

from typing import Final

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from providers.protocol import WebhookRejected
from wallet_service.webhooks.operations import WebhookInbox

BODY_BYTES_MAX: Final = 1024 * 1024
"""Several times the largest event that a provider sends."""

_log: Final = structlog.get_logger("wallet.webhooks")


def webhook_routes(inbox: WebhookInbox) -> list[Route]:
    """200 for a delivery that is safe with us, new or not; 400 for a bad signature, 413 and 415 before looking at it.

    Any other status makes the provider deliver again, so a database out of reach is 503.
    """

    def of_provider(name: str) -> Route:
        async def deliver(request: Request) -> Response:
            return await _receive(inbox, name, request)

        return Route(f"/webhooks/{name}", deliver, methods=["POST"])

    return [of_provider(name) for name in inbox.provider_names]


async def _receive(inbox: WebhookInbox, provider: str, request: Request) -> Response:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "the content type has to be application/json")
    raw = await _body(request)
    try:
        new_count = await inbox.receive(provider, raw, request.headers)
    except WebhookRejected as rejected:
        _log.warning("webhook_rejected", provider=provider, why=str(rejected))
        raise HTTPException(400, "the delivery is not signed as expected") from rejected
    return JSONResponse({"received": True, "duplicate": new_count == 0})


async def _body(request: Request) -> bytes:
    """The body, read no further than the limit."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise HTTPException(413, f"a delivery is at most {BODY_BYTES_MAX} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
