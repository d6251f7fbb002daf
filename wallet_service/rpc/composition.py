"""Everything on the port as one ASGI application."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from connectrpc.server import ConnectASGIApplication
from connectrpc_grpcreflect import (
    ServerReflectionAlphaASGIApplication,
    ServerReflectionAlphaService,
    ServerReflectionASGIApplication,
    ServerReflectionService,
)
from connectrpc_otel import OpenTelemetryInterceptor
from opentelemetry.trace import ProxyTracerProvider, TracerProvider, get_tracer_provider
from prometheus_client import CollectorRegistry
from protobuf import DescService
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from wallet_api.grpc.health.v1.health_connect import Health, HealthASGIApplication

from wallet_service.audit_log.operations import AuditLog
from wallet_service.rpc import disconnects
from wallet_service.rpc import policy as policies
from wallet_service.rpc.admission import Admission
from wallet_service.rpc.auditing import Auditing
from wallet_service.rpc.authentication import Authenticate, Authentication
from wallet_service.rpc.authorization import Authorization
from wallet_service.rpc.call import current_call
from wallet_service.rpc.call_time import CallTime, MomentOfCall, real_time
from wallet_service.rpc.codecs import SAFE_CODECS
from wallet_service.rpc.deadlines import DeadlinePolicy
from wallet_service.rpc.errors import ErrorMapping
from wallet_service.rpc.gateway import Gateway, Methods, Shedding
from wallet_service.rpc.health import HealthServicer, HealthState
from wallet_service.rpc.metrics import CallMetrics
from wallet_service.rpc.plain_http import plain_http_app
from wallet_service.rpc.rate_limits import RateLimits, default_limits
from wallet_service.rpc.shielding import ShieldedWrites, WriteShield
from wallet_service.rpc.streams import StreamAuthentication
from wallet_service.rpc.validation import Validation, precompile

ALIASES: Final = {"aes.wallet.v1.WalletService": "wallet.v1.WalletService"}
"""The published SDK's path of the contract, answered like ours on every protocol."""

DEADLINE_MAX: Final = timedelta(minutes=10)

_CORS_REQUEST_HEADERS: Final = (
    "authorization",
    "connect-protocol-version",
    "connect-timeout-ms",
    "content-type",
    "grpc-timeout",
    "traceparent",
    "tracestate",
    "x-grpc-web",
    "x-request-id",
    "x-user-agent",
)
_CORS_RESPONSE_HEADERS: Final = (
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "x-request-id",
)
_CORS_AGE_SECONDS: Final = 7200

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class RpcService:
    """A servicer, the generated application class that serves it, and the descriptor of its service."""

    application: Callable[..., ConnectASGIApplication[Any]]
    servicer: object
    descriptor: DescService


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcOptions:
    """Limits and switches. `calls_max` is of calls in flight; `write_drain` bounds the wait for shielded writes at
    shutdown."""

    cors_origins: Sequence[str] = ()
    request_bytes_max: int = 4 * 1024 * 1024
    calls_max: int = 512
    deadline: timedelta = timedelta(seconds=30)
    write_drain: timedelta = timedelta(seconds=10)
    rate_limits: RateLimits = field(default_factory=default_limits)
    tracer_provider: TracerProvider | None = None
    """Unset: the process's global one, if it has one when the application is built (`opentelemetry-instrument` sets it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the composition root hands in. `lifespan` opens and closes what the servicers use; without an `audit_log` no
    call is recorded."""

    authenticate: Authenticate
    audit_log: AuditLog | None = None
    database_ok: Callable[[], Any]
    draining: asyncio.Event
    lifespan: Lifespan
    moment_of_call: MomentOfCall = real_time
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    writes: ShieldedWrites = field(default_factory=ShieldedWrites)


def build_asgi(
    services: Sequence[RpcService],
    *,
    http_routes: Sequence[BaseRoute],
    environment: Environment,
    options: RpcOptions,
    policy: policies.Policy = policies.POLICY,
) -> ASGIApp:
    """The application: `services` behind all interceptors, health, reflection, `/metrics`, `/healthz` and `http_routes`.

    Raises ValueError when a method has no policy entry or takes a stream of requests, and CompilationError when a rule of
    a .proto file does not compile: such a server does not start.
    """
    disconnects.install()
    descriptors = [service.descriptor for service in services]
    policies.check(policy, descriptors)
    for descriptor in descriptors:
        precompile(descriptor)
    metrics = CallMetrics(environment.registry)
    state = HealthState(environment.database_ok, environment.draining)
    applications = _our_applications(services, environment, options, policy)
    applications += _infrastructure(state, descriptors)
    app: ASGIApp = Dispatcher(
        applications,
        plain_http_app(
            [*http_routes, *state.routes(), metrics.route()],
            body_bytes_max=options.request_bytes_max,
        ),
        lambda: _lifespan(environment, state, options.write_drain),
    )
    if options.cors_origins:
        app = _with_cors(app, options.cors_origins)
    return Gateway(
        app,
        methods=_methods(descriptors, policy),
        deadlines=DeadlinePolicy(default=options.deadline, maximum=DEADLINE_MAX),
        metrics=metrics,
        admission=Admission(options.calls_max),
    )


