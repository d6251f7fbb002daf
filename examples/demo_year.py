"""A year in the life of twenty organizations, in minutes; run it with `make demo-year`.

An isolated instance is started, and organizations are made on one test clock. Each day they use what they use, then the
clock is advanced by a day, which does whatever falls due on it: holds expire, balances are watched, cards are charged again,
months are closed. After each month every law of the ledger is verified. Prints one JSON object.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import uvloop
from protobuf.wkt import Timestamp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from wallet_api.billing.v1 import account_service_pb as account
from wallet_api.billing.v1 import ledger_service_pb as ledger
from wallet_api.billing.v1 import test_clock_service_pb as clock
from wallet_api.billing.v1 import usage_service_pb as usage
from wallet_api.billing.v1.account_service_connect import AccountServiceClient
from wallet_api.billing.v1.ledger_service_connect import LedgerServiceClient
from wallet_api.billing.v1.test_clock_service_connect import TestClockServiceClient
from wallet_api.billing.v1.usage_service_connect import UsageServiceClient
from wallet_api.wallet.v1 import wallet_service_pb as wallet
from wallet_api.wallet.v1.wallet_service_connect import WalletServiceClient

from wallet_service.catalog.files import read_catalog
from wallet_service.cli.dev import SAMPLE_CATALOG
from wallet_service.config import Settings
from wallet_service.development import Instance, running
from wallet_service.logs import configure_logging
from wallet_service.rating.rules import plain_text

ORGANIZATIONS: Final = 20
PREPAID: Final = 5
"""How many of them have no card: somebody pays in for them each month, and some months not enough."""

CLOCK: Final = "test-clocks/year"
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
DAYS: Final = 365
DAY: Final = timedelta(days=1)
VCPU: Final = "compute.vm.vcpu_hours"
MEMORY: Final = "compute.vm.memory_gib_hours"
DEPOSIT_MINOR: Final = 10_000
RECHARGE_MINOR: Final = 5_000
THRESHOLD_MINOR: Final = 2_000


@dataclass(frozen=True)
class Tenant:
    """One of the organizations: what it runs, around the clock, and whether a card pays for it."""

    slug: str
    vcpus: int
    has_card: bool

    @property
    def name(self) -> str:
        return f"organizations/{self.slug}"

    @property
    def wallet(self) -> str:
        return f"{self.name}/wallets/default"


TENANTS: Final = tuple(
    Tenant(f"tenant-{number:02}", 8 + 4 * number, has_card=number < ORGANIZATIONS - PREPAID)
    for number in range(ORGANIZATIONS)
)


class Year:
    """The calls that the year is made of, as the operator."""

    def __init__(self, instance: Instance) -> None:
        self._service = instance.service
        self._headers = {"authorization": f"Bearer {instance.operator_key}"}
        self._accounts = AccountServiceClient(instance.url)
        self._ledger = LedgerServiceClient(instance.url)
        self._clocks = TestClockServiceClient(instance.url)
        self._usage = UsageServiceClient(instance.url)
        self._wallet = WalletServiceClient(instance.url)
        self._random = random.Random(2026)
        self.work_count = 0

    async def begin(self) -> None:
        """Make the clock and the organizations on it, with what they pay with."""
        await self._clocks.create_test_clock(
            clock.CreateTestClockRequest(test_clock_id="year", now=Timestamp.from_datetime(START)),
            headers=self._headers,
        )
        for tenant in TENANTS:
            await self._open(tenant)

    async def _open(self, tenant: Tenant) -> None:
        headers = self._headers
        await self._accounts.create_organization(
            account.CreateOrganizationRequest(organization_id=tenant.slug, test_clock_name=CLOCK), headers=headers
        )
        await self._accounts.create_project(
            account.CreateProjectRequest(organization_name=tenant.name, project_id=tenant.slug), headers=headers
        )
        await self._deposit(tenant, "first")
        await self._wallet.configure_wallet_alerts(
            wallet.ConfigureWalletAlertsRequest(wallet_name=tenant.wallet, balance_alert_minor=THRESHOLD_MINOR),
            headers=headers,
        )
        if not tenant.has_card:
            return
        card = f"{tenant.name}/payment-methods/card"
        await self._wallet.attach_payment_method(
            wallet.AttachPaymentMethodRequest(
                name=card,
                billing_account_name=f"{tenant.name}/billing-accounts/default",
                stripe_payment_method_id="pm_card_visa",
            ),
            headers=headers,
        )
        await self._wallet.configure_auto_recharge(
            wallet.ConfigureAutoRechargeRequest(
                wallet_name=tenant.wallet,
                enabled=True,
                threshold_minor=THRESHOLD_MINOR,
                amount_minor=RECHARGE_MINOR,
                payment_method_name=card,
            ),
            headers=headers,
        )

    async def day(self, today: datetime) -> None:
        """What the organizations do on a day, then what falls due until the next one."""
        await asyncio.gather(*(self._use(tenant, today) for tenant in TENANTS))
        if today.day == 1:
            for tenant in TENANTS:
                if not tenant.has_card:
                    await self._deposit(tenant, today.date().isoformat())
                await self._hold(tenant, today)
        target = Timestamp.from_datetime(today + DAY)
        while True:
            answer = await self._clocks.advance_test_clock(
                clock.AdvanceTestClockRequest(name=CLOCK, target=target), headers=self._headers
            )
            self.work_count += answer.work_count
            assert answer.test_clock is not None, "the answer always has the clock"
            if answer.test_clock.state is clock.TestClock.State.READY:
                return

    async def _use(self, tenant: Tenant, today: datetime) -> None:
        hours = tenant.vcpus * 24
        # Somewhat more or less each day, with digits that no cent has.
        quantity = Decimal(hours) * self._random.randint(700, 1300) / 1000
        answer = await self._usage.record_usage_events(
            usage.RecordUsageEventsRequest(
                organization_name=tenant.name,
                events=[
                    usage.UsageEventInput(
                        project_name=f"projects/{tenant.slug}",
                        meter=meter,
                        quantity=plain_text(quantity * factor),
                        idempotency_key=f"{meter}:{today.date()}",
                    )
                    for meter, factor in ((VCPU, 1), (MEMORY, 4))
                ],
                all_or_nothing=True,
            ),
            headers=self._headers,
        )
        assert answer.recorded_count == 2, "each event is recorded once"

    async def _deposit(self, tenant: Tenant, key: str) -> None:
        await self._ledger.deposit(
            ledger.DepositRequest(wallet_name=tenant.wallet, amount_minor=DEPOSIT_MINOR, request_id=key),
            headers=self._headers,
        )

    async def _hold(self, tenant: Tenant, today: datetime) -> None:
        """Set money aside that nobody takes: it comes back after a week. Who has none left sets nothing aside."""
        balance = await self._wallet.get_wallet_balance(
            wallet.GetWalletBalanceRequest(name=tenant.wallet), headers=self._headers
        )
        if balance.available_minor >= 100:
            await self._ledger.create_hold(
                ledger.CreateHoldRequest(
                    wallet_name=tenant.wallet, amount_minor=100, request_id=today.date().isoformat()
                ),
                headers=self._headers,
            )

    async def audit(self) -> tuple[str, int]:
        """What an audit of everything says, and how many entries it has looked at."""
        answer = await self._ledger.verify_ledger(ledger.VerifyLedgerRequest(), headers=self._headers)
        broken = [f"{found.law}: {found.row}: {found.detail}" for found in answer.violations]
        return "ok" if answer.ok else "; ".join(broken), answer.entry_count

    async def figures(self) -> dict[str, object]:
        """What the database has of it all."""

        async def work(conn: AsyncConnection) -> dict[str, object]:
            money = (await conn.execute(text(_MONEY), {"slugs": "tenant-%"})).one()
            counted = await conn.execute(text(_EVENTS), {"slugs": "tenant-%"})
            return {
                "usage_events": money.event_count,
                "usage_cost_minor_exact": plain_text(money.cost_minor),
                "credited_minor": int(money.credited_minor),
                "balance_minor": int(money.balance_minor),
                "carry_minor_exact": plain_text(money.carry),
                "adds_up": money.credited_minor - money.balance_minor + money.carry == money.cost_minor,
                "events": {row.type: row.n for row in counted},
            }

        return await self._service.db.read(work)


_MONEY: Final = """
    WITH tenants AS (SELECT org_id FROM organization_directory WHERE slug LIKE :slugs)
    SELECT u.event_count, u.cost_minor, w.balance_minor, w.carry, c.credited_minor
    FROM (SELECT count(*) AS event_count, sum(cost_minor) AS cost_minor
          FROM usage_events WHERE org_id IN (TABLE tenants)) u,
         (SELECT sum(available_minor + held_minor) AS balance_minor, sum(carry) AS carry
          FROM ledger_wallets WHERE org_id IN (TABLE tenants)) w,
         (SELECT sum(-p.amount_minor) AS credited_minor
          FROM ledger_postings p JOIN ledger_wallets l USING (org_id, account_id)
          JOIN ledger_entries e USING (org_id, entry_seq)
          WHERE org_id IN (TABLE tenants) AND e.kind = 'transfer') c
