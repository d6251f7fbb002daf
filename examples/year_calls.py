"""The calls that the year is made of, as the operator of an instance."""

import asyncio
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import httpx
from protobuf.wkt import Duration, Timestamp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from wallet_api.billing.v1 import account_service_pb as account
from wallet_api.billing.v1 import ledger_service_pb as ledger
from wallet_api.billing.v1 import promotion_service_pb as promotion
from wallet_api.billing.v1 import test_clock_service_pb as clock
from wallet_api.billing.v1 import usage_service_pb as usage
from wallet_api.billing.v1.account_service_connect import AccountServiceClient
from wallet_api.billing.v1.ledger_service_connect import LedgerServiceClient
from wallet_api.billing.v1.promotion_service_connect import PromotionServiceClient
from wallet_api.billing.v1.test_clock_service_connect import TestClockServiceClient
from wallet_api.billing.v1.usage_service_connect import UsageServiceClient
from wallet_api.wallet.v1 import spending_pb as spending
from wallet_api.wallet.v1 import wallet_service_pb as wallet
from wallet_api.wallet.v1.wallet_service_connect import WalletServiceClient

from examples.year_cast import MEMORY, START, VCPU, Tenant
from wallet_service.development import Instance
from wallet_service.rating.rules import plain_text

CLOCK: Final = "test-clocks/year"
CALL_MILLISECONDS: Final = 120_000
_PROMOTION_DAYS: Final = 30
_QUIET_SECONDS_MAX: Final = 60


