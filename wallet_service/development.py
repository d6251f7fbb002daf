"""A whole service by one command, for development and the demo: database, schema, seed, simulator, worker and API.

Production runs the parts one by one (`wallet migrate`, `wallet serve`, `wallet worker`) against `DATABASE_URL`.
"""

import asyncio
import errno
import os
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from pydantic import SecretStr

from providers.simulators.account import ENDPOINTS
from providers.simulators.coinbase import keys as coinbase_keys
from providers.simulators.coinbase import server as coinbase_server
from providers.simulators.coinbase.world import WEBHOOK_SECRET as COINBASE_WEBHOOK_SECRET
from providers.simulators.coinbase.world import Settings as CoinbaseSimulation
from providers.simulators.stripe import events as stripe_events
from providers.simulators.stripe import server as stripe_server
from providers.simulators.stripe.world import WEBHOOK_SECRET
from providers.simulators.stripe.world import Settings as StripeSimulation
from wallet_service.accounts.operations import ensure_development
from wallet_service.background import beside
from wallet_service.catalog.rules import CatalogDocument
from wallet_service.config import Settings, child_environment
from wallet_service.embedded_postgres import EmbeddedPostgres, ServerFailedError
from wallet_service.errors import ServiceError
from wallet_service.migrate import upgrade
from wallet_service.principal import Role
from wallet_service.service import Service
from wallet_service.serving.options import ServerFailed, ServerOptions
from wallet_service.serving.run import serve
from wallet_service.tenancy import Reach, within

RECONCILE_AFTER_SECONDS: Final = 20
"""In development a lost webhook is made good within a minute."""

STRIPE_EVENTS: Final = (
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.succeeded",
    "radar.early_fraud_warning.created",
    "refund.created",
    "refund.failed",
    "refund.updated",
)
"""What an endpoint at Stripe needs to be sent: each of these may change a top-up."""

API_KEY_FILE: Final = "dev-api-key"
OPERATOR_KEY_FILE: Final = "dev-operator-key"

_STRIPE_KEY: Final = "sk_test_development"
_SIMULATED_FEE_SECONDS: Final = 1
_WATCH_SECONDS: Final = 0.2

SimulatorT = TypeVar("SimulatorT")


@dataclass(frozen=True, slots=True)
class Instance:
    """A running service: where it listens, the keys to call it with, and its parts in this process."""

    url: str
    api_key: str
    operator_key: str
    stripe_url: str
    coinbase_url: str
    settings: Settings
    service: Service


@asynccontextmanager
async def running(settings: Settings, catalog: CatalogDocument) -> AsyncGenerator[Instance]:
    """Run everything until the block ends; calls in flight are drained then. Use it from the main thread.

    Raises EmbeddedPostgresError and ServerFailed with a text for whoever started it.
    """
    async with AsyncExitStack() as stack:
        settings = await with_database(settings, stack)
        stripe = await _stripe(settings, stack)
        coinbase = await _coinbase(settings, stack)
        settings = _with_port(_simulated(settings, stripe.url, coinbase.api_base), stack)
        # The API's process has as much to import as this one had, so it starts while this one migrates and seeds.
        serving = await stack.enter_async_context(_api(settings))
        await upgrade(settings.required_database_url)
        service = await stack.enter_async_context(Service(settings))
        with within(Reach.EVERYONE):
            admin, operator = await _seed(service, settings.data_dir, catalog)
        await stack.enter_async_context(service.worker())
        url = await serving
        stripe.world.tables["webhook_endpoint"].clear()
        stripe_events.add_endpoint(stripe.world, f"{url}/webhooks/stripe", WEBHOOK_SECRET, list(STRIPE_EVENTS))
        coinbase.world.tables[ENDPOINTS].clear()
        coinbase.world.add_endpoint(f"{url}/webhooks/coinbase", COINBASE_WEBHOOK_SECRET)
        # Whoever uses the service directly is like a command.
        stack.enter_context(within(Reach.EVERYONE))
        yield Instance(url, admin, operator, stripe.url, coinbase.url, settings, service)


def private_settings(folder: Path) -> Settings:
    """Of an instance that meets no other: its data in `folder`, the embedded database, free ports, only errors logged."""
    return Settings().model_copy(
        update={
            "data_dir": folder,
            "database_url": None,
            "listen": "127.0.0.1:0",
            "stripe_simulator_port": 0,
            "coinbase_simulator_port": 0,
            "log_level": "error",
        }
    )


async def with_database(settings: Settings, stack: AsyncExitStack) -> Settings:
    """`settings` with a database URL: the one they have, or that of the embedded server, started or attached to.

    An embedded server of ours that ends by itself ends the block too, with ServerFailedError: nothing would bring it back.
    """
    if settings.database_url is not None:
        return settings
    folder = settings.data_dir / "postgres"
    server = EmbeddedPostgres(folder, settings.postgres_bin_dir)
    info = stack.enter_context(server)
    await stack.enter_async_context(_watched(server, folder))
    return settings.model_copy(update={"database_url": SecretStr(info.url)})


