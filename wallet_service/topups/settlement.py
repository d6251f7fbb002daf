"""The one credit path: ask the provider, lock the top-up, decide, post, tell."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.batcher import Ledger
from providers.protocol import PaymentSnapshot, PaymentState
from wallet_service.accounts import steps as accounts
from wallet_service.clock import Clock, moment
from wallet_service.events.model import NewEvent
from wallet_service.events.steps import append
from wallet_service.topups import notices, rules, store, unmatched_store
from wallet_service.topups.booking import Booking
from wallet_service.topups.claims import Claims
from wallet_service.topups.model import TopUp, TopUpFailure, TopUpFollower, TopUpState, UnmatchedReason

_log: Final = structlog.get_logger("wallet.topups")


class Settlement:
    """Steps that store what a provider said. They join the caller's transaction and call no provider.

    Each is the last thing of its transaction that writes: it ends with the events of what it has changed.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        *,
        reconcile_after: timedelta,
        followers: Sequence[TopUpFollower] = (),
    ) -> None:
        self._clock = clock
        self._reconcile_after = reconcile_after
        self._followers = tuple(followers)
        self._booking = Booking(ledger, clock)
        self._claims = Claims(self._booking, clock, self._followers)

    async def open(self, conn: AsyncConnection, made: TopUp) -> TopUp:
        """Store a new top-up, with its event."""
        await store.insert_topup(conn, made)
        await self._tell(conn, made, await self._news(conn, None, made))
        return made

    async def settle(
        self,
        conn: AsyncConnection,
        topup: TopUp,
        snapshot: PaymentSnapshot,
        *,
        is_complete: bool,
    ) -> TopUp | None:
        """Credit, book fees, follow refunds and disputes; safe to run any number of times, concurrently.

        `topup` is the row as it was before the provider was asked. A complete snapshot (one of `sync`, with refunds and
        disputes) that was overtaken by another one changes nothing and returns None: ask again. One that is not complete
        can only move a top-up forward, so it may be as old as it likes. Money that is not the credit of this top-up is
        booked for the customer all the same.
        """
        current = await self._locked(conn, topup)
        if is_complete and current.revision != topup.revision:
            return None
        verdict = rules.judge(current, snapshot)
        unmatched, is_own = verdict.unmatched, rules.is_own(current, snapshot)
        if unmatched is not None and await self._is_of_another(conn, current, snapshot):
            unmatched = None
        changed = replace(current, revision=current.revision + 1) if is_complete else current
        if is_own:
            hosted_url = snapshot.hosted_url or current.hosted_url
            changed = replace(changed, external_id=snapshot.external_id, hosted_url=hosted_url)
            if changed.state is TopUpState.PENDING:
                changed, unmatched = await self._decided(conn, changed, verdict, snapshot)
        if changed.state is TopUpState.SUCCEEDED and unmatched is None and is_own:
            changed = await self._booking.fee(conn, changed, snapshot.fee)
        if is_own:
            # A payment that is booked by itself is asked for by itself.
            changed = self._planned(changed) if unmatched is None else replace(changed, next_check_at=None)
        await store.update_topup(conn, changed)
        news = await self._news(conn, current, changed)
        if unmatched is not None:
            news += await self._unmatched(conn, changed, snapshot, unmatched)
        if unmatched is not None or (changed.state is TopUpState.SUCCEEDED and is_own):
            news += await self._claims.follow(conn, changed, snapshot)
        await self._tell(conn, changed, news)
        return changed

    async def fail(
        self,
        conn: AsyncConnection,
        topup: TopUp,
        failure: TopUpFailure,
        *,
        external_id: str | None,
    ) -> TopUp:
        """Record why a PENDING top-up fails. With a payment at the provider it stays PENDING until that is canceled."""
        current = await self._locked(conn, topup)
        if current.state is not TopUpState.PENDING:
            return current
        external_id = current.external_id or external_id
        ended = TopUpState.PENDING if external_id else TopUpState.FAILED
        changed = self._advanced(replace(current, external_id=external_id), ended, failure)
        changed = await self._store(conn, changed)
        await self._tell(conn, changed, await self._news(conn, current, changed))
        return changed

    async def postpone(self, conn: AsyncConnection, topup: TopUp) -> TopUp:
        """Nothing was learnt; ask again later."""
        return await self._store(conn, await self._locked(conn, topup))

    async def warn(self, conn: AsyncConnection, topup: TopUp, *, reference: str) -> None:
        """The provider has been told that the payment is probably fraudulent; once for each reference."""
        current = await self._locked(conn, topup)
        await self._tell(conn, current, await self._claims.warn(conn, current, reference=reference))

    async def _decided(
        self, conn: AsyncConnection, topup: TopUp, verdict: rules.Verdict, snapshot: PaymentSnapshot
    ) -> tuple[TopUp, UnmatchedReason | None]:
        """A PENDING top-up as it is after the verdict, credited where that says so."""
        if verdict.state is TopUpState.SUCCEEDED:
            entry_id = await self._booking.credit(conn, topup)
            topup = replace(topup, entry_id=entry_id)
            if entry_id is None:
                verdict = rules.wallet_closed()
        advanced = self._advanced(topup, verdict.state, verdict.failure)
        return replace(advanced, action_required=rules.waits_for_bank(advanced, snapshot)), verdict.unmatched

    async def _unmatched(
        self, conn: AsyncConnection, topup: TopUp, snapshot: PaymentSnapshot, reason: UnmatchedReason
    ) -> list[NewEvent]:
        """Book money that is not the credit of this top-up and plan the next look at it; call a person, once."""
        assert snapshot.state is PaymentState.SUCCEEDED, "only money that arrived is unmatched"
        payment, is_new = await self._booking.unmatched(conn, topup, snapshot, reason)
        next_check_at = rules.next_look(
            payment, self._clock.now(), self._reconcile_after, is_hurried=moment() is not None
        )
        await unmatched_store.update_payment(conn, replace(payment, next_check_at=next_check_at))
        if not is_new:
            return []
        _alarm(rules.Alarm.UNMATCHED_PAYMENT, topup, snapshot, why=reason.value, is_in_wallet=payment.is_in_wallet)
        organization = await accounts.organization(conn, topup.org_id)
        return [notices.of_unmatched(organization.slug, topup, payment)]

    async def _is_of_another(self, conn: AsyncConnection, topup: TopUp, snapshot: PaymentSnapshot) -> bool:
        """Whether the payment belongs to another top-up, which is told of it by itself."""
        owner = await store.find_by_payment(conn, provider=topup.provider, external_id=snapshot.external_id)
        return owner not in (None, (topup.org_id, topup.topup_id))

    def _advanced(self, topup: TopUp, state: TopUpState, failure: TopUpFailure | None) -> TopUp:
        now = self._clock.now()
        settled_at = None if state is TopUpState.PENDING else now
        waits = topup.action_required and state is TopUpState.PENDING and failure is None
        return replace(
            topup, state=state, failure=failure, action_required=waits, settled_at=settled_at, updated_at=now
        )

    async def _locked(self, conn: AsyncConnection, topup: TopUp) -> TopUp:
        current = await store.read_topup(conn, topup.org_id, topup.topup_id, lock=True)
        assert current is not None, "top-ups are never deleted"
        return current

    def _planned(self, topup: TopUp) -> TopUp:
        """With the time of its next check."""
        next_check_at = rules.next_check(
            topup, self._clock.now(), self._reconcile_after, is_hurried=moment() is not None
        )
        return replace(topup, next_check_at=next_check_at)

    async def _store(self, conn: AsyncConnection, topup: TopUp) -> TopUp:
        changed = self._planned(topup)
        await store.update_topup(conn, changed)
        return changed

    async def _news(self, conn: AsyncConnection, before: TopUp | None, after: TopUp) -> list[NewEvent]:
        """The events of a change, with those of the followers."""
        if before is not None and not rules.is_news(before, after):
            return []
        owner = await accounts.organization(conn, after.org_id)
        news = notices.of_topup(owner.slug, before, after)
        for follower in self._followers:
            news += await follower.topup_changed(conn, before, after)
        return news

    async def _tell(self, conn: AsyncConnection, topup: TopUp, news: Sequence[NewEvent]) -> None:
        await append(conn, topup.org_id, news, now=self._clock.now())


def _alarm(alarm: rules.Alarm, topup: TopUp, snapshot: PaymentSnapshot, **more: object) -> None:
    _log.error(
        alarm.value,
        org_id=str(topup.org_id),
        top_up_id=str(topup.topup_id),
        external_id=snapshot.external_id,
        expected=str(topup.amount),
        received=str(snapshot.amount_received),
        **more,
    )