class Calls:
    """Use it in a task of its own; `work_count` is what advances have done so far."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._headers = {"authorization": f"Bearer {instance.operator_key}"}
        self._accounts = AccountServiceClient(instance.url)
        self._ledger = LedgerServiceClient(instance.url)
        self._promotions = PromotionServiceClient(instance.url)
        self._clocks = TestClockServiceClient(instance.url)
        self._usage = UsageServiceClient(instance.url)
        self._wallet = WalletServiceClient(instance.url)
        self._http = httpx.AsyncClient(trust_env=False, timeout=60)
        self.work_count = 0

    async def aclose(self) -> None:
        await self._http.aclose()

    async def make_clock(self) -> None:
        await self._clocks.create_test_clock(
            clock.CreateTestClockRequest(test_clock_id="year", now=Timestamp.from_datetime(START)),
            headers=self._headers,
        )

    async def advance(self, target: datetime) -> None:
        """Let everything happen that falls due until then."""
        while True:
            answer = await self._clocks.advance_test_clock(
                clock.AdvanceTestClockRequest(name=CLOCK, target=Timestamp.from_datetime(target)),
                headers=self._headers,
                timeout_ms=CALL_MILLISECONDS,
            )
            self.work_count += answer.work_count
            assert answer.test_clock is not None, "the answer always has the clock"
            if answer.test_clock.state is clock.TestClock.State.READY:
                return

    async def open(self, tenant: Tenant) -> None:
        """The organization on the clock, with a project and a low-balance alert."""
        headers = self._headers
        await self._accounts.create_organization(
            account.CreateOrganizationRequest(organization_id=tenant.slug, test_clock_name=CLOCK), headers=headers
        )
        await self._accounts.create_project(
            account.CreateProjectRequest(organization_name=tenant.name, project_id=tenant.slug), headers=headers
        )
        await self._wallet.configure_wallet_alerts(
            wallet.ConfigureWalletAlertsRequest(wallet_name=tenant.wallet, balance_alert_minor=tenant.days_minor(4)),
            headers=headers,
        )

    async def recharge_from(self, tenant: Tenant, card: str, token: str) -> None:
        """Have the wallet recharged by a month's worth whenever a week's worth is left."""
        name = f"{tenant.name}/payment-methods/{card}"
        await self._wallet.attach_payment_method(
            wallet.AttachPaymentMethodRequest(
                name=name, billing_account_name=tenant.account, stripe_payment_method_id=token
            ),
            headers=self._headers,
        )
        await self._wallet.configure_auto_recharge(
            wallet.ConfigureAutoRechargeRequest(
                wallet_name=tenant.wallet,
                enabled=True,
                threshold_minor=tenant.days_minor(7),
                amount_minor=tenant.days_minor(30),
                payment_method_name=name,
            ),
            headers=self._headers,
        )

    async def limit(self, tenant: Tenant, amount_minor: int) -> None:
        await self._wallet.set_spending_limit(
            spending.SetSpendingLimitRequest(
                wallet_name=tenant.wallet, amount_minor=amount_minor, duration="monthly", strategy="fixed"
            ),
            headers=self._headers,
        )

    async def use(self, tenant: Tenant, day: date) -> None:
        hours = tenant.vcpu_hours(day)
        answer = await self._usage.record_usage_events(
            usage.RecordUsageEventsRequest(
                organization_name=tenant.name,
                events=[
                    usage.UsageEventInput(
                        project_name=f"projects/{tenant.slug}",
                        meter=meter,
                        quantity=plain_text(hours * factor),
                        idempotency_key=f"{meter}:{day}",
                    )
                    for meter, factor in ((VCPU, 1), (MEMORY, 4))
                ],
                all_or_nothing=True,
            ),
            headers=self._headers,
        )
        assert answer.recorded_count == 2, "each event is recorded once"

    async def deposit(self, tenant: Tenant, amount_minor: int, key: str) -> None:
        await self._ledger.deposit(
            ledger.DepositRequest(wallet_name=tenant.wallet, amount_minor=amount_minor, request_id=key),
            headers=self._headers,
        )

    async def pay_by_card(self, tenant: Tenant, amount_minor: int, key: str) -> str:
        """The payment's id at Stripe; the money is in the wallet when this returns."""
        made = await self._wallet.create_stripe_top_up_intent(
            wallet.CreateStripeTopUpIntentRequest(
                wallet_name=tenant.wallet, amount_minor=amount_minor, idempotency_key=key
            ),
            headers=self._headers,
        )
        assert made.top_up is not None, "the answer always has the top-up"
        payment = made.top_up.external_id
        await self._at_stripe(f"payment_intents/{payment}/pay", {"payment_method": "pm_card_visa"})
        await self.quiet()
        return payment

    async def pay_in_crypto(self, tenant: Tenant, amount_minor: int, key: str) -> None:
        made = await self._wallet.create_coinbase_top_up_checkout(
            wallet.CreateCoinbaseTopUpCheckoutRequest(
                wallet_name=tenant.wallet, amount_minor=amount_minor, idempotency_key=key
            ),
            headers=self._headers,
        )
        assert made.top_up is not None, "the answer always has the top-up"
        await self._post(
            f"{self._instance.coinbase_url}/_sim/checkouts/{made.top_up.external_id}/pay", {"outcome": "success"}
        )
        await self.quiet()

    async def dispute(self, payment: str) -> str:
        """The id of a dispute over the whole payment, which takes the money at once."""
        opened = await self._at_stripe("disputes", {"payment_intent": payment, "reason": "fraudulent"})
        await self.quiet()
        return opened["id"]

    async def resolve(self, dispute: str, outcome: str) -> None:
        await self._at_stripe(f"disputes/{dispute}/resolve", {"outcome": outcome})
        await self.quiet()

    async def resume(self, tenant: Tenant) -> None:
        await self._accounts.resume_billing_account(
            account.ResumeBillingAccountRequest(name=tenant.account), headers=self._headers
        )

    async def hold(self, tenant: Tenant, amount_minor: int, key: str) -> str:
        """The name of a hold that expires after a week, if nobody captures it."""
        made = await self._ledger.create_hold(
            ledger.CreateHoldRequest(wallet_name=tenant.wallet, amount_minor=amount_minor, request_id=key),
            headers=self._headers,
        )
        assert made.hold is not None, "the answer always has the hold"
        return made.hold.name

    async def capture(self, hold: str, amount_minor: int) -> None:
        await self._ledger.capture_hold(
            ledger.CaptureHoldRequest(name=hold, amount_minor=amount_minor, request_id=hold), headers=self._headers
        )

    async def redeem(self, tenant: Tenant, percent: int) -> None:
        """A code of a campaign of its own, for a month."""
        headers = self._headers
        await self._promotions.create_campaign(
            promotion.CreateCampaignRequest(
                campaign_id="spring",
                campaign=promotion.Campaign(
                    display_name="Spring",
                    discount_pct=percent,
                    discount_duration=Duration.from_timedelta(timedelta(days=_PROMOTION_DAYS)),
                    applies_to_usage=True,
                ),
            ),
            headers=headers,
        )
        made = await self._promotions.create_promotion_codes(
            promotion.CreatePromotionCodesRequest(campaign_name="campaigns/spring", count=1), headers=headers
        )
        await self._wallet.redeem_promotion_code(
            wallet.RedeemPromotionCodeRequest(code=made.codes[0], organization_name=tenant.name), headers=headers
        )

    async def balance(self, tenant: Tenant) -> wallet.GetWalletBalanceResponse:
        return await self._wallet.get_wallet_balance(
            wallet.GetWalletBalanceRequest(name=tenant.wallet), headers=self._headers
        )

    async def closing_balance_minor(self, tenant: Tenant) -> int | None:
        """Of the latest statement; None before the first."""
        listed = await self._wallet.list_invoices(
            wallet.ListInvoicesRequest(billing_account_name=tenant.account, page_size=1), headers=self._headers
        )
        return listed.invoices[0].closing_balance_minor if listed.invoices else None

    async def audit(self) -> tuple[str, int]:
        """What an audit of everything says, and how many entries it has looked at."""
        answer = await self._ledger.verify_ledger(
            ledger.VerifyLedgerRequest(), headers=self._headers, timeout_ms=CALL_MILLISECONDS
        )
        broken = [f"{found.law}: {found.row}: {found.detail}" for found in answer.violations]
        return "ok" if answer.ok else "; ".join(broken), answer.entry_count

    async def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Of the database, where no call tells."""

        async def work(conn: AsyncConnection) -> list[tuple[object, ...]]:
            return [tuple(row) for row in await conn.execute(text(statement))]

        return await self._instance.service.db.read(work)

    async def quiet(self) -> None:
        """Until providers have told us everything and we have done with it."""
        async with asyncio.timeout(_QUIET_SECONDS_MAX):
            while True:
                told = [
                    await self._post(f"{url}/_sim/flush", {})
                    for url in (self._instance.stripe_url, self._instance.coinbase_url)
                ]
                [(waiting,)] = await self.rows("SELECT count(*) FROM provider_events WHERE processed_at IS NULL")
                if not waiting and not any(report["delivered"] + report["pending"] for report in told):
                    return
                await asyncio.sleep(0.05)

    async def _at_stripe(self, path: str, body: dict[str, str]) -> dict[str, str]:
        return await self._post(f"{self._instance.stripe_url}/_sim/{path}", body)

    async def _post(self, url: str, body: dict[str, str]) -> dict[str, str]:
        answer = await self._http.post(url, json=body)
        answer.raise_for_status()
        return answer.json()


def decimal_of(value: object) -> Decimal:
    """A number of the database, exactly."""
    return Decimal(str(value))
