"""The composition root: settings become engine, providers and operations.

`Service` holds the parts; every process (API, worker, command line) makes its own. Nothing here decides anything. Nothing
here knows RPC either, so that a command does not wait for what only the API needs to be loaded.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from ledger.batcher import Ledger
from providers.coinbase import CoinbaseProvider, CoinbaseSettings
from providers.protocol import PaymentProvider
from providers.stripe import StripeProvider, StripeSettings
from wallet_service.account_states.model import Policy
from wallet_service.account_states.operations import AccountStates
from wallet_service.accounts.balances import Balances
from wallet_service.accounts.directory import Directory
from wallet_service.accounts.operations import Organizations
from wallet_service.accounts.project_operations import Projects
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.activity.operations import ActivityLog
from wallet_service.alerts.operations import Alerts
from wallet_service.apikeys.authentication import Authenticator
from wallet_service.apikeys.operations import ApiKeys
from wallet_service.audit_log.operations import AuditLog
from wallet_service.background import beside
from wallet_service.catalog.operations import CatalogOperations
from wallet_service.clock import Clock, ServiceClock, SystemClock, moment
from wallet_service.config import Settings
from wallet_service.credits.operations import Credits
from wallet_service.db import Database, engine_for
from wallet_service.distribution.lanes import Lanes
from wallet_service.due import DueWork
from wallet_service.event_webhooks.dispatch import WebhookDispatcher
from wallet_service.event_webhooks.operations import WebhookEndpoints
from wallet_service.event_webhooks.sending import Sender
from wallet_service.events.feed import EventFeed
from wallet_service.events.operations import EventLog
from wallet_service.exports.model import FocusParties
from wallet_service.exports.operations import ExportCleaning, Exports
from wallet_service.files.object_store import FileStore
from wallet_service.files.operations import Downloads
from wallet_service.files.secret import link_secret
from wallet_service.forecast.operations import Forecasts
from wallet_service.invoices.closing import StatementClosing
from wallet_service.invoices.operations import Invoices
from wallet_service.invoices.paper import Paper
from wallet_service.invoices.pdf import PdfFiles
from wallet_service.invoices.receipts import MissingReceipts, Receipts
from wallet_service.job_queue import are_jobs_done
from wallet_service.job_worker import JobWorker
from wallet_service.jobs import Schedule, in_own_time, job_table, schedule_table
from wallet_service.journal.audit_operations import Audit
from wallet_service.journal.bulk_operations import BulkJournal
from wallet_service.journal.hold_operations import Holds
from wallet_service.journal.operations import Journal
from wallet_service.leases.operations import Leadership
from wallet_service.limits.authorization import SpendAuthorization
from wallet_service.limits.marks import LimitMarks
from wallet_service.limits.operations import SpendingLimits
from wallet_service.notifications.operations import Notifications
from wallet_service.notifications.sending import Courier
from wallet_service.payment_methods.operations import PaymentMethods
from wallet_service.promotions.operations import Promotions
from wallet_service.recharge.charging import RechargeWork
from wallet_service.recharge.claiming import RechargeWatcher
from wallet_service.recharge.following import RechargeFollower
from wallet_service.recharge.operations import AutoRecharges, RechargeDefaults, refuse_detach
from wallet_service.testclocks.operations import TestClocks
from wallet_service.testclocks.times import OrganizationTimes
from wallet_service.topups.asking import TopUpSync
from wallet_service.topups.operations import TopUps
from wallet_service.topups.settlement import Settlement
from wallet_service.topups.steps import refuse_pending
from wallet_service.usage.months import UsageMonths
from wallet_service.usage.operations import UsageRecorder
from wallet_service.usage.query_operations import UsageQueries
from wallet_service.watching.operations import BalanceWatch
from wallet_service.webhooks.operations import WebhookInbox

_NO_STRIPE_KEY: Final = "sk_test_none"
"""Stands where no key is configured: commands that call no provider run without one, the API does not start."""


class Service:
    """All parts, started between `async with` and its end."""

    system_clock: Clock = SystemClock()
    """Of what lives in real time whoever it is for: providers, keys, the platform."""

    def __init__(self, settings: Settings) -> None:
        """Connects to nothing yet. `settings` has a database URL."""
        clock = self.clock = ServiceClock(self.system_clock)
        self.settings = settings
        self.engine = engine_for(settings.required_database_url, pool_size=settings.database_pool_size)
        self.db = Database(self.engine, statement_timeout=timedelta(seconds=settings.statement_timeout_seconds))
        lane_of = self._lanes = Lanes(settings.ledger_lanes)
        self.ledger = Ledger(
            self.engine,
            clock,
            lane_of=lane_of,
            on_shards=self._lanes.are_shards,
            batch_max=settings.ledger_batch_max,
            queue_max=settings.ledger_queue_max,
            moment=moment,
        )
        self.times = OrganizationTimes(self.db)
        self.directory = Directory(self.db)
        self.organizations = Organizations(self.db, clock)
        self.wallets = Wallets(self.db, clock, close_guards=(refuse_pending,))
        self.projects = Projects(self.db, clock)
        self.balances = Balances(self.db)
        self.api_keys = ApiKeys(self.db, self.system_clock, live=settings.environment == "live")
        self.authenticator = Authenticator(self.db, self.system_clock)
        self.journal = Journal(self.db, self.ledger, clock)
        self.bulk_journal = BulkJournal(self.db, self.ledger, clock, self.times)
        self.holds = Holds(self.db, self.ledger, clock)
        self.audit = Audit(self.db)
        self.audit_log = AuditLog(self.db, self.system_clock)
        self.activity = ActivityLog(self.db, clock)
        self.catalog = CatalogOperations(self.db, clock)
        self.usage = UsageRecorder(
            self.db,
            self.ledger,
            clock,
            usage_age_max=settings.usage_age_max,
            usage_ahead_max=timedelta(seconds=settings.usage_ahead_max_seconds),
            lane_of=lane_of,
            on_shards=self._lanes.are_shards,
        )
        self.usage_queries = UsageQueries(self.db)
        self.usage_months = UsageMonths(
            settings.required_database_url, self.system_clock, kept_months=settings.usage_events_kept_months
        )
        self.promotions = Promotions(self.db, clock)
        self.forecasts = Forecasts(self.db, clock)
        self._compose_events()
        self._compose_files()
        self._compose_invoices()
        self._compose_payments()
        self._compose_watching()
        self._compose_notifications()
        self._compose_test_clocks()
        self._stack = AsyncExitStack()

    def _compose_events(self) -> None:
        settings, system_clock = self.settings, self.system_clock
        sender = Sender(loopback_allowed=settings.environment != "live" and settings.webhook_loopback_allowed)
        self.event_feed = EventFeed(self.db)
        self.event_log = EventLog(self.db, self.event_feed)
        self.webhook_endpoints = WebhookEndpoints(self.db, self.clock, sender, machine_clock=system_clock)
        self.webhook_dispatcher = WebhookDispatcher(
            self.db, self.clock, sender, time_of=self.times.time_of, machine_clock=system_clock
        )

    def _compose_files(self) -> None:
        settings = self.settings
        chosen = settings.download_secret
        self.files = FileStore(settings.files_url, folder=settings.data_dir / "files")
        self.downloads = Downloads(
            self.files,
            self.system_clock,
            secret=link_secret(chosen.get_secret_value() if chosen else None, data_dir=settings.data_dir),
            base_url=settings.base_url,
        )
        self._compose_exports()

    def _compose_exports(self) -> None:
        settings = self.settings
        provider = settings.focus_provider_name or settings.issuer_name
        self.exports = Exports(
            self.db,
            self.clock,
            self.files,
            self.downloads,
            FocusParties(provider, settings.focus_publisher_name or provider, settings.issuer_name),
            machine_clock=self.system_clock,
            row_max=settings.export_rows_max,
            kept_for=timedelta(hours=settings.export_kept_hours),
            concurrency=settings.export_concurrency,
        )
        self.export_cleaning = ExportCleaning(self.db, self.system_clock, self.files)

    def _compose_invoices(self) -> None:
        settings, clock = self.settings, self.clock
        pdfs = PdfFiles(self.files, issuer=settings.issuer_name)
        self.invoices = Invoices(self.db, clock, pdfs, self.downloads, paper=Paper(settings.statement_paper))
        self.statement_closing = StatementClosing(self.db, clock)
        self.receipts = Receipts(clock)

    def _compose_payments(self) -> None:
        settings, clock = self.settings, self.clock
        reconcile_after = timedelta(seconds=settings.reconcile_after_seconds)
        self.stripe = StripeProvider(_stripe_settings(settings), self.system_clock.now)
        self.coinbase = _coinbase(settings, self.system_clock)
        providers: dict[str, PaymentProvider] = {self.stripe.name: self.stripe}
        if self.coinbase is not None:
            providers[self.coinbase.name] = self.coinbase
        self.account_states = AccountStates(self.db, clock, _suspension_policy(settings))
        # In the order in which the watch takes their locks: the account's standing, then the recharge's configuration.
        followers = (self.account_states, RechargeFollower(clock), self.receipts)
        settlement = Settlement(self.ledger, clock, reconcile_after=reconcile_after, followers=followers)
        self.topup_sync = TopUpSync(self.db, settlement, clock, providers, time_of=self.times.time_of)
        self.topups = TopUps(
            self.db,
            clock,
            settlement,
            self.topup_sync,
            card=self.stripe,
            checkout=self.coinbase,
            amount_max_minor=settings.topup_amount_max_minor,
            reconcile_after=reconcile_after,
        )
        self.payment_methods = PaymentMethods(self.db, clock, self.stripe, detach_guards=(refuse_detach,))
        self.inbox = WebhookInbox(self.db, clock, providers, self.topup_sync)
        self.missing_receipts = MissingReceipts(self.db, clock, self.receipts, self.topups)
        self._compose_recharge(settlement)
        self.credits = Credits(
            self.db,
            clock,
            topups=self.topups,
            auto_recharges=self.auto_recharges,
            usage_queries=self.usage_queries,
        )

    def _compose_recharge(self, settlement: Settlement) -> None:
        settings, clock = self.settings, self.clock
        self.auto_recharges = AutoRecharges(
            self.db,
            clock,
            self.stripe,
            RechargeDefaults(
                amount_max_minor=settings.topup_amount_max_minor,
                daily_charge_count=settings.recharge_daily_charges,
                monthly_charge_count=settings.recharge_monthly_charges,
                cooldown=timedelta(seconds=settings.recharge_cooldown_seconds),
            ),
        )
        self.recharge_watcher = RechargeWatcher(clock, self.topups)
        self.recharge_work = RechargeWork(
            self.db, clock, self.recharge_watcher, self.topups, settlement, self.topup_sync
        )

    def _compose_watching(self) -> None:
        """Whoever follows the balances of wallets."""
        self.alerts = Alerts(self.db, self.clock)
        self.spending_limits = SpendingLimits(self.db, self.clock)
        self.spend_authorization = SpendAuthorization(self.db, self.clock)
        self.limit_marks = LimitMarks(self.db, self.clock)
        watchers = (self.alerts, self.limit_marks, self.account_states, self.recharge_watcher)
        self.watch = BalanceWatch(self.db, self.clock, watchers, time_of=self.times.time_of, lane_of=self._lanes)
        self.leadership = Leadership(self.db, "watching")

    def _compose_notifications(self) -> None:
        settings = self.settings
        relay = settings.notification_mail_relay
        self.courier = Courier(
            mail_relay=relay.get_secret_value() if relay else None, is_live=settings.environment == "live"
        )
        self.notifications = Notifications(self.db, self.clock, self.courier)

    def _compose_test_clocks(self) -> None:
        """What falls due, in the order in which it is done when it is due at one time."""
        settings = self.settings
        self.due_works: tuple[DueWork, ...] = (
            self.holds,
            self.topups,
            self.watch,
            self.limit_marks,
            self.alerts,
            self.account_states,
            self.recharge_work,
            self.statement_closing,
            self.webhook_dispatcher,
        )
        self.test_clocks = TestClocks(
            self.db,
            self.system_clock,
            self.due_works,
            allowed=settings.environment != "live" or settings.test_clocks_in_live,
            are_jobs_done=lambda org_ids: are_jobs_done(self.db, org_ids),
        )

    async def __aenter__(self) -> Self:
        stack = self._stack
        stack.push_async_callback(self.engine.dispose)
        stack.push_async_callback(self.stripe.aclose)
        stack.push_async_callback(self.courier.aclose)
        if self.coinbase is not None:
            stack.push_async_callback(self.coinbase.aclose)
        await stack.enter_async_context(self._lanes.following(self.db, pool_size=self.settings.database_pool_size))
        for part in (self.audit_log, self.ledger, self.usage, self.balances, self.authenticator):
            await stack.enter_async_context(part)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def schedules(self) -> tuple[Schedule, ...]:
        """What a worker runs by itself."""
        return schedule_table(
            topups=self.topups,
            inbox=self.inbox,
            holds=self.holds,
            limit_marks=self.limit_marks,
            recharge_work=self.recharge_work,
            alerts=self.alerts,
            account_states=self.account_states,
            notifications=self.notifications,
            statement_closing=self.statement_closing,
            missing_receipts=self.missing_receipts,
            export_cleaning=self.export_cleaning,
            usage_months=self.usage_months,
            db=self.db,
            clock=self.clock,
        )

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[None]:
        """Work the job queue until the block ends; jobs in progress are finished then, or given back after a while."""
        worker = JobWorker(
            self.settings.required_database_url,
            in_own_time(
                job_table(
                    inbox=self.inbox,
                    topup_sync=self.topup_sync,
                    payment_methods=self.payment_methods,
                    recharge_work=self.recharge_work,
                    notifications=self.notifications,
                ),
                self.times.time_of,
            ),
            self.schedules(),
        )
        drain = timedelta(seconds=self.settings.drain_seconds)
        async with (
            beside(self.leadership.run(), stop=self.leadership.stop),
            beside(worker.run(), stop=lambda: worker.stop(within=drain)),
            beside(self.watch.run(lambda: self.leadership.fence is not None), stop=self.watch.stop),
            beside(self.webhook_dispatcher.run(), stop=self.webhook_dispatcher.stop),
        ):
            yield


def _suspension_policy(settings: Settings) -> Policy:
    return Policy(
        warn_hours=tuple(sorted(settings.suspension_warn_hours, reverse=True)),
        grace=timedelta(hours=settings.suspension_grace_hours),
        suspends=settings.suspension_enabled,
    )


def _stripe_settings(settings: Settings) -> StripeSettings:
    key = settings.stripe_api_key.get_secret_value() if settings.stripe_api_key else _NO_STRIPE_KEY
    secret = settings.stripe_webhook_secret
    chosen = StripeSettings(
        api_key=key,
        webhook_secrets=() if secret is None else (secret.get_secret_value(),),
        deadline=timedelta(seconds=settings.stripe_timeout_seconds),
    )
    return chosen if settings.stripe_api_base is None else replace(chosen, api_base=settings.stripe_api_base)


def _coinbase(settings: Settings, clock: Clock) -> CoinbaseProvider | None:
    """None where no key is configured."""
    if settings.coinbase_api_key_name is None or settings.coinbase_private_key is None:
        return None
    secret = settings.coinbase_webhook_secret
    chosen = CoinbaseSettings(
        api_key_id=settings.coinbase_api_key_name,
        api_key_secret=settings.coinbase_private_key.get_secret_value(),
        webhook_secrets=() if secret is None else (secret.get_secret_value(),),
        success_redirect_url=settings.coinbase_success_url,
        fail_redirect_url=settings.coinbase_fail_url,
        deadline=timedelta(seconds=settings.coinbase_timeout_seconds),
    )
    base = settings.coinbase_api_base
    return CoinbaseProvider(chosen if base is None else replace(chosen, api_base=base), clock.now)
