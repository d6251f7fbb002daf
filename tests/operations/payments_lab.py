"""The payment side of the service on a fresh database, with Stripe's simulator on a real socket and webhooks over HTTP.

Jobs are not run by a worker here: `work_events` and `work_syncs` run what is queued, so that a test decides when and in
which order.
"""

import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.accounts import AccountKind, chart_account_id
from ledger.batcher import Ledger
from ledger.model import Posted, Transfer
from providers.coinbase import CoinbaseProvider, CoinbaseSettings
from providers.protocol import PaymentProvider
from providers.simulators.coinbase import server as coinbase_server
from providers.simulators.coinbase.keys import KEY_ID, KEY_SECRET
from providers.simulators.coinbase.server import CoinbaseSimulator
from providers.simulators.coinbase.world import Settings as CoinbaseSimulation
from providers.simulators.serving import listen, serving
from providers.simulators.stripe.server import StripeSimulator, running
from providers.simulators.stripe.world import Settings
from providers.stripe import StripeProvider, StripeSettings
from wallet_service.account_states.model import Policy
from wallet_service.account_states.operations import AccountStates
from wallet_service.accounts import steps
from wallet_service.accounts.model import Wallet
from wallet_service.accounts.operations import Organizations
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.http.webhooks import webhook_routes
from wallet_service.invoices.receipts import Receipts
from wallet_service.payment_methods.operations import PaymentMethods
from wallet_service.recharge.charging import RechargeWork
from wallet_service.recharge.claiming import RechargeWatcher
from wallet_service.recharge.following import RechargeFollower
from wallet_service.recharge.operations import AutoRecharges, RechargeDefaults, refuse_detach
from wallet_service.rpc.plain_http import plain_http_app
from wallet_service.topups.asking import TopUpSync
from wallet_service.topups.model import TopUp
from wallet_service.topups.operations import CardTopUpRequest, CheckoutTopUpRequest, TopUps
from wallet_service.topups.settlement import Settlement
from wallet_service.topups.starting import StartedTopUp
from wallet_service.webhooks.operations import WebhookInbox

SECRET = "whsec_operations"
COINBASE_SECRET = "hook0-operations"
RECONCILE_AFTER = timedelta(seconds=20)
GOOD = "pm_card_visa"
DECLINED_AFTER_SAVING = "pm_card_chargeCustomerFail"
AUTHENTICATE = "pm_card_authenticationRequired"
DISPUTED = "pm_card_createDispute"
REFUND_FAILS = "pm_card_refundFail"
PATIENCE = timedelta(seconds=60)
"""How long an answer may take. A flush answers when all its deliveries were made, dozens one after the other; all ends of
these connections share one event loop, so on a busy machine any answer takes its time."""


