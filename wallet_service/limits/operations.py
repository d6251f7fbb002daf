"""Use cases of a wallet's spending limit."""

from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts.model import Wallet
from wallet_service.audit_log.pending import note_before
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.events.model import EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.limits import steps, store
from wallet_service.limits.marks import limit_event, mark
from wallet_service.limits.model import Duration, LimitStatus, SpendingLimit, Strategy
from wallet_service.limits.rules import check_amount
from wallet_service.topups.steps import has_succeeded_by_hand
from wallet_service.watching.steps import hold_still


class SpendingLimits:
    """The one spending limit of an organization's open wallet."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def get(self, org_id: UUID) -> LimitStatus | None:
        """The limit and how much of it is used, on one snapshot; None without one. Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> LimitStatus | None:
            standing = await steps.standing(conn, org_id)
            if standing.limit is None:
                return None
            return await steps.status(conn, standing.wallet, standing.limit, now=self._clock.now())

        return await self._db.read(work)

    async def set(
        self,
        org_id: UUID,
        *,
        amount_minor: int,
        duration: Duration,
        strategy: Strategy,
        needs_manual_topup: bool = False,
    ) -> LimitStatus:
        """Set the limit in place of the one that there is; the same again changes nothing.

        A limit that is already reached is marked at once. Raises AMOUNT_TOO_SMALL below 100, NO_MANUAL_TOPUP where
        `needs_manual_topup` and no top-up made by hand has succeeded, RESOURCE_NOT_FOUND.
        """
        check_amount(amount_minor)

        async def work(conn: AsyncConnection) -> LimitStatus:
            if needs_manual_topup and not await has_succeeded_by_hand(conn, org_id):
                raise _no_manual_topup()
            # What is posted meanwhile is shown to the watcher of limits when this one is there.
            await hold_still(conn, org_id)
            wallet = (await steps.standing(conn, org_id)).wallet
            now = self._clock.now()
            present = await store.lock_limit(conn, wallet)
            wanted = SpendingLimit(amount_minor, duration, strategy, now)
            if present is None or _terms(present) != _terms(wanted):
                if present is not None:
                    _note_before(wallet, present)
                    wanted = replace(wanted, reached_at=present.reached_at)
                await store.upsert_limit(conn, wallet, wanted)
                events: list[NewEvent] = [limit_event(EventType.SPENDING_LIMIT_SET, wallet, wanted)]
                events += await _marked(conn, wallet, present, wanted)
                await append(conn, org_id, events, now=now)
            stored = await store.lock_limit(conn, wallet)
            assert stored is not None, "it was written in this transaction or before"
            return await steps.status(conn, wallet, stored, now=now)

        return await self._db.transact(work)

    async def delete(self, org_id: UUID) -> None:
        """Remove the limit; without one nothing happens. Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> None:
            standing = await steps.standing(conn, org_id)
            present = await store.lock_limit(conn, standing.wallet)
            if present is not None and await store.delete_limit(conn, standing.wallet):
                _note_before(standing.wallet, present)
                deleted = limit_event(EventType.SPENDING_LIMIT_DELETED, standing.wallet, present)
                await append(conn, org_id, [deleted], now=self._clock.now())

        await self._db.transact(work)


async def _marked(
    conn: AsyncConnection, wallet: Wallet, present: SpendingLimit | None, wanted: SpendingLimit
) -> list[NewEvent]:
    """Mark new terms; the events of it. A limit that stays reached in the same window says so no second time."""
    found = await mark(conn, wallet, wanted, [wanted.updated_at])
    if present is None or present.reached_until is None:
        return found
    if not found:
        return [limit_event(EventType.SPENDING_LIMIT_RESET, wallet, wanted)]
    return [] if _window(present) == _window(wanted) else found


def _note_before(wallet: Wallet, present: SpendingLimit) -> None:
    was = limit_event(EventType.SPENDING_LIMIT_SET, wallet, present)
    note_before(was.subject, was.data)


def _terms(limit: SpendingLimit) -> tuple[int, Duration, Strategy]:
    return limit.amount_minor, limit.duration, limit.strategy


def _window(limit: SpendingLimit) -> tuple[Duration, Strategy]:
    return limit.duration, limit.strategy


def _no_manual_topup() -> ServiceError:
    return ServiceError(
        Code.FAILED_PRECONDITION, Reason.NO_MANUAL_TOPUP, "this needs a manual top-up that has succeeded"
    )
