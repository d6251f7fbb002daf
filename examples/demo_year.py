"""A year in the life of twenty organizations, in minutes; run it with `make demo-year`.

An isolated instance is started, and organizations are made on one test clock. Each day they use what they use, then the
clock is advanced, which does whatever falls due: holds expire, balances are watched, cards are charged, declined and charged
again, accounts are suspended, months are closed. After each month every law of the ledger is verified, and the statements'
closing balances are compared with the ledger. Prints one JSON object; but for the seconds it is the same every time.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import uvloop

from examples.year_calls import Calls, decimal_of
from examples.year_cast import CARDS, START, Part, Tenant, tenants
from wallet_service.catalog.files import read_catalog
from wallet_service.cli.dev import SAMPLE_CATALOG
from wallet_service.config import Settings
from wallet_service.development import private_settings, running
from wallet_service.logs import configure_logging
from wallet_service.rating.rules import plain_text

ORGANIZATIONS: Final = 20
DAYS: Final = 365
DAY: Final = timedelta(days=1)
AFTER_CLOSE: Final = timedelta(minutes=30)
"""Into a month: its predecessor is closed by then, and nothing has moved since."""

NEW_CARD_DAY: Final = 60
"""When those whose card fails bring another one."""

PROMOTION_DAY: Final = 20
DISPUTE_DAYS: Final = {12: "lost", 30: "won"}
"""When a payment is disputed, and how that ends ten days later."""

DISPUTE_LASTS_DAYS: Final = 10


class Year:
    """What happens, day by day."""

    def __init__(self, calls: Calls, cast: Sequence[Tenant]) -> None:
        self._calls = calls
        self._cast = cast
        self._payments: list[str] = []
        self._disputes: dict[int, tuple[str, str]] = {}
        self._holds: list[str] = []
        self.statements_compared = 0

    async def begin(self) -> None:
        """Everybody begins with two weeks' worth and, where a card pays, with recharging."""
        await self._calls.make_clock()
        for tenant in self._cast:
            await self._calls.open(tenant)
            await self._calls.deposit(tenant, tenant.days_minor(14), "first")
            if tenant.part in CARDS:
                await self._calls.recharge_from(tenant, "card", CARDS[tenant.part])
            if tenant.part is Part.LIMITED:
                await self._calls.limit(tenant, tenant.days_minor(20))

    async def day(self, number: int) -> None:
        """What the organizations do on a day (0 is the first), then what falls due until the next one."""
        today = START + number * DAY
        if today.day == 1:
            await self._calls.advance(today + AFTER_CLOSE)
            if number:
                await self._compare_statements()
        for tenant in self._cast:
            await self._act(tenant, number, today)
        await asyncio.gather(*(self._calls.use(tenant, today.date()) for tenant in self._cast))
        await self._calls.advance(today + DAY)

    async def _act(self, tenant: Tenant, number: int, today: datetime) -> None:
        calls, month = self._calls, f"{today:%Y-%m}"
        match tenant.part:
            case Part.DECLINED | Part.AUTHENTICATED if number == NEW_CARD_DAY:
                await calls.recharge_from(tenant, "new-card", "pm_card_visa")
            case Part.CRYPTO if today.day == 1:
                await calls.pay_in_crypto(tenant, tenant.days_minor(40), month)
            case Part.DISPUTED:
                await self._disputed(tenant, number, today)
            case Part.DRY if number % 60 == 45:
                await calls.deposit(tenant, tenant.days_minor(60), month)
            case Part.PROMOTED:
                if today.day == 1:
                    await calls.deposit(tenant, tenant.days_minor(40), month)
                if number == PROMOTION_DAY:
                    await calls.redeem(tenant, 25)
            case Part.HOLDING:
                await self._hold(tenant, today)
            case _:
                return

    async def _disputed(self, tenant: Tenant, number: int, today: datetime) -> None:
        if number % 25 == 2:
            self._payments.append(await self._calls.pay_by_card(tenant, tenant.days_minor(40), today.isoformat()))
        if number in DISPUTE_DAYS:
            dispute = await self._calls.dispute(self._payments[-1])
            self._disputes[number + DISPUTE_LASTS_DAYS] = dispute, DISPUTE_DAYS[number]
        if number in self._disputes:
            dispute, outcome = self._disputes.pop(number)
            await self._calls.resolve(dispute, outcome)
            if outcome == "lost":
                # The money stays away; whoever operates the service forgives the customer.
                await self._calls.resume(tenant)

    async def _hold(self, tenant: Tenant, today: datetime) -> None:
        """Each month one hold is captured in part, and one that nobody takes comes back after a week."""
        if today.day == 1:
            await self._calls.deposit(tenant, tenant.days_minor(45), f"{today:%Y-%m}")
        if today.day in (3, 4):
            self._holds.append(await self._calls.hold(tenant, tenant.days_minor(1), today.isoformat()))
        if today.day == 5 and self._holds:
            await self._calls.capture(self._holds[-1], tenant.days_minor(1) // 2)
            self._holds.clear()

    async def _compare_statements(self) -> None:
        """The closing balance of each statement is what the ledger has."""

        async def compare(tenant: Tenant) -> None:
            closing = await self._calls.closing_balance_minor(tenant)
            balance = (await self._calls.balance(tenant)).balance_minor
            assert closing == balance, f"{tenant.slug}: the statement says {closing}, the ledger {balance}"

        await asyncio.gather(*(compare(tenant) for tenant in self._cast))
        self.statements_compared += len(self._cast)


_IN_CAST: Final = "(SELECT org_id FROM organization_directory WHERE slug LIKE 'tenant-%')"
_MONEY: Final = f"""
    SELECT u.event_count, u.cost_minor, w.balance_minor, w.carry, c.captured_minor
    FROM (SELECT count(*) AS event_count, sum(cost_minor) AS cost_minor FROM usage_events WHERE org_id IN {_IN_CAST}) u,
         (SELECT sum(available_minor + held_minor) AS balance_minor, sum(carry) AS carry
          FROM ledger_wallets WHERE org_id IN {_IN_CAST}) w,
         (SELECT coalesce(sum(captured_minor), 0) AS captured_minor FROM ledger_holds WHERE org_id IN {_IN_CAST}) c
"""
_EVENTS: Final = f"SELECT type, count(*) FROM events WHERE org_id IN {_IN_CAST} GROUP BY 1 ORDER BY 1"
_TOPUPS: Final = f"""
    SELECT method || ' ' || origin || ' ' || state, count(*), sum(amount_minor)
    FROM topups WHERE org_id IN {_IN_CAST} GROUP BY 1 ORDER BY 1
"""
_TAKEN: Final = f"""
    SELECT coalesce(sum(amount_minor) FILTER (WHERE is_away), 0) FROM topup_reversals WHERE org_id IN {_IN_CAST}
"""
_DEPOSITED: Final = f"""
    SELECT coalesce(sum((data ->> 'amount_minor')::bigint), 0)
    FROM events WHERE org_id IN {_IN_CAST} AND type = 'wallet.deposit.recorded'
"""


async def _figures(calls: Calls) -> dict[str, object]:
    [(event_count, cost, balance, carry, captured)] = await calls.rows(_MONEY)
    [(deposited,)] = await calls.rows(_DEPOSITED)
    [(taken,)] = await calls.rows(_TAKEN)
    topups = await calls.rows(_TOPUPS)
    paid = sum(int(decimal_of(amount)) for kind, _, amount in topups if str(kind).endswith("SUCCEEDED"))
    credited = decimal_of(deposited) + paid - decimal_of(taken)
    left = decimal_of(balance) - decimal_of(carry)
    return {
        "usage_events": event_count,
        "usage_cost_minor_exact": plain_text(decimal_of(cost)),
        "deposited_minor": int(decimal_of(deposited)),
        "topped_up_minor": paid,
        "taken_back_minor": int(decimal_of(taken)),
        "captured_minor": int(decimal_of(captured)),
        "balance_minor": int(decimal_of(balance)),
        "carry_minor_exact": plain_text(decimal_of(carry)),
        "adds_up": credited - decimal_of(captured) - left == decimal_of(cost),
        "top_ups": {
            str(kind): {"count": count, "amount_minor": int(decimal_of(amount))} for kind, count, amount in topups
        },
        "events": {str(kind): count for kind, count in await calls.rows(_EVENTS)},
    }


def main(arguments: Sequence[str]) -> None:
    """Play the year, or the days and organizations that are asked for, in a folder that is removed afterwards."""
    configure_logging(format="json", level="error")
    days = int(arguments[0]) if arguments else DAYS
    count = int(arguments[1]) if len(arguments) > 1 else ORGANIZATIONS
    with tempfile.TemporaryDirectory(prefix="wallet-year-") as folder:
        settings = private_settings(Path(folder))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(_play(settings, days, tenants(count)))
    print(json.dumps(figures, indent=2))


async def _play(settings: Settings, days: int, cast: Sequence[Tenant]) -> dict[str, object]:
    started = time.monotonic()
    async with running(settings, read_catalog(SAMPLE_CATALOG)) as instance:
        calls = Calls(instance)
        year = Year(calls, cast)
        try:
            await year.begin()
            audits: dict[str, str] = {}
            entry_count = 0
            for number in range(days):
                await year.day(number)
                today = START + number * DAY
                if (today + DAY).day == 1 or number == days - 1:
                    await calls.quiet()
                    month = f"{today:%Y-%m}"
                    audits[month], entry_count = await calls.audit()
                    seconds = round(time.monotonic() - started)
                    print(f"{month}: audit {audits[month]}, {entry_count} entries, {seconds} s", file=sys.stderr)
            # The last month is closed soon after it has ended.
            await calls.advance(START + days * DAY + AFTER_CLOSE)
            return {
                "organizations": len(cast),
                "days": days,
                "statements_compared": year.statements_compared,
                **await _figures(calls),
                "audits": audits,
                "entries": entry_count,
                "due_work_done": calls.work_count,
                "seconds": round(time.monotonic() - started),
            }
        finally:
            await calls.aclose()


if __name__ == "__main__":
    main(sys.argv[1:])