class PaymentsLab:
    """Everything that payments need, for one organization with an empty USD wallet."""

    def __init__(
        self,
        db: Database,
        ledger: Ledger,
        clock: ManualClock,
        simulator: StripeSimulator,
        provider: StripeProvider,
        coinbase: CoinbaseSimulator,
    ) -> None:
        self.db = db
        self.ledger = ledger
        self.clock = clock
        self.simulator = simulator
        self.provider = provider
        self.coinbase = coinbase
        self.crypto = CoinbaseProvider(
            CoinbaseSettings(
                api_key_id=KEY_ID,
                api_key_secret=KEY_SECRET,
                webhook_secrets=(COINBASE_SECRET,),
                api_base=coinbase.api_base,
                attempt_timeout=PATIENCE,
                network_retries_max=0,
                retry_delay=timedelta(0),
            ),
            clock.now,
        )
        providers: dict[str, PaymentProvider] = {"stripe": provider, "coinbase": self.crypto}
        self.account_states = AccountStates(
            db, clock, Policy(warn_hours=(72, 24, 1), grace=timedelta(hours=24), suspends=True)
        )
        self.settlement = Settlement(
            ledger,
            clock,
            reconcile_after=RECONCILE_AFTER,
            followers=(self.account_states, RechargeFollower(clock), Receipts(clock)),
        )
        self.sync = TopUpSync(db, self.settlement, clock, providers, time_of=lambda _org_id: nullcontext())
        self.methods = PaymentMethods(db, clock, provider, detach_guards=(refuse_detach,))
        self.topups = TopUps(
            db,
            clock,
            self.settlement,
            self.sync,
            card=provider,
            checkout=self.crypto,
            amount_max_minor=1_000_000,
            reconcile_after=RECONCILE_AFTER,
        )
        self.inbox = WebhookInbox(db, clock, providers, self.sync)
        self.recharges = AutoRecharges(
            db,
            clock,
            provider,
            RechargeDefaults(
                amount_max_minor=1_000_000,
                daily_charge_count=5,
                monthly_charge_count=30,
                cooldown=timedelta(minutes=5),
            ),
        )
        self.recharge_watcher = RechargeWatcher(clock, self.topups)
        self.recharge_work = RechargeWork(db, clock, self.recharge_watcher, self.topups, self.settlement, self.sync)
        self.http = httpx.AsyncClient(base_url=simulator.url, trust_env=False, timeout=PATIENCE.total_seconds())
        self.coinbase_http = httpx.AsyncClient(base_url=coinbase.url, trust_env=False, timeout=PATIENCE.total_seconds())
        self.webhook_url = str(simulator.world.settings.webhook_url)
        self.org_id = UUID(int=0)
        self.wallet: Wallet

    async def open(self, slug: str = "my-org", currency: str = "USD") -> UUID:
        """Make the organization that the lab works for."""
        made = await Organizations(self.db, self.clock).create(slug=slug, currency=currency)
        self.org_id = made.org_id
        self.wallet = await self.db.read(lambda conn: steps.open_wallet(conn, made.org_id))
        return made.org_id

    # The customer's side

    async def start(self, amount_minor: int = 5000, **fields: Any) -> StartedTopUp:
        return await self.topups.create_by_card(
            CardTopUpRequest(org_id=self.org_id, amount_minor=amount_minor, **fields)
        )

    async def paid(self, amount_minor: int = 5000, card: str = GOOD) -> TopUp:
        """A top-up that was paid in the browser, before anything of it has reached us."""
        started = await self.start(amount_minor)
        await self.pay(started.topup, card)
        return started.topup

    async def checkout(self, amount_minor: int = 2500, **fields: Any) -> StartedTopUp:
        return await self.topups.create_by_checkout(
            CheckoutTopUpRequest(org_id=self.org_id, amount_minor=amount_minor, **fields)
        )

    async def credited(self, amount_minor: int = 5000, card: str = GOOD) -> TopUp:
        topup = await self.paid(amount_minor, card)
        return await self.sync.sync(topup.org_id, topup.topup_id)

    async def saved_card(self, card: str = GOOD) -> str:
        """The name id of a card that the organization has saved."""
        method = await self.methods.attach(
            self.org_id, provider_method_id=card, payment_method_id=None, make_default=False
        )
        return method.payment_method_id

    async def another_payment(self, topup: TopUp, card: str = GOOD, **changed: str) -> str:
        """A card payment of 2500 that names a top-up which it does not belong to."""
        form: dict[str, Any] = {
            "amount": "2500",
            "currency": "usd",
            "allowed_payment_method_types[]": "card",
            "metadata[org_id]": str(topup.org_id),
            "metadata[top_up_id]": str(topup.topup_id),
            **changed,
        }
        made = await self.stripe("/v1/payment_intents", form)
        await self.control(f"payment_intents/{made['id']}/pay", payment_method=card)
        return made["id"]

    async def pay(self, topup: TopUp, card: str = GOOD) -> None:
        answer = await self.control(f"payment_intents/{topup.external_id}/pay", payment_method=card)
        assert answer.status_code in (200, 402), answer.text

    async def authenticate(self, topup: TopUp, *, passed: bool) -> None:
        outcome = "succeed" if passed else "fail"
        await self.control(f"payment_intents/{topup.external_id}/authenticate", outcome=outcome)

    # The provider's side

    async def control(self, target: str, /, **body: Any) -> httpx.Response:
        return await self.http.post(f"/_sim/{target}", json=body)

    async def chain(self, target: str, /, **body: Any) -> dict[str, Any]:
        """Something happens at Coinbase."""
        answer = await self.coinbase_http.post(f"/_sim/{target}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def stripe(self, path: str, form: dict[str, Any]) -> dict[str, Any]:
        """A call of the account's owner that is not through us."""
        answer = await self.http.post(path, data=form, headers={"authorization": "Bearer sk_test_operations"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def flush(self) -> None:
        """All deliveries and follow-ups, due now or later, happen now."""
        assert (await self.control("flush")).status_code == 200
        await self.chain("flush")

    async def deliver(self, mode: str) -> None:
        assert (await self.control("delivery", mode=mode)).status_code == 200

    async def fault(self, kind: str, path: str = "/v1/payment_intents", **options: Any) -> None:
        assert (await self.control("faults", kind=kind, path=path, **options)).status_code == 200

    async def refund(self, topup: TopUp, amount_minor: int | None = None) -> str:
        """An operator refunds in the provider's dashboard."""
        form = {"payment_intent": topup.external_id, **({"amount": str(amount_minor)} if amount_minor else {})}
        return (await self.stripe("/v1/refunds", form))["id"]

    async def dispute(self, topup: TopUp, **options: Any) -> str:
        answer = await self.control("disputes", payment_intent=topup.external_id, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    async def resolve(self, dispute_id: str, outcome: str) -> None:
        assert (await self.control(f"disputes/{dispute_id}/resolve", outcome=outcome)).status_code == 200

    def intents(self) -> list[dict[str, Any]]:
        return list(self.simulator.world.tables["payment_intent"].values())

    # The worker's side

    async def queued(self, name: str) -> list[dict[str, str]]:
        """Payloads of the jobs of a name, oldest first."""
        found = await self.rows(
            "SELECT convert_from(payload, 'UTF8')::json FROM pgqueuer WHERE entrypoint = :name ORDER BY id", name=name
        )
        return [row[0] for row in found]

    async def work_events(self, rng: random.Random | None = None) -> int:
        """Run the jobs of all unprocessed events, in the order of their arrival or shuffled; how many."""
        found = await self.rows(
            "SELECT provider, event_id FROM provider_events WHERE processed_at IS NULL ORDER BY received_at, event_id"
        )
        if rng is not None:
            rng.shuffle(found)
        for provider, event_id in found:
            await self.inbox.work(provider, event_id)
        return len(found)

    async def reconcile(self) -> int:
        """Run the reconciler and the jobs that it hands out."""
        count = await self.topups.run_due(None)
        for payload in await self.queued("topup-sync"):
            await self.sync.sync(UUID(payload["org_id"]), UUID(payload["topup_id"]))
        for payload in await self.queued("payment-sync"):
            await self.sync.sync_unmatched(UUID(payload["org_id"]), UUID(payload["topup_id"]), payload["external_id"])
        await self.execute("DELETE FROM pgqueuer WHERE entrypoint IN ('topup-sync', 'payment-sync')")
        return count

    async def settle_everything(self, rng: random.Random | None = None) -> None:
        await self.flush()
        await self.work_events(rng)

    # What can be seen

    async def balances(self) -> dict[str, int]:
        """Balance of each kind of account that is not zero, debit positive; the wallet as the customer sees it."""
        found = await self.rows(
            """
            SELECT a.kind, sum(p.amount_minor)::bigint FROM ledger_postings p
            JOIN ledger_accounts a ON a.org_id = p.org_id AND a.account_id = p.account_id
            WHERE p.org_id = :org GROUP BY a.kind
            """,
            org=self.org_id,
        )
        sums = {kind: -amount if kind == "wallet" else amount for kind, amount in found}
        return {kind: amount for kind, amount in sums.items() if amount}

    async def entry_count(self) -> int:
        [(count,)] = await self.rows("SELECT count(*) FROM ledger_entries WHERE org_id = :org", org=self.org_id)
        return count

    async def event_types(self) -> list[str]:
        """Types of the organization's events about money and claims, in order."""
        found = await self.rows(
            "SELECT type FROM events WHERE org_id = :org AND type ~ '^(wallet.topup|dispute|fraud_warning)' ORDER BY seq",
            org=self.org_id,
        )
        return [row[0] for row in found]

    async def spend(self, amount_minor: int) -> None:
        """The customer uses up money of the wallet."""
        outcome = await self.ledger.post(
            Transfer(
                org_id=self.org_id,
                key=f"spend-{amount_minor}-{self.clock.now().isoformat()}",
                debit_account=self.wallet.account_id,
                credit_account=chart_account_id(self.org_id, self.wallet.currency, AccountKind.REVENUE),
                amount_minor=amount_minor,
            )
        )
        assert isinstance(outcome, Posted)

    async def stored(self, topup: TopUp) -> TopUp:
        return await self.topups.get(topup.org_id, topup.topup_id)

    async def rows(self, statement: str, **values: object) -> list[Sequence[Any]]:
        async def work(conn: AsyncConnection) -> list[Sequence[Any]]:
            return [tuple(row) for row in await conn.execute(text(statement), values)]

        return await self.db.read(work)

    async def execute(self, statement: str, **values: object) -> None:
        async def work(conn: AsyncConnection) -> None:
            await conn.execute(text(statement), values)

        await self.db.transact(work)

    async def aclose(self) -> None:
        await self.provider.aclose()
        await self.crypto.aclose()
        await self.http.aclose()
        await self.coinbase_http.aclose()
        await self.ledger.close()


@asynccontextmanager
async def payments_lab(db: Database, clock: ManualClock) -> AsyncGenerator[PaymentsLab]:
    """A lab whose webhooks arrive over HTTP at the service's own route."""
    listener, url = listen("127.0.0.1", 0)
    settings = Settings(webhook_url=f"{url}/webhooks/stripe", webhook_secret=SECRET, followup_delay=3600)
    crypto = CoinbaseSimulation(
        webhook_url=f"{url}/webhooks/coinbase", webhook_secret=COINBASE_SECRET, followup_delay=3600
    )
    async with (
        running(settings, clock=clock.now) as simulator,
        coinbase_server.running(crypto, clock=clock.now) as coinbase,
    ):
        provider = StripeProvider(
            StripeSettings(
                api_key="sk_test_operations",
                webhook_secrets=(SECRET,),
                api_base=simulator.url,
                attempt_timeout=PATIENCE,
                network_retries_max=0,
            ),
            clock.now,
        )
        lab = PaymentsLab(db, Ledger(db.engine, clock), clock, simulator, provider, coinbase)
        try:
            async with serving(plain_http_app(webhook_routes(lab.inbox), body_bytes_max=4 * 1024 * 1024), listener):
                await lab.open()
                yield lab
        finally:
            await lab.aclose()