@asynccontextmanager
async def _watched(server: EmbeddedPostgres, folder: Path) -> AsyncGenerator[None]:
    async def watch() -> None:
        # No event tells of the end of a process that was started without the event loop.
        while server.exit_code is None:  # noqa: ASYNC110
            await asyncio.sleep(_WATCH_SECONDS)
        raise ServerFailedError(
            f"PostgreSQL ended by itself with status {server.exit_code}; its reason stands in {folder / 'server.log'}. "
            "What was committed is kept: start again"
        )

    async def stop() -> None:
        watcher.cancel()

    async with beside(watch(), stop=stop) as watcher:
        yield


def _with_port(settings: Settings, stack: AsyncExitStack) -> Settings:
    """`settings` with the port to serve on, which links have to name: of port 0, a free one that is kept for the server."""
    options = ServerOptions.from_settings(settings)
    if options.port != 0:
        return settings
    port: int = stack.enter_context(options.bind()).getsockname()[1]
    return settings.model_copy(update={"listen": f"{settings.listen.removesuffix('0')}{port}"})


async def _stripe(settings: Settings, stack: AsyncExitStack) -> stripe_server.StripeSimulator:
    simulation = StripeSimulation(
        state_file=settings.data_dir / "stripe-simulator.json", followup_delay=_SIMULATED_FEE_SECONDS
    )
    port = settings.stripe_simulator_port
    simulator = stripe_server.running(simulation, clock=Service.system_clock.now, port=port)
    return await _simulator("Stripe", port, simulator, stack)


async def _coinbase(settings: Settings, stack: AsyncExitStack) -> coinbase_server.CoinbaseSimulator:
    simulation = CoinbaseSimulation(
        state_file=settings.data_dir / "coinbase-simulator.json", followup_delay=_SIMULATED_FEE_SECONDS
    )
    port = settings.coinbase_simulator_port
    simulator = coinbase_server.running(simulation, clock=Service.system_clock.now, port=port)
    return await _simulator("Coinbase", port, simulator, stack)


async def _simulator(
    vendor: str, port: int, simulator: AbstractAsyncContextManager[SimulatorT], stack: AsyncExitStack
) -> SimulatorT:
    try:
        return await stack.enter_async_context(simulator)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ServerFailed(
            f"port {port} of the {vendor} simulator is taken: is `wallet dev` running already? "
            f"WALLET_{vendor.upper()}_SIMULATOR_PORT chooses another one, 0 a free one"
        ) from error


def _simulated(settings: Settings, stripe_url: str, coinbase_api_base: str) -> Settings:
    return settings.model_copy(
        update={
            "environment": "dev",
            "webhook_loopback_allowed": True,
            "stripe_api_key": SecretStr(_STRIPE_KEY),
            "stripe_api_base": stripe_url,
            "stripe_webhook_secret": SecretStr(WEBHOOK_SECRET),
            "coinbase_api_key_name": coinbase_keys.KEY_ID,
            "coinbase_private_key": SecretStr(coinbase_keys.KEY_SECRET),
            "coinbase_api_base": coinbase_api_base,
            "coinbase_webhook_secret": SecretStr(COINBASE_WEBHOOK_SECRET),
            "reconcile_after_seconds": min(settings.reconcile_after_seconds, RECONCILE_AFTER_SECONDS),
        }
    )


async def _seed(service: Service, data_dir: Path, catalog: CatalogDocument) -> tuple[str, str]:
    """The development organization, the sample catalog and two keys; any number of times."""
    organization = await ensure_development(service.organizations, service.projects)
    await service.catalog.apply(catalog)
    admin = await _key(service, data_dir / API_KEY_FILE, organization.org_id, Role.ADMIN)
    operator = await _key(service, data_dir / OPERATOR_KEY_FILE, None, Role.OPERATOR)
    return admin, operator


async def _key(service: Service, path: Path, org_id: UUID | None, role: Role) -> str:
    """The key in the file, or a new one when there is none that works."""
    secret = _read_secret(path)
    if secret is not None and await _is_good(service, secret):
        return secret
    issued = await service.api_keys.issue(org_id=org_id, role=role, display_name="development")
    _write_secret(path, issued.secret)
    return issued.secret


async def _is_good(service: Service, secret: str) -> bool:
    try:
        await service.authenticator.authenticate(secret)
    except ServiceError:
        return False
    return True


def _read_secret(path: Path) -> str | None:
    return path.read_text().strip() if path.is_file() else None


def _write_secret(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")


@asynccontextmanager
async def _api(settings: Settings) -> AsyncGenerator[asyncio.Future[str]]:
    """Serve until the block ends; its base URL, once it is ready. A server that ends by itself ends the block too."""
    stopping = asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    options = ServerOptions.from_settings(settings, environment=child_environment(settings))

    async def stop() -> None:
        stopping.set()

    async with beside(serve(options, stop=stopping, on_ready=ready.set_result), stop=stop):
        # A failure of the server cancels the block, and with it whoever waits to be told.
        yield ready
