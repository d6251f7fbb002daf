"""Working on recharges that were claimed: charging the card, and finding out what became of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from providers.protocol import Unavailable
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.recharge import rules, store
from wallet_service.recharge.claiming import RechargeWatcher
from wallet_service.recharge.model import Attempt, AttemptState
from wallet_service.tenancy import within
from wallet_service.topups.asking import TopUpSync
from wallet_service.topups.model import TopUpFailure, TopUpState
from wallet_service.topups.operations import TopUps
from wallet_service.topups.settlement import Settlement

DUE_MAX: Final = 200
"""Configurations, and attempts, that one run looks at; the rest waits for the next run."""

_AT_ONCE_MAX: Final = 4
_log: Final = structlog.get_logger("wallet.recharge")


class RechargeWork:
    """A `DueWork`: attempts whose payment is not known yet, and wallets whose wait is over."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        watcher: RechargeWatcher,
        topups: TopUps,
        settlement: Settlement,
        sync: TopUpSync,
    ) -> None:
        self._db = db
        self._clock = clock
        self._watcher = watcher
        self._topups = topups
        self._settlement = settlement
        self._sync = sync

    async def next_due(self, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """When the next wait is over, or an attempt is to be charged or asked for."""
        return await self._db.read(lambda conn: store.next_due(conn, org_ids))

    async def run_due(self, org_id: UUID | None) -> int:
        """Claim what may be claimed now, then charge what is claimed. One that fails keeps no other from its turn."""
        now = self._clock.now()
        waiting = await self._db.read(lambda conn: store.due_configs(conn, org_id, now=now, limit=DUE_MAX))
        looked_count = await _each(waiting, self._look_again)
        claimed = await self._db.read(lambda conn: store.due_attempts(conn, org_id, now=now, limit=DUE_MAX))
        return looked_count + await _each(claimed, self.work)

    async def work(self, org_id: UUID, attempt_id: UUID) -> bool:
        """The job of an attempt. Whether it was due and nobody else was at it.

        An outcome that stays unknown is asked for again after a while; the reconciler of top-ups asks beside it.
        """
        now = self._clock.now()

        async def take(conn: AsyncConnection) -> Attempt | None:
            return await store.take_attempt(conn, org_id, attempt_id, now=now, leased_until=rules.leased_until(now))

        attempt = await self._db.transact(take)
        if attempt is None:
            return False
        try:
            await self._settle(attempt)
        except Unavailable as error:
            _log.warning("recharge_outcome_unknown", attempt_id=str(attempt_id), code=error.failure.code)
        next_check_at = rules.next_check(attempt, self._clock.now())
        await self._db.transact(lambda conn: store.postpone_attempt(conn, attempt, next_check_at=next_check_at))
        return True

    async def _settle(self, attempt: Attempt) -> None:
        """Every way ends in the settlement of the top-up, which tells `RechargeFollower`."""
        failure = await self._db.read(lambda conn: _given_up(conn, attempt))
        if failure is None:
            await self._topups.charge_auto(attempt.org_id, attempt.topup_id)
        else:
            await self._give_up(attempt, failure)

    async def _give_up(self, attempt: Attempt, failure: TopUpFailure) -> None:
        """End the top-up; a payment that the provider knows of is canceled there, unless it was paid in this moment."""
        topup = await self._topups.get(attempt.org_id, attempt.topup_id)
        failed = await self._db.transact(
            lambda conn: self._settlement.fail(conn, topup, failure, external_id=topup.external_id)
        )
        if failed.state is TopUpState.PENDING:
            await self._sync.sync(attempt.org_id, attempt.topup_id)

    async def _look_again(self, org_id: UUID, wallet_id: UUID) -> bool:
        return await self._db.transact(lambda conn: self._watcher.look_again(conn, org_id, wallet_id))


async def _given_up(conn: AsyncConnection, attempt: Attempt) -> TopUpFailure | None:
    """Why the attempt is not to be charged, None when it is. What may have been charged already is not given up."""
    if attempt.state is AttemptState.ACTION_REQUIRED:
        return rules.superseded()
    config = await store.read_config(conn, attempt.org_id, attempt.wallet_id)
    is_wanted = config is not None and config.is_enabled
    return rules.not_wanted() if attempt.try_count == 1 and not is_wanted else None


async def _each(due: Iterable[tuple[UUID, UUID]], work: Callable[[UUID, UUID], Awaitable[bool]]) -> int:
    """Run `work` on all of them, a few at a time; how many it had something to do for."""
    waiting = iter(due)
    counts = await asyncio.gather(*(_in_turn(waiting, work) for _ in range(_AT_ONCE_MAX)))
    return sum(counts)


async def _in_turn(waiting: Iterator[tuple[UUID, UUID]], work: Callable[[UUID, UUID], Awaitable[bool]]) -> int:
    count = 0
    for org_id, subject_id in waiting:
        try:
            with within(org_id):
                count += await work(org_id, subject_id)
        except Exception as error:
            # Whatever is wrong with one wallet, the others are recharged.
            _log.exception("recharge_failed", org_id=str(org_id), error=repr(error))
    return count
