"""The API's composition root: the parts of `wallet_service.service` become servicers and one ASGI application."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta

from starlette.types import ASGIApp
from wallet_api.billing.v1.account_service_connect import AccountService, AccountServiceASGIApplication
from wallet_api.billing.v1.catalog_service_connect import CatalogService, CatalogServiceASGIApplication
from wallet_api.billing.v1.ledger_service_connect import LedgerService, LedgerServiceASGIApplication
from wallet_api.billing.v1.promotion_service_connect import PromotionService, PromotionServiceASGIApplication
from wallet_api.billing.v1.test_clock_service_connect import TestClockService, TestClockServiceASGIApplication
from wallet_api.billing.v1.usage_service_connect import UsageService, UsageServiceASGIApplication
from wallet_api.wallet.v1.credit_service_connect import CreditService, CreditServiceASGIApplication
from wallet_api.wallet.v1.wallet_service_connect import WalletService, WalletServiceASGIApplication
from wallet_api.wallet.v1.webhook_service_connect import WebhookService, WebhookServiceASGIApplication

from wallet_service.collector import keep_out_of_garbage_collection
from wallet_service.config import Settings
from wallet_service.db import Database, engine_for
from wallet_service.http.downloads import download_routes
from wallet_service.http.webhooks import webhook_routes
from wallet_service.logs import configure_logging
from wallet_service.rpc.composition import Environment, RpcOptions, RpcService, build_asgi
from wallet_service.rpc.rate_limits import Rate, RateLimits, TokenBuckets
from wallet_service.rpc.scope import Scope
from wallet_service.rpc.servicers.account import AccountServicer
from wallet_service.rpc.servicers.catalog import CatalogServicer
from wallet_service.rpc.servicers.credit import CreditServicer
from wallet_service.rpc.servicers.ledger import LedgerServicer
from wallet_service.rpc.servicers.promotion import PromotionServicer
from wallet_service.rpc.servicers.test_clocks import TestClockServicer
from wallet_service.rpc.servicers.usage import UsageServicer
from wallet_service.rpc.servicers.wallet import WalletServicer
from wallet_service.rpc.servicers.webhook import WebhookServicer
from wallet_service.service import Service
from wallet_service.serving.options import ServerFailed
from wallet_service.tracing import tracer_provider


def create_app(draining: asyncio.Event) -> ASGIApp:
    """The ASGI application on the settings of the environment; `draining` turns health to NOT_SERVING.

    Raises ServerFailed when a setting that serving needs is missing.
    """
    settings = Settings()
    configure_logging(format=settings.log_format, level=settings.log_level)
    if settings.stripe_api_key is None or settings.stripe_webhook_secret is None:
        raise ServerFailed("card top-ups need WALLET_STRIPE_API_KEY and WALLET_STRIPE_WEBHOOK_SECRET")
    service = Service(settings)
    # With a connection of its own: that all others are taken does not mean that the database is away.
    probe = Database(engine_for(settings.required_database_url, pool_size=1), statement_timeout=timedelta(seconds=2))
    return build_asgi(
        rpc_services(service),
        http_routes=[*webhook_routes(service.inbox), *download_routes(service.downloads)],
        environment=Environment(
            authenticate=service.authenticator.authenticate,
            audit_log=service.audit_log,
            database_ok=probe.is_reachable,
            draining=draining,
            moment_of_call=Scope(service.directory, service.times.moment_of).moment,
            lifespan=_lifespan_of(service, probe, draining),
        ),
        options=RpcOptions(
            cors_origins=settings.cors_origins,
            request_bytes_max=settings.request_bytes_max,
            calls_max=settings.calls_in_flight_max,
            deadline=timedelta(seconds=settings.deadline_seconds),
            rate_limits=_rate_limits(settings),
            tracer_provider=tracer_provider(settings.traces_endpoint) if settings.traces_endpoint else None,
        ),
    )


def rpc_services(service: Service) -> list[RpcService]:
    """The servicers with their generated applications."""
    scope = Scope(service.directory, service.times.moment_of)
    wallet = WalletServicer(
        scope,
        organizations=service.organizations,
        wallets=service.wallets,
        balances=service.balances,
        topups=service.topups,
        payment_methods=service.payment_methods,
        usage_queries=service.usage_queries,
        catalog=service.catalog,
        activity=service.activity,
        exports=service.exports,
        forecasts=service.forecasts,
        invoices=service.invoices,
        alerts=service.alerts,
        spending_limits=service.spending_limits,
        spend_authorization=service.spend_authorization,
        promotions=service.promotions,
        auto_recharges=service.auto_recharges,
        egress_free_gib=service.settings.egress_free_gib,
    )
    account = AccountServicer(
        scope,
        service.organizations,
        service.wallets,
        service.projects,
        service.api_keys,
        service.notifications,
        service.account_states,
        service.audit_log,
    )
    ledger = LedgerServicer(scope, service.journal, service.bulk_journal, service.holds, service.audit, service.wallets)
    catalog = CatalogServicer(service.catalog, service.clock)
    usage = UsageServicer(scope, service.usage, service.usage_queries)
    promotion = PromotionServicer(service.promotions)
    test_clocks = TestClockServicer(service.test_clocks)
    webhook = WebhookServicer(scope, service.webhook_endpoints, service.event_log)
    credit = CreditServicer(
        scope,
        credits=service.credits,
        topups=service.topups,
        auto_recharges=service.auto_recharges,
        spending_limits=service.spending_limits,
        invoices=service.invoices,
    )
    return [
        RpcService(WalletServiceASGIApplication, wallet, WalletService.desc()),
        RpcService(CreditServiceASGIApplication, credit, CreditService.desc()),
        RpcService(WebhookServiceASGIApplication, webhook, WebhookService.desc()),
        RpcService(AccountServiceASGIApplication, account, AccountService.desc()),
        RpcService(LedgerServiceASGIApplication, ledger, LedgerService.desc()),
        RpcService(CatalogServiceASGIApplication, catalog, CatalogService.desc()),
        RpcService(UsageServiceASGIApplication, usage, UsageService.desc()),
        RpcService(PromotionServiceASGIApplication, promotion, PromotionService.desc()),
        RpcService(TestClockServiceASGIApplication, test_clocks, TestClockService.desc()),
    ]


def _rate_limits(settings: Settings) -> RateLimits:
    calls, failures = settings.key_calls_per_second, settings.key_failures_per_second
    return RateLimits(TokenBuckets(Rate(calls, 2 * calls)), TokenBuckets(Rate(failures, 10 * failures)))


def _lifespan_of(
    service: Service, probe: Database, draining: asyncio.Event
) -> Callable[[], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(probe.engine.dispose)
            await stack.enter_async_context(service)
            await stack.enter_async_context(service.event_feed.running(draining))
            keep_out_of_garbage_collection()
            yield

    return lifespan
