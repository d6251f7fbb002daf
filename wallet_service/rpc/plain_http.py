"""What is not RPC on the same port: webhooks, downloads, `/healthz`, `/metrics`, with errors in Connect's JSON shape."""

from collections.abc import Sequence
from math import ceil
from typing import Final

from connectrpc.code import Code
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from wallet_service.errors import ServiceError
from wallet_service.rpc.call import current_call
from wallet_service.rpc.errors import to_connect_error

_STATUS_OF: Final = {
    Code.INVALID_ARGUMENT: 400,
    Code.OUT_OF_RANGE: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.ABORTED: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}
_CODE_OF: Final = {
    400: "invalid_argument",
    403: "permission_denied",
    404: "not_found",
    405: "unimplemented",
    413: "resource_exhausted",
    415: "invalid_argument",
    416: "out_of_range",
}


def plain_http_app(routes: Sequence[BaseRoute], *, body_bytes_max: int) -> ASGIApp:
    """`routes`, which may raise `ServiceError`; what else they raise is answered as INTERNAL and logged."""
    return Starlette(
        routes=list(routes),
        exception_handlers={
            HTTPException: _http,
            ServiceError: _refused,
            ClientDisconnect: _left,
            Exception: _failed,
        },
        max_body_size=body_bytes_max,
    )


def refusal_response(status: int, message: str) -> JSONResponse:
    """An error in Connect's JSON shape."""
    return JSONResponse(
        {"code": _CODE_OF.get(status, "internal"), "message": message},
        status_code=status,
    )


def error_response(error: Exception) -> JSONResponse:
    """A failure in Connect's JSON shape, with the published reason beside it, and when to come back."""
    mapped = to_connect_error(error)
    body, headers = {"code": mapped.code.value, "message": mapped.message}, dict[str, str]()
    if isinstance(error, ServiceError):
        body["reason"] = error.reason.value
        if error.retry_after is not None:
            headers["retry-after"] = str(ceil(error.retry_after.total_seconds()))
    return JSONResponse(body, status_code=_STATUS_OF.get(mapped.code, 500), headers=headers)


async def _http(request: Request, error: Exception) -> JSONResponse:
    del request
    assert isinstance(error, HTTPException)
    response = refusal_response(error.status_code, error.detail)
    response.headers.update(error.headers or {})
    return response


async def _refused(request: Request, error: Exception) -> JSONResponse:
    current_call().method = request.scope["route"].path
    return error_response(error)


async def _left(request: Request, error: Exception) -> JSONResponse:
    """The caller hung up before its body was all there. That is nobody's failure, and nobody reads the answer."""
    del error
    call = current_call()
    call.method, call.code = request.scope["route"].path, Code.CANCELED.value
    return refusal_response(499, "the caller ended the call")


async def _failed(request: Request, error: Exception) -> JSONResponse:
    return await _refused(request, error)
