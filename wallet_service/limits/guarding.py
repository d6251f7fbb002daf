"""Posting for a wallet with a limit, or of an account that is not active: checked and posted under the book's lock."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import queries
from ledger.accounts import AccountKind, chart_account_id
from ledger.batcher import Ledger
from ledger.chart import lock_book
from ledger.journal import is_key_used, reversed_minor
from ledger.model import CaptureHold, Entry, HoldState, Leg, OpenHold, Outcome, Reversal
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.limits import steps
from wallet_service.limits.model import LimitStatus, SpendingLimit, Standing, Strategy
from wallet_service.limits.rules import account_refusal, account_refused, allows, limit_exceeded

Guarded = OpenHold | CaptureHold | Entry | Reversal
"""Requests that set money aside or take it."""

_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Demand:
    """What a request wants of the limit. What is held counts only against more of it: a hold was granted its part."""

    amount_minor: int
    is_capture: bool


class _LimitReached(Exception):
    """The limit refuses; raised out of the transaction, so that the hint for the caller is worked out without the lock."""

    def __init__(self, status: LimitStatus, demand: _Demand) -> None:
        super().__init__("spending limit")
        self.status = status
        self.demand = demand


class SpendGuard:
    """Sends requests to the ledger, each in the way that its wallet needs."""

    def __init__(self, db: Database, ledger: Ledger, clock: Clock) -> None:
        self._db = db
        self._ledger = ledger
        self._clock = clock

    async def post(self, standing: Standing, request: Guarded) -> Outcome:
        """Post `request`, a batch's part where nothing but the balance has a say, else alone under the book's lock.

        Raises SPENDING_LIMIT_EXCEEDED, BILLING_ACCOUNT_SUSPENDED, BILLING_ACCOUNT_CLOSED, never for a request that was done
        before, and what the ledger raises.
        """
        if standing.is_free:
            return await self._ledger.post(request)
        try:
            return await self._db.transact(lambda conn: self._post_checked(conn, request))
        except _LimitReached as reached:
            retry_after = await self._retry_after(reached)
            raise limit_exceeded(
                reached.status, amount_minor=reached.demand.amount_minor, retry_after=retry_after
            ) from None

    async def _post_checked(self, conn: AsyncConnection, request: Guarded) -> Outcome:
        org_id = request.org_id
        await lock_book(conn, org_id)
        if not await is_key_used(conn, org_id, request.key):
            await self._check(conn, await steps.standing(conn, org_id), request)
        (outcome,) = await self._ledger.post_in(conn, [request])
        return outcome

    async def _check(self, conn: AsyncConnection, standing: Standing, request: Guarded) -> None:
        demand = await _demand(conn, standing, request)
        if demand.amount_minor <= 0:
            return
        refusal = account_refusal(standing.state)
        if refusal is not None and not demand.is_capture:
            raise account_refused(standing, refusal)
        if standing.limit is None:
            return
        status = await steps.status(conn, standing.wallet, standing.limit, now=self._clock.now())
        if not _fits(status, demand):
            raise _LimitReached(status, demand)

    async def _retry_after(self, reached: _LimitReached) -> timedelta | None:
        """When the same request may fit if nothing else is spent; None when time alone does not help."""
        status, demand = reached.status, reached.demand
        limit, now = status.limit, self._clock.now()
        room = limit.amount_minor - demand.amount_minor - (0 if demand.is_capture else status.held_minor)
        if room < 0:
            return None
        if limit.strategy is Strategy.FIXED:
            return max(_SECOND, status.window.end - now)
        until = await self._db.read(lambda conn: steps.ages_below(conn, status.wallet, limit, room_minor=room, now=now))
        return max(_SECOND, until - now)


def spent_by(legs: Iterable[Leg], revenue_account: UUID) -> int:
    """What legs take to revenue, in minor units; below 0 for what they give back."""
    return -sum(leg.amount_minor for leg in legs if leg.account_id == revenue_account)


def _fits(status: LimitStatus, demand: _Demand) -> bool:
    limit: SpendingLimit = status.limit
    held = 0 if demand.is_capture else status.held_minor
    return allows(limit, spent_minor=status.spent_minor, held_minor=held, amount_minor=demand.amount_minor)


async def _demand(conn: AsyncConnection, standing: Standing, request: Guarded) -> _Demand:
    """0 for what takes nothing, and for what the ledger refuses anyway."""
    match request:
        case OpenHold():
            return _Demand(request.amount_minor, is_capture=False)
        case Entry():
            wallet = standing.wallet
            if all(leg.account_id != wallet.account_id for leg in request.legs):
                return _Demand(0, is_capture=False)
            revenue = chart_account_id(wallet.org_id, wallet.currency, AccountKind.REVENUE)
            return _Demand(spent_by(request.legs, revenue), is_capture=False)
        case Reversal():
            return _Demand(await _spent_again(conn, standing, request), is_capture=False)
        case CaptureHold():
            hold = await queries.get_hold(conn, request.org_id, request.hold_id)
            if hold is None or hold.state is not HoldState.OPEN:
                return _Demand(0, is_capture=True)
            amount = hold.remaining_minor if request.amount_minor is None else request.amount_minor
            return _Demand(amount if amount <= hold.remaining_minor else 0, is_capture=True)


async def _spent_again(conn: AsyncConnection, standing: Standing, request: Reversal) -> int:
    """What taking back takes to revenue: something only where it takes back what had given back."""
    original = await queries.get_entry(conn, request.org_id, request.original_entry_id)
    if original is None:
        return 0
    revenue = chart_account_id(request.org_id, standing.wallet.currency, AccountKind.REVENUE)
    wanted = request.amount_minor
    if wanted is None:
        moved = sum(leg.amount_minor for leg in original.legs if leg.amount_minor > 0)
        wanted = moved - await reversed_minor(conn, request.org_id, request.original_entry_id)
    return min(-spent_by(original.legs, revenue), wanted)
