"""Use cases of alerts, and the watcher behind them."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts import steps as accounts
from wallet_service.accounts.model import Wallet
from wallet_service.alerts import rules, store
from wallet_service.alerts.happenings import alerts_configured, balance_turned, days_turned
from wallet_service.alerts.model import AlertSettings, WalletAlerts
from wallet_service.audit_log.pending import note_before
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.events.model import NewEvent
from wallet_service.events.steps import append
from wallet_service.forecast.steps import hourly_burn
from wallet_service.tenancy import within
from wallet_service.watching.model import Observation, Standing
from wallet_service.watching.steps import hold_still, without

_SWEPT_MAX: Final = 500
_log: Final = structlog.get_logger("wallet.alerts")


class Alerts:
    """Configures alerts, shows them, and fires them: as a watcher of balances, and in a slow sweep for the days."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def configure(
        self, org_id: UUID, *, balance_alert_minor: int | None, days_remaining_alert: int | None
    ) -> AlertSettings:
        """Replace both alerts of the open wallet; None or 0 turns one off. One that is below already fires now.

        Raises RESOURCE_NOT_FOUND without an open wallet.
        """
        now = self._clock.now()

        async def work(conn: AsyncConnection) -> AlertSettings:
            wallet = await accounts.open_wallet(conn, org_id)
            standing = await hold_still(conn, org_id)
            before = await _alerts_of(conn, wallet, lock=True)
            alerts = rules.configured(
                before,
                balance_alert_minor=balance_alert_minor,
                days_remaining_alert=days_remaining_alert,
                entry_seq=standing.entry_seq,
                now=now,
            )
            was = alerts_configured(wallet, before)
            note_before(was.subject, was.data)
            events = [alerts_configured(wallet, alerts)]
            balance_minor = 0 if standing.balance is None else standing.balance.balance_minor
            if alerts.balance != before.balance:
                balance, turn = rules.judged(alerts.balance, balance_minor=balance_minor, now=now)
                alerts = replace(alerts, balance=balance)
                events += [] if turn is None else [balance_turned(wallet, balance, turn)]
            if alerts.days != before.days:
                alerts, fired = await _with_days(conn, wallet, alerts, balance_minor=balance_minor, now=now)
                events += fired
            await store.configure(conn, alerts, now)
            await append(conn, org_id, events, now=now)
            return AlertSettings(wallet.org_slug, wallet.currency, alerts)

        return await self._db.transact(work)

    async def get(self, org_id: UUID) -> AlertSettings:
        """The alerts of the open wallet, both off if nothing was configured. Raises RESOURCE_NOT_FOUND without one."""

        async def work(conn: AsyncConnection) -> AlertSettings:
            wallet = await accounts.open_wallet(conn, org_id)
            return AlertSettings(wallet.org_slug, wallet.currency, await _alerts_of(conn, wallet))

        return await self._db.read(work)

    async def indifferent_to(self, conn: AsyncConnection, standings: Sequence[Standing]) -> Set[UUID]:
        """Those for which no alert was ever configured."""
        return await without(conn, store.WITH_ALERTS, standings)

    async def observe(self, conn: AsyncConnection, observation: Observation) -> Sequence[NewEvent]:
        """A step of the watch: every move for the balance alert, and the present for the days."""
        wallet = observation.wallet
        before = await store.read(conn, wallet.org_id, wallet.wallet_id, lock=True)
        if before is None:
            return []
        balance, turns = rules.replay(before.balance, observation.moves)
        events = [balance_turned(wallet, balance, turn) for turn in turns]
        alerts = replace(before, balance=balance)
        with_days, fired = await _with_days(
            conn, wallet, alerts, balance_minor=observation.balance.balance_minor, now=observation.now
        )
        # The time of the next look alone is not worth a write for each posting.
        changed = with_days if fired else alerts
        if changed != before:
            await store.save(conn, changed)
        return [*events, *fired]

    async def next_due(self, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """When the days that the open wallet of each organization lasts are looked at next."""
        return await self._db.read(lambda conn: store.next_checks(conn, org_ids))

    async def run_due(self, org_id: UUID | None) -> int:
        """Look at the days of wallets for which nothing was posted lately, at most 500 of them; how many."""
        if org_id is not None:
            return await self._sweep(org_id)
        now = self._clock.now()

        async def find(conn: AsyncConnection) -> list[UUID]:
            return await store.organizations_due(conn, by=now, limit=_SWEPT_MAX)

        count = 0
        for found in await self._db.read(find):
            try:
                with within(found):
                    count += await self._sweep(found)
            except Exception as error:
                # Whatever is wrong with one wallet, the others are looked at.
                _log.exception("alert_sweep_failed", org_id=str(found), error=repr(error))
        return count

    async def _sweep(self, org_id: UUID) -> int:
        now = self._clock.now()

        async def work(conn: AsyncConnection) -> int:
            standing = await hold_still(conn, org_id)
            wallet, balance = standing.wallet, standing.balance
            if wallet is None or balance is None:
                return 0
            before = await _alerts_of(conn, wallet, lock=True)
            if before.days.check_at is None or before.days.check_at > now:
                return 0
            alerts, events = await _with_days(conn, wallet, before, balance_minor=balance.balance_minor, now=now)
            await store.save(conn, alerts)
            await append(conn, org_id, events, now=now)
            return 1

        return await self._db.transact(work)


async def _alerts_of(conn: AsyncConnection, wallet: Wallet, *, lock: bool = False) -> WalletAlerts:
    found = await store.read(conn, wallet.org_id, wallet.wallet_id, lock=lock)
    return found or rules.no_alerts(wallet.org_id, wallet.wallet_id)


async def _with_days(
    conn: AsyncConnection, wallet: Wallet, alerts: WalletAlerts, *, balance_minor: int, now: datetime
) -> tuple[WalletAlerts, list[NewEvent]]:
    """The alerts with the days looked at, and what is to be told. Asks for the burn only where somebody asked for days."""
    if alerts.days.threshold_days is None:
        return alerts, []
    burn = await hourly_burn(conn, wallet.org_id, now)
    days, turn = rules.estimated(alerts.days, balance_minor=balance_minor, burn_per_hour=burn, now=now)
    events = [] if turn is None else [days_turned(wallet, days, turn, burn_per_hour=burn)]
    return replace(alerts, days=days), events
