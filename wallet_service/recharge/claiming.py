"""Deciding whether a wallet is recharged now, and claiming the recharge when it is."""

from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from ledger.queries import balance as ledger_balance
from wallet_service.accounts import steps as accounts
from wallet_service.accounts.model import Wallet
from wallet_service.clock import Clock, moment
from wallet_service.errors import ServiceError
from wallet_service.events.model import NewEvent
from wallet_service.events.steps import append
from wallet_service.job_queue import JobName, enqueue
from wallet_service.payment_methods.operations import attached_method
from wallet_service.recharge import notices, rules, store
from wallet_service.recharge.model import Attempt, AttemptState, RechargeConfig, Standing
from wallet_service.topups.operations import TopUps
from wallet_service.topups.steps import on_its_way
from wallet_service.watching.model import Observation
from wallet_service.watching.model import Standing as Watched
from wallet_service.watching.steps import without

_LEFT_TO_ADVANCE: Final = timedelta(seconds=1)


class RechargeWatcher:
    """A `Watcher`: a posting that leaves less than the threshold sets off a recharge."""

    def __init__(self, clock: Clock, topups: TopUps) -> None:
        self._clock = clock
        self._topups = topups

    async def indifferent_to(self, conn: AsyncConnection, standings: Sequence[Watched]) -> Set[UUID]:
        """Those where it is off."""
        return await without(conn, store.RECHARGED, standings)

    async def observe(self, conn: AsyncConnection, observation: Observation) -> Sequence[NewEvent]:
        """A step. Postings of before it was turned on set off nothing."""
        wallet = observation.wallet
        config = await store.read_config(conn, wallet.org_id, wallet.wallet_id, lock=True)
        if config is None or not config.is_enabled or observation.moves[-1].entry_seq <= config.armed_seq:
            return ()
        return await self._consider(conn, config, wallet, observation.balance.available_minor)

    async def look_again(self, conn: AsyncConnection, org_id: UUID, wallet_id: UUID) -> bool:
        """A transaction of its own: a wait may be over. Whether it was."""
        now = self._clock.now()
        config = await store.read_config(conn, org_id, wallet_id, lock=True)
        if config is None or not config.is_enabled or config.next_attempt_at is None or now < config.next_attempt_at:
            return False
        config = replace(config, next_attempt_at=None)
        await store.put_config(conn, config)
        wallet = await _open_wallet(conn, config)
        if wallet is None:
            return True
        held = await ledger_balance(conn, org_id, wallet.account_id)
        assert held is not None, "an open wallet has an account"
        events = await self._consider(conn, config, wallet, held.available_minor)
        await append(conn, org_id, events, now=now)
        return True

    async def _consider(
        self, conn: AsyncConnection, config: RechargeConfig, wallet: Wallet, available_minor: int
    ) -> list[NewEvent]:
        """Act on what the rule says of a locked configuration."""
        now = self._clock.now()
        if available_minor >= config.terms.threshold_minor:
            decision: rules.Decision = rules.Rest()
        else:
            standing = await self._standing(conn, config, available_minor)
            decision = rules.decide(config.terms, standing, now)
        match decision:
            case rules.Charge(amount_minor):
                return await self._claim(conn, config, wallet, amount_minor, available_minor)
            case rules.Skip() as skip:
                changed = replace(config, last_skip=skip.reason, next_attempt_at=skip.until)
                if changed != config:
                    await store.put_config(conn, replace(changed, updated_at=now))
                if skip.reason is config.last_skip:
                    return []
                threshold_minor = config.terms.threshold_minor
                return [
                    notices.of_skip(
                        wallet.org_slug,
                        skip,
                        available_minor=available_minor,
                        threshold_minor=threshold_minor,
                        currency=wallet.currency,
                    )
                ]
            case rules.Rest():
                # The wait after a decline is kept: the balance may fall again before it is over.
                planned = config.next_attempt_at if config.failure_count else None
                changed = replace(config, last_skip=None, next_attempt_at=planned)
                if changed != config:
                    await store.put_config(conn, replace(changed, updated_at=now))
                return []

    async def _standing(self, conn: AsyncConnection, config: RechargeConfig, available_minor: int) -> Standing:
        """Under the lock of the configuration, so that no other recharge is claimed beside this one."""
        now, key = self._clock.now(), (config.org_id, config.wallet_id)
        account = await accounts.billing_account(conn, config.org_id)
        return Standing(
            available_minor=available_minor,
            pending_minor=await on_its_way(conn, *key, since=now - rules.PENDING_COUNTS_FOR),
            is_open=await store.open_attempt(conn, *key) is not None,
            is_account_active=rules.takes_recharges(account),
            has_method=await _has_method(conn, config),
            day=await store.charged_since(conn, *key, after=now - rules.DAY),
            month=await store.charged_since(conn, *key, after=now - rules.MONTH),
            last_attempt_at=await store.last_attempt_at(conn, *key),
            not_before=rules.not_before(config),
        )

    async def _claim(
        self, conn: AsyncConnection, config: RechargeConfig, wallet: Wallet, amount_minor: int, available_minor: int
    ) -> list[NewEvent]:
        now = self._clock.now()
        try:
            topup = await self._topups.start_auto(
                conn, config.org_id, amount_minor=amount_minor, payment_method_id=config.terms.payment_method_id
            )
        except ServiceError as error:
            # Nothing was written. What was agreed to is refused now, by a minimum or maximum that has changed since.
            changed = rules.failed(config, rules.refused(error), now)
            await store.put_config(conn, changed)
            return [notices.of_disabling(wallet.org_slug, changed)]
        attempt = Attempt(
            org_id=config.org_id,
            attempt_id=new_id(now),
            wallet_id=config.wallet_id,
            topup_id=topup.topup_id,
            amount_minor=amount_minor,
            state=AttemptState.IN_FLIGHT,
            created_at=now,
            next_check_at=now,
        )
        await store.insert_attempt(conn, attempt)
        await store.put_config(conn, replace(config, last_skip=None, next_attempt_at=None, updated_at=now))
        payload = {"org_id": str(config.org_id), "attempt_id": str(attempt.attempt_id)}
        # An advance of a test clock charges at once what it claims; the job is for who claims without one.
        await enqueue(conn, JobName.RECHARGE, payload, delay=_LEFT_TO_ADVANCE if moment() else timedelta(0))
        return [
            notices.of_start(
                wallet.org_slug,
                topup,
                available_minor=available_minor,
                threshold_minor=config.terms.threshold_minor,
            )
        ]


async def _open_wallet(conn: AsyncConnection, config: RechargeConfig) -> Wallet | None:
    """The wallet of a configuration; None when it was closed since."""
    try:
        wallet = await accounts.open_wallet(conn, config.org_id)
    except ServiceError:
        return None
    return wallet if wallet.wallet_id == config.wallet_id else None


async def _has_method(conn: AsyncConnection, config: RechargeConfig) -> bool:
    try:
        await attached_method(conn, config.org_id, config.terms.payment_method_id)
    except ServiceError:
        return False
    return True
