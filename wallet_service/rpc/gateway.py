"""The outermost ASGI layer: what every request gets, whatever its protocol and however it ends.

A place among the calls in flight or a refusal, a correlation id (taken from `x-request-id` when well-formed, and sent back),
a deadline, the alias of the published contract, one log line, metrics, and a last net under unexpected exceptions. It logs
published names only, never a URL or a payload.
"""

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import structlog
from connectrpc.request import RequestContext
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wallet_service.errors import overloaded
from wallet_service.rpc.admission import Admission
from wallet_service.rpc.call import OK, OTHER, Call, current_call, enter
from wallet_service.rpc.deadlines import CONNECT_HEADER, GRPC_HEADER, DeadlinePolicy
from wallet_service.rpc.errors import to_connect_error
from wallet_service.rpc.metrics import CallMetrics
from wallet_service.rpc.plain_http import error_response, refusal_response

_REQUEST_ID_HEADER: Final = b"x-request-id"
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_TRAILERS: Final = "http.response.trailers"
"""The ASGI extension without which gRPC cannot tell how a call ended; servers have it on HTTP/2."""
_QUIET_PREFIXES: Final = ("grpc.health.", "grpc.reflection.", "/healthz", "/livez", "/metrics")
_ALWAYS_SERVED: Final = ("/healthz", "/livez", "/metrics")
_DOWNLOADS: Final = "/downloads/"

_log: Final = structlog.get_logger("wallet.calls")


@dataclass(frozen=True, slots=True)
class Methods:
    """Published RPC names `package.Service/Method`. Unary ones get a deadline; aliases map a service to ours.

    Of the unary ones, those in `waiting` wait for others, and those in `always_served` need no place.
    """

    unary: frozenset[str]
    streaming: frozenset[str]
    waiting: frozenset[str]
    always_served: frozenset[str]
    aliases: Mapping[str, str]