class Dispatcher:
    """RPC by the service's path prefix, the rest to plain HTTP; runs the lifespan."""

    def __init__(
        self,
        applications: Sequence[ConnectASGIApplication[Any]],
        plain: ASGIApp,
        lifespan: Lifespan,
    ) -> None:
        self._applications = {application.path: application for application in applications}
        self._plain = plain
        self._lifespan = lifespan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
            return
        path: str = scope["path"]
        application: Any = self._applications.get(path[: path.rfind("/")])
        await (application or self._plain)(scope, receive, send)

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        phase = "startup"
        try:
            async with self._lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
                phase = "shutdown"
        except Exception as error:
            await send(
                {
                    "type": f"lifespan.{phase}.failed",
                    "message": f"{type(error).__name__}: {error}",
                }
            )
            raise
        await send({"type": "lifespan.shutdown.complete"})


def _our_applications(
    services: Sequence[RpcService],
    environment: Environment,
    options: RpcOptions,
    policy: policies.Policy,
) -> list[ConnectASGIApplication[Any]]:
    mapping, authentication = ErrorMapping(), Authentication(environment.authenticate, policy, options.rate_limits)
    # connectrpc's own union of interceptors has an unbound type variable.
    interceptors: list[Any] = [mapping, Shedding()]
    tracer_provider = options.tracer_provider or _global_tracer_provider()
    if tracer_provider is not None:
        # Mapped errors for the span, too: the inner mapping runs before telemetry sees the outcome.
        telemetry = OpenTelemetryInterceptor(tracer_provider=tracer_provider)
        interceptors += [telemetry, mapping]
    interceptors += [authentication, Validation(), WriteShield(environment.writes)]
    if environment.audit_log is not None:
        interceptors.append(Auditing(environment.audit_log))
    interceptors += [
        Authorization(policy),
        StreamAuthentication(authentication),
        CallTime(environment.moment_of_call),
    ]
    return [
        service.application(
            service.servicer,
            interceptors=interceptors,
            read_max_bytes=options.request_bytes_max,
            codecs=SAFE_CODECS,
        )
        for service in services
    ]


def _infrastructure(state: HealthState, descriptors: Sequence[DescService]) -> list[ConnectASGIApplication[Any]]:
    interceptors = [ErrorMapping()]
    names = [descriptor.type_name for descriptor in descriptors]
    shown = [*descriptors, Health.desc()]
    return [
        HealthASGIApplication(HealthServicer(state, names), interceptors=interceptors, codecs=SAFE_CODECS),
        ServerReflectionASGIApplication(
            ServerReflectionService(*shown),
            interceptors=interceptors,
            codecs=SAFE_CODECS,
        ),
        ServerReflectionAlphaASGIApplication(
            ServerReflectionAlphaService(*shown),
            interceptors=interceptors,
            codecs=SAFE_CODECS,
        ),
    ]


@asynccontextmanager
async def _lifespan(environment: Environment, state: HealthState, write_drain: timedelta) -> AsyncGenerator[None]:
    async with environment.lifespan():
        await state.probe()
        poller = asyncio.create_task(state.poll())
        try:
            yield
        finally:
            environment.draining.set()
            poller.cancel()
            await environment.writes.drain(write_drain)


def _methods(descriptors: Sequence[DescService], policy: policies.Policy) -> Methods:
    unary = {f"{d.type_name}/{m.name}" for d in descriptors for m in d.methods if m.method_kind == "unary"}
    streams = {f"{d.type_name}/{m.name}" for d in descriptors for m in d.methods if m.method_kind != "unary"}
    health = Health.desc().type_name
    health_calls = {f"{health}/Check", f"{health}/List"}
    return Methods(
        unary=frozenset(unary | health_calls),
        waiting=frozenset(name for name in unary if policy[name].waits),
        always_served=frozenset(health_calls),
        streaming=frozenset(
            streams
            | {
                f"{health}/Watch",
                "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            }
        ),
        aliases=ALIASES,
    )


def _global_tracer_provider() -> TracerProvider | None:
    provider = get_tracer_provider()
    # The proxy stands there until someone sets a real one; spans would go nowhere.
    return None if isinstance(provider, ProxyTracerProvider) else provider


def _with_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Keys travel in a header, never in a cookie, so credentials stay off. Native gRPC never comes from a browser."""
    browsers = CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=list(_CORS_REQUEST_HEADERS),
        expose_headers=list(_CORS_RESPONSE_HEADERS),
        max_age=_CORS_AGE_SECONDS,
    )

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        native = scope["type"] == "http" and current_call().protocol == "grpc"
        await (app if native else browsers)(scope, receive, send)

    return dispatch