"""
_EVENTS: Final = """
    SELECT e.type, count(*) AS n FROM events e JOIN organization_directory d USING (org_id)
    WHERE d.slug LIKE :slugs GROUP BY 1 ORDER BY 1
"""


def main(arguments: Sequence[str]) -> None:
    """Play the year, or the days that are asked for, in a folder that is removed afterwards."""
    configure_logging(format="json", level="error")
    days = int(arguments[0]) if arguments else DAYS
    with tempfile.TemporaryDirectory(prefix="wallet-year-") as folder:
        settings = Settings().model_copy(
            update={
                "data_dir": Path(folder),
                "database_url": None,
                "listen": "127.0.0.1:0",
                "stripe_simulator_port": 0,
                "coinbase_simulator_port": 0,
                "log_level": "error",
            }
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(_play(settings, days))
    print(json.dumps(figures, indent=2))


async def _play(settings: Settings, days: int) -> dict[str, object]:
    started = time.monotonic()
    async with running(settings, read_catalog(SAMPLE_CATALOG)) as instance:
        year = Year(instance)
        await year.begin()
        audits: dict[str, str] = {}
        entry_count = 0
        for number in range(days):
            today = START + number * DAY
            await year.day(today)
            if (today + DAY).day == 1 or number == days - 1:
                month = f"{today:%Y-%m}"
                audits[month], entry_count = await year.audit()
                seconds = round(time.monotonic() - started)
                print(f"{month}: audit {audits[month]}, {entry_count} entries, {seconds} s", file=sys.stderr)
        return {
            "organizations": ORGANIZATIONS,
            "days": days,
            "due_work_done": year.work_count,
            "entries": entry_count,
            **await year.figures(),
            "audits": audits,
            "seconds": round(time.monotonic() - started),
        }


if __name__ == "__main__":
    main(sys.argv[1:])