class Gateway:
    """Wraps the dispatcher; lifespan passes through."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        methods: Methods,
        deadlines: DeadlinePolicy,
        metrics: CallMetrics,
        admission: Admission,
    ) -> None:
        self._app = app
        self._admission = admission
        self._methods = methods
        self._deadlines = deadlines
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        headers = _Headers.of(scope)
        peer = scope.get("client")
        call = Call(
            headers.correlation_id,
            protocol=headers.protocol,
            remote_address=str(peer[0]) if peer else "",
            user_agent=headers.user_agent,
        )
        enter(call)
        response = _Response(send, call.correlation_id)
        self._metrics.in_flight.inc()
        try:
            inner = self._resolve(scope, headers, call, started)
            self._admit(scope["path"], call)
            if call.is_shed and call.method == OTHER:
                await error_response(overloaded())(scope, receive, response)
            elif headers.undecodable or not _decodes(unquote_to_bytes(scope["query_string"])):
                await refusal_response(400, "headers and query must be UTF-8")(scope, receive, response)
            elif headers.protocol == "grpc" and _TRAILERS not in scope.get("extensions", ()):
                await refusal_response(415, "gRPC needs HTTP/2; use gRPC-Web or Connect")(scope, receive, response)
            else:
                await self._app(inner, receive, response)
                _name_route(inner, call)
        except Exception as error:
            await self._answer_failure(error, call, scope, receive, response)
        except BaseException:
            call.code = "canceled"
            raise
        finally:
            self._metrics.in_flight.dec()
            if call.place is not None:
                call.place.let_go()
            self._finish(call, response.status, time.monotonic() - started)

    def _resolve(self, scope: Scope, headers: "_Headers", call: Call, started: float) -> Scope:
        """The scope that the application sees; notes method and deadline in `call`."""
        service, _, method = scope["path"][1:].rpartition("/")
        if (canonical := self._methods.aliases.get(service)) is not None:
            call.flat_names = True
            service = canonical
            path = f"/{service}/{method}"
            scope = {**scope, "path": path, "raw_path": path.encode()}
        name = f"{service}/{method}"
        if name in self._methods.streaming:
            call.method = name
        elif name in self._methods.unary:
            call.method = name
            seconds, value = self._deadlines.apply(headers.timeout, grpc=headers.grpc)
            call.deadline_monotonic = started + seconds
            if value is not None:
                key = GRPC_HEADER if headers.grpc else CONNECT_HEADER
                kept = [pair for pair in scope["headers"] if pair[0] != key]
                scope = {**scope, "headers": [*kept, (key, value)]}
        else:
            call.protocol = "http"
        return scope

    def _admit(self, path: str, call: Call) -> None:
        """Give the call its place, or note that there is none."""
        if call.method == OTHER:
            if path in _ALWAYS_SERVED:
                return
            waits = path.startswith(_DOWNLOADS)
        elif call.method in self._methods.streaming or call.method in self._methods.always_served:
            return
        else:
            waits = call.method in self._methods.waiting
        call.place = self._admission.enter(waits=waits)
        call.is_shed = call.place is None

    async def _answer_failure(
        self,
        error: Exception,
        call: Call,
        scope: Scope,
        receive: Receive,
        response: "_Response",
    ) -> None:
        if response.disconnected:
            call.code = "canceled"
        elif call.error_id is None:
            mapped = to_connect_error(error)
            call.code = mapped.code.value
            if response.status is None:
                await refusal_response(500, mapped.message)(scope, receive, response)

    def _finish(self, call: Call, status: int | None, seconds: float) -> None:
        code = call.code or (OK if status is not None and status < 400 else f"http_{status}")
        self._metrics.observe(method=call.method, protocol=call.protocol, code=code, seconds=seconds)
        if call.is_shed:
            return
        fields: dict[str, Any] = {
            "method": call.method,
            "protocol": call.protocol,
            "code": code,
            "milliseconds": round(seconds * 1000, 3),
            "correlation_id": call.correlation_id,
        }
        if call.principal is not None:
            fields["key_id"] = str(call.principal.key_id)
        if call.flat_names:
            fields["alias"] = True
        if call.error_id is not None:
            _log.error("call", error_id=call.error_id, **fields)
        elif call.method.startswith(_QUIET_PREFIXES):
            _log.debug("call", **fields)
        else:
            _log.info("call", **fields)


class Shedding:
    """Interceptor: refuses a call for which there was no place, in the words of its protocol, with its body unread."""

    async def on_start(self, ctx: RequestContext[Any, Any]) -> None:
        del ctx
        if current_call().is_shed:
            raise overloaded()

    async def on_end(self, token: None, ctx: RequestContext[Any, Any], error: Exception | None, /) -> None:
        del token, ctx, error


@dataclass(slots=True)
class _Headers:
    """What the gateway needs of the request's headers, from one pass over them."""

    correlation_id: str
    protocol: str
    grpc: bool
    timeout: bytes | None
    user_agent: str
    undecodable: bool

    @classmethod
    def of(cls, scope: Scope) -> "_Headers":
        pairs: Sequence[tuple[bytes, bytes]] = scope["headers"]
        headers = dict(pairs)
        request_id = headers.get(_REQUEST_ID_HEADER, b"")
        protocol = _protocol(headers.get(b"content-type", b""))
        grpc = protocol != "connect"
        return cls(
            correlation_id=request_id.decode() if _REQUEST_ID.fullmatch(request_id) else secrets.token_hex(16),
            protocol=protocol,
            grpc=grpc,
            timeout=headers.get(GRPC_HEADER if grpc else CONNECT_HEADER),
            user_agent=headers.get(b"user-agent", b"").decode("latin-1"),
            undecodable=not all(_decodes(name) and _decodes(value) for name, value in pairs),
        )


class _Response:
    """`send` that adds the correlation id, and remembers the status and whether the caller has gone."""

    __slots__ = ("_id", "_send", "disconnected", "status")

    def __init__(self, send: Send, correlation_id: str) -> None:
        self._send = send
        self._id = correlation_id.encode()
        self.status: int | None = None
        self.disconnected = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), (_REQUEST_ID_HEADER, self._id)]
            message = {**message, "headers": headers}
        try:
            await self._send(message)
        except OSError:
            # The ASGI specification's way to say that nobody is listening any more.
            self.disconnected = True
            current_call().has_left = True
            raise


def _protocol(content_type: bytes) -> str:
    if not content_type.startswith(b"application/grpc"):
        return "connect"
    return "grpc-web" if content_type.startswith(b"application/grpc-web") else "grpc"


def _decodes(text: bytes) -> bool:
    """Whether `text` is UTF-8. In a query connectrpc would replace bad bytes silently; in a header it would fail."""
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _name_route(scope: Scope, call: Call) -> None:
    """Plain HTTP is named by its route's template, which Starlette leaves in the scope."""
    route = scope.get("route")
    if route is not None:
        call.method = route.path
