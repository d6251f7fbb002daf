"""Limits that usage or spending has reached: marked once in a window, and reset when the next one begins."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import queries
from wallet_service import names
from wallet_service.accounts.model import Wallet
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.events.model import EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.limits import steps, store
from wallet_service.limits.model import SpendingLimit, Strategy, Window
from wallet_service.limits.rules import window_at
from wallet_service.tenancy import within
from wallet_service.watching.model import Move, Observation, Standing
from wallet_service.watching.steps import without

_DUE_MAX: Final = 500
_log: Final = structlog.get_logger("wallet.limits")


class LimitMarks:
    """A watcher of balances, and work that falls due when a reached limit may be free again."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def indifferent_to(self, conn: AsyncConnection, standings: Sequence[Standing]) -> Set[UUID]:
        """Those without a limit."""
        return await without(conn, store.WITH_LIMITS, standings)

    async def observe(self, conn: AsyncConnection, observation: Observation) -> Sequence[NewEvent]:
        """A step: mark the limit where the moves have reached it, also in a window that is over."""
        wallet = observation.wallet
        limit = await store.lock_limit(conn, wallet)
        if limit is None:
            return []
        moments = [*_last_moves(limit, observation.moves), observation.now]
        return await mark(conn, wallet, limit, moments)

    async def next_due(self, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """When the reached limit of each organization is looked at again."""
        return await self._db.read(lambda conn: store.next_due(conn, org_ids))

    async def run_due(self, org_id: UUID | None) -> int:
        """Look again at reached limits whose time has come; how many."""
        now = self._clock.now()
        due = await self._db.read(lambda conn: store.due_limits(conn, org_id, now=now, limit=_DUE_MAX))
        count = 0
        for one in due:
            try:
                with within(one.org_id):
                    await self._look_again(one.org_id)
                count += 1
            except Exception as error:
                if org_id is not None:
                    raise
                # Whatever is wrong with one limit, the others are looked at.
                _log.exception("limit_not_looked_at", org_id=str(one.org_id), error=repr(error))
        return count

    async def _look_again(self, org_id: UUID) -> None:
        async def work(conn: AsyncConnection) -> None:
            standing = await store.standing(conn, org_id)
            wallet = None if standing is None else standing.wallet
            await store.forget_marks(conn, org_id, but=None if wallet is None else wallet.wallet_id)
            limit = None if wallet is None else await store.lock_limit(conn, wallet)
            if wallet is None or limit is None:
                return
            now = self._clock.now()
            await append(conn, org_id, await mark(conn, wallet, limit, [now]), now=now)

        await self._db.transact(work)


async def mark(
    conn: AsyncConnection, wallet: Wallet, limit: SpendingLimit, moments: Iterable[datetime]
) -> list[NewEvent]:
    """A step: what the limit, whose row is locked, has become at each of the moments, oldest first; its events."""
    now, events = limit, list[NewEvent]()
    for at in moments:
        now, event = await (_fixed(conn, wallet, now, at) if _is_fixed(now) else _sliding(conn, wallet, now, at))
        events += event
    if now != limit:
        await store.update_marks(conn, wallet, now)
    return events


def limit_event(
    kind: EventType,
    wallet: Wallet,
    limit: SpendingLimit,
    *,
    window: Window | None = None,
    spent_minor: int | None = None,
) -> NewEvent:
    """An event about the wallet's limit."""
    data: dict[str, str | int | bool | None] = {
        "amount_minor": limit.amount_minor,
        "currency": wallet.currency,
        "duration": limit.duration.value,
        "strategy": limit.strategy.value,
    }
    if window is not None:
        data |= {"window_start": window.start.isoformat(), "window_end": window.end.isoformat()}
    if spent_minor is not None:
        data["spent_minor"] = spent_minor
    return NewEvent(kind, names.wallet(wallet.org_slug), data)


async def _fixed(
    conn: AsyncConnection, wallet: Wallet, limit: SpendingLimit, at: datetime
) -> tuple[SpendingLimit, list[NewEvent]]:
    window, events = window_at(limit, at), list[NewEvent]()
    if limit.reached_until is not None:
        if at < limit.reached_until:
            return limit, []
        limit = replace(limit, reached_until=None)
        events.append(limit_event(EventType.SPENDING_LIMIT_RESET, wallet, limit, window=window))
    spent = await queries.spend(conn, wallet.org_id, wallet.account_id, since=window.start, until=window.end)
    if spent >= limit.amount_minor:
        limit = replace(limit, reached_at=at, reached_until=window.end)
        events.append(_reached(wallet, limit, window, spent))
    return limit, events


async def _sliding(
    conn: AsyncConnection, wallet: Wallet, limit: SpendingLimit, at: datetime
) -> tuple[SpendingLimit, list[NewEvent]]:
    window = window_at(limit, at)
    spent = await queries.spend(conn, wallet.org_id, wallet.account_id, since=window.start)
    if spent < limit.amount_minor:
        if limit.reached_until is None:
            return limit, []
        limit = replace(limit, reached_until=None)
        return limit, [limit_event(EventType.SPENDING_LIMIT_RESET, wallet, limit, window=window, spent_minor=spent)]
    if limit.reached_until is not None and at < limit.reached_until:
        return limit, []
    until = await steps.ages_below(conn, wallet, limit, room_minor=limit.amount_minor - 1, now=at)
    if limit.reached_until is not None:
        return replace(limit, reached_until=until), []
    limit = replace(limit, reached_at=at, reached_until=until)
    return limit, [_reached(wallet, limit, window, spent)]


def _reached(wallet: Wallet, limit: SpendingLimit, window: Window, spent_minor: int) -> NewEvent:
    return limit_event(EventType.SPENDING_LIMIT_REACHED, wallet, limit, window=window, spent_minor=spent_minor)


def _last_moves(limit: SpendingLimit, moves: Sequence[Move]) -> list[datetime]:
    """When each window of a fixed limit that is over moved last, since the limit is what it is."""
    if not _is_fixed(limit):
        return []
    last = {window_at(limit, move.recorded_at): move.recorded_at for move in moves}
    return [at for at in last.values() if at >= limit.updated_at]


def _is_fixed(limit: SpendingLimit) -> bool:
    return limit.strategy is Strategy.FIXED
