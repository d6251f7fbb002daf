"""The composition root: settings become engine, providers, operations, servicers, and one ASGI application.

`Service` holds the parts; every process (API, worker, command line) makes its own. Nothing here decides anything.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from starlette.types import ASGIApp
from wallet_api.billing.v1.account_service_connect import AccountService, AccountServiceASGIApplication
from wallet_api.billing.v1.catalog_service_connect import CatalogService, CatalogServiceASGIApplication
from wallet_api.billing.v1.ledger_service_connect import LedgerService, LedgerServiceASGIApplication
from wallet_api.billing.v1.usage_service_connect import UsageService, UsageServiceASGIApplication
from wallet_api.wallet.v1.wallet_service_connect import WalletService, WalletServiceASGIApplication

from ledger.batcher import Ledger
from providers.stripe import StripeProvider, StripeSettings
from wallet_service.accounts.balances import Balances
from wallet_service.accounts.directory import Directory
from wallet_service.accounts.operations import Organizations
from wallet_service.accounts.project_operations import Projects
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.apikeys.authentication import Authenticator
from wallet_service.apikeys.operations import ApiKeys
from wallet_service.background import beside
from wallet_service.catalog.operations import CatalogOperations
from wallet_service.clock import SystemClock
from wallet_service.config import Settings
from wallet_service.db import Database, engine_for
from wallet_service.http.webhooks import webhook_routes
from wallet_service.job_worker import JobWorker
from wallet_service.jobs import job_table, schedule_table
from wallet_service.journal.audit_operations import Audit
from wallet_service.journal.hold_operations import Holds
from wallet_service.journal.operations import Journal
from wallet_service.logs import configure_logging
from wallet_service.payment_methods.operations import PaymentMethods
from wallet_service.rpc.composition import Environment, RpcOptions, RpcService, build_asgi
from wallet_service.rpc.scope import Scope
from wallet_service.rpc.servicers.account import AccountServicer
from wallet_service.rpc.servicers.catalog import CatalogServicer
from wallet_service.rpc.servicers.ledger import LedgerServicer
from wallet_service.rpc.servicers.usage import UsageServicer
from wallet_service.rpc.servicers.wallet import WalletServicer
from wallet_service.serving.options import ServerFailed
from wallet_service.topups.asking import TopUpSync
from wallet_service.topups.operations import TopUps
from wallet_service.topups.settlement import Settlement
from wallet_service.tracing import tracer_provider
from wallet_service.usage.operations import UsageRecorder
from wallet_service.usage.query_operations import UsageQueries
from wallet_service.webhooks.operations import WebhookInbox

_NO_STRIPE_KEY: Final = "sk_test_none"
"""Stands where no key is configured: commands that call no provider run without one, the API does not start."""


class Service:
    """All parts, started between `async with` and its end."""

    clock = SystemClock()

    def __init__(self, settings: Settings) -> None:
        """Connects to nothing yet. `settings` has a database URL."""
        clock = self.clock
        self.settings = settings
        self.engine = engine_for(settings.required_database_url, pool_size=settings.database_pool_size)
        self.db = Database(self.engine, statement_timeout=timedelta(seconds=settings.statement_timeout_seconds))
        lane_of = _lane_of(settings.ledger_lanes)
        self.ledger = Ledger(
            self.engine,
            clock,
            lane_of=lane_of,
            batch_max=settings.ledger_batch_max,
            queue_max=settings.ledger_queue_max,
        )
        self.directory = Directory(self.db)
        self.organizations = Organizations(self.db, clock)
        self.wallets = Wallets(self.db, clock)
        self.projects = Projects(self.db, clock)
        self.balances = Balances(self.db)
        self.api_keys = ApiKeys(self.db, clock, live=settings.environment == "live")
        self.authenticator = Authenticator(self.db, clock)
        self.journal = Journal(self.db, self.ledger)
        self.holds = Holds(self.db, self.ledger, clock)
        self.audit = Audit(self.db)
        self.catalog = CatalogOperations(self.db, clock)
        self.usage = UsageRecorder(
            self.db,
            self.ledger,
            clock,
            usage_age_max=settings.usage_age_max,
            usage_ahead_max=timedelta(seconds=settings.usage_ahead_max_seconds),
            lane_of=lane_of,
        )
        self.usage_queries = UsageQueries(self.db)
        self._compose_payments()
        self._stack = AsyncExitStack()

    def _compose_payments(self) -> None:
        settings, clock = self.settings, self.clock
        reconcile_after = timedelta(seconds=settings.reconcile_after_seconds)
        self.stripe = StripeProvider(_stripe_settings(settings), clock.now)
        providers = {self.stripe.name: self.stripe}
        settlement = Settlement(self.ledger, clock, reconcile_after=reconcile_after)
        self.topup_sync = TopUpSync(self.db, settlement, clock, providers)
        self.topups = TopUps(
            self.db,
            clock,
            self.stripe,
            settlement,
            self.topup_sync,
            amount_max_minor=settings.topup_amount_max_minor,
            reconcile_after=reconcile_after,
        )
        self.payment_methods = PaymentMethods(self.db, clock, self.stripe)
        self.inbox = WebhookInbox(self.db, clock, providers, self.topup_sync)

    async def __aenter__(self) -> Self:
        stack = self._stack
        stack.push_async_callback(self.engine.dispose)
        stack.push_async_callback(self.stripe.aclose)
        for part in (self.ledger, self.usage, self.balances, self.authenticator):
            await stack.enter_async_context(part)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[None]:
        """Work the job queue until the block ends; jobs in progress are finished then, or given back after a while."""
        worker = JobWorker(
            self.settings.required_database_url,
            job_table(inbox=self.inbox, topup_sync=self.topup_sync, payment_methods=self.payment_methods),
            schedule_table(topups=self.topups, inbox=self.inbox, holds=self.holds, db=self.db, clock=self.clock),
        )
        drain = timedelta(seconds=self.settings.drain_seconds)
        async with beside(worker.run(), stop=lambda: worker.stop(within=drain)):
            yield

    def rpc_services(self) -> list[RpcService]:
        """The servicers with their generated applications."""
        scope = Scope(self.directory)
        wallet = WalletServicer(
            scope,
            organizations=self.organizations,
            wallets=self.wallets,
            balances=self.balances,
            topups=self.topups,
            payment_methods=self.payment_methods,
            usage_queries=self.usage_queries,
            catalog=self.catalog,
            egress_free_gib=self.settings.egress_free_gib,
        )
        account = AccountServicer(scope, self.organizations, self.wallets, self.projects, self.api_keys)
        ledger = LedgerServicer(scope, self.journal, self.holds, self.audit, self.wallets)
        catalog = CatalogServicer(self.catalog, self.clock)
        usage = UsageServicer(scope, self.usage, self.usage_queries)
        return [
            RpcService(WalletServiceASGIApplication, wallet, WalletService.desc()),
            RpcService(AccountServiceASGIApplication, account, AccountService.desc()),
            RpcService(LedgerServiceASGIApplication, ledger, LedgerService.desc()),
            RpcService(CatalogServiceASGIApplication, catalog, CatalogService.desc()),
            RpcService(UsageServiceASGIApplication, usage, UsageService.desc()),
        ]


def create_app(draining: asyncio.Event) -> ASGIApp:
    """The ASGI application on the settings of the environment; `draining` turns health to NOT_SERVING.

    Raises ServerFailed when a setting that serving needs is missing.
    """
    settings = Settings()
    configure_logging(format=settings.log_format, level=settings.log_level)
    if settings.stripe_api_key is None or settings.stripe_webhook_secret is None:
        raise ServerFailed("card top-ups need WALLET_STRIPE_API_KEY and WALLET_STRIPE_WEBHOOK_SECRET")
    service = Service(settings)
    return build_asgi(
        service.rpc_services(),
        http_routes=webhook_routes(service.inbox),
        environment=Environment(
            authenticate=service.authenticator.authenticate,
            database_ok=service.db.is_reachable,
            draining=draining,
            lifespan=_lifespan_of(service),
        ),
        options=RpcOptions(
            cors_origins=settings.cors_origins,
            request_bytes_max=settings.request_bytes_max,
            deadline=timedelta(seconds=settings.deadline_seconds),
            tracer_provider=tracer_provider(settings.traces_endpoint) if settings.traces_endpoint else None,
        ),
    )


def _lifespan_of(service: Service) -> Callable[[], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        async with service:
            yield

    return lifespan


def _lane_of(lane_count: int) -> Callable[[UUID], int]:
    """Organizations spread over the lanes by their id; all of an organization's work stays in one."""
    return lambda org_id: org_id.int % lane_count


def _stripe_settings(settings: Settings) -> StripeSettings:
    key = settings.stripe_api_key.get_secret_value() if settings.stripe_api_key else _NO_STRIPE_KEY
    secret = settings.stripe_webhook_secret
    chosen = StripeSettings(
        api_key=key,
        webhook_secrets=() if secret is None else (secret.get_secret_value(),),
        deadline=timedelta(seconds=settings.stripe_timeout_seconds),
    )
    return chosen if settings.stripe_api_base is None else replace(chosen, api_base=settings.stripe_api_base)
