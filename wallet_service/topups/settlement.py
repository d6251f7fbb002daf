"""The one credit path: ask the provider, lock the top-up, decide, post."""

from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.batcher import Ledger
from ledger.chart import ensure_chart
from ledger.ids import new_id
from ledger.model import ExceedsRemaining, Request, Transfer
from ledger.money import Money
from providers.protocol import PaymentSnapshot
from wallet_service.clock import Clock
from wallet_service.topups import postings, rules, store
from wallet_service.topups.model import TakenBack, TopUp, TopUpFailure, TopUpState
from wallet_service.topups.rules import Claim

_log: Final = structlog.get_logger("wallet.topups")


class Settlement:
    """Steps that store what a provider said. They join the caller's transaction and call no provider."""

    def __init__(self, ledger: Ledger, clock: Clock, *, reconcile_after: timedelta) -> None:
        self._ledger = ledger
        self._clock = clock
        self._reconcile_after = reconcile_after

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
        can only move a top-up forward, so it may be as old as it likes.
        """
        current = await store.read_topup(conn, topup.org_id, topup.topup_id, lock=True)
        assert current is not None, "top-ups are never deleted"
        if is_complete and current.revision != topup.revision:
            return None
        verdict = rules.judge(current, snapshot)
        if verdict.alarm is rules.Alarm.OTHER_PAYMENT:
            self._raise_alarm(verdict.alarm, current, snapshot)
            return current
        revision = current.revision + 1 if is_complete else current.revision
        changed = replace(current, external_id=snapshot.external_id, revision=revision)
        if changed.state is TopUpState.PENDING:
            if verdict.state is TopUpState.SUCCEEDED:
                outcome = (await self._ledger.post_in(conn, [postings.credit(changed)]))[0]
                changed = replace(changed, entry_id=postings.entry_of(outcome))
                if changed.entry_id is None:
                    verdict = rules.wallet_closed()
            changed = self._advanced(changed, verdict.state, verdict.failure)
        if changed.state is TopUpState.SUCCEEDED:
            changed = await self._book_fee(conn, changed, snapshot.fee)
            await self._follow_claims(conn, changed, snapshot)
        if verdict.alarm is not None:
            self._raise_alarm(verdict.alarm, current, snapshot)
        return await self._store(conn, changed)

    async def fail(
        self,
        conn: AsyncConnection,
        topup: TopUp,
        failure: TopUpFailure,
        *,
        external_id: str | None,
    ) -> TopUp:
        """Record why a PENDING top-up fails. With a payment at the provider it stays PENDING until that is canceled."""
        current = await store.read_topup(conn, topup.org_id, topup.topup_id, lock=True)
        assert current is not None, "top-ups are never deleted"
        if current.state is not TopUpState.PENDING:
            return current
        external_id = current.external_id or external_id
        changed = replace(current, external_id=external_id)
        ended = TopUpState.PENDING if external_id else TopUpState.FAILED
        return await self._store(conn, self._advanced(changed, ended, failure))

    async def postpone(self, conn: AsyncConnection, topup: TopUp) -> TopUp:
        """Nothing was learnt; ask again later."""
        current = await store.read_topup(conn, topup.org_id, topup.topup_id, lock=True)
        assert current is not None, "top-ups are never deleted"
        return await self._store(conn, current)

    def _advanced(self, topup: TopUp, state: TopUpState, failure: TopUpFailure | None) -> TopUp:
        now = self._clock.now()
        settled_at = None if state is TopUpState.PENDING else now
        return replace(topup, state=state, failure=failure, settled_at=settled_at, updated_at=now)

    async def _store(self, conn: AsyncConnection, topup: TopUp) -> TopUp:
        next_check_at = rules.next_check(topup, self._clock.now(), self._reconcile_after)
        changed = replace(topup, next_check_at=next_check_at)
        await store.update_topup(conn, changed)
        return changed

    async def _book_fee(self, conn: AsyncConnection, topup: TopUp, fee: Money | None) -> TopUp:
        if fee is None or topup.fee is not None:
            return topup
        if fee.amount_minor:
            await self._post_fee(conn, topup, fee, postings.payment_fee(topup, fee))
        return replace(topup, fee=fee)

    async def _follow_claims(self, conn: AsyncConnection, topup: TopUp, snapshot: PaymentSnapshot) -> None:
        claims = rules.claims_of(snapshot)
        if not claims:
            return
        known = await store.read_taken_back(conn, topup.org_id, topup.topup_id)
        for claim in claims:
            if claim.amount.currency != topup.currency:
                self._raise_alarm(rules.Alarm.FOREIGN_CURRENCY, topup, snapshot)
                continue
            taken = known.get(claim.reference)
            if taken is not None:
                followed = await self._follow(conn, topup, claim, taken)
                await store.update_taken_back(conn, followed, self._clock.now())
            elif claim.is_away or claim.fee:
                fresh = self._untouched(topup, claim)
                followed = await self._follow(conn, topup, claim, fresh)
                await store.insert_taken_back(conn, followed)

    def _untouched(self, topup: TopUp, claim: Claim) -> TakenBack:
        now = self._clock.now()
        return TakenBack(
            org_id=topup.org_id,
            reversal_id=new_id(now),
            topup_id=topup.topup_id,
            provider=topup.provider,
            kind=claim.kind,
            provider_reference=claim.reference,
            amount_minor=claim.amount.amount_minor,
            is_away=False,
            turn_count=0,
            entry_id=None,
            fee=Money(0, claim.fee.currency if claim.fee else topup.currency),
            created_at=now,
        )

    async def _follow(self, conn: AsyncConnection, topup: TopUp, claim: Claim, taken: TakenBack) -> TakenBack:
        """Bring the ledger to where the claim stands; one that stands where it stood posts nothing."""
        if claim.is_away != taken.is_away:
            turn = taken.turn_count + 1
            requests = (
                postings.take(topup, claim, turn=turn) if claim.is_away else postings.give_back(topup, taken, turn=turn)
            )
            entry_id = await self._post_either(conn, requests)
            taken = replace(taken, is_away=claim.is_away, turn_count=turn, entry_id=entry_id)
        if claim.fee is None or claim.fee == taken.fee:
            return taken
        booked_minor = taken.fee.amount_minor if taken.fee.currency == claim.fee.currency else 0
        change = Money(claim.fee.amount_minor - booked_minor, claim.fee.currency)
        # Nothing in one currency and nothing in another differ, and the ledger has no entry for either.
        if change.amount_minor:
            await self._post_fee(conn, topup, change, postings.claim_fee(topup, claim, change))
        return replace(taken, fee=claim.fee)

    async def _post_either(self, conn: AsyncConnection, requests: tuple[Request, Request]) -> UUID | None:
        """Post the first; the second instead when the wallet of the first is closed. None: reversed by hand before."""
        for request in requests:
            outcome = (await self._ledger.post_in(conn, [request]))[0]
            if isinstance(outcome, ExceedsRemaining):
                _log.error("topup_given_back_before", key=request.key)
                return None
            if (entry_id := postings.entry_of(outcome)) is not None:
                return entry_id
        raise postings.PostingRefused(f"{requests[-1].key} needs no wallet")

    async def _post_fee(self, conn: AsyncConnection, topup: TopUp, fee: Money, request: Transfer) -> None:
        if fee.currency != topup.currency:
            await ensure_chart(conn, topup.org_id, fee.currency, now=self._clock.now())
        outcome = (await self._ledger.post_in(conn, [request]))[0]
        if postings.entry_of(outcome) is None:
            raise postings.PostingRefused(repr(outcome))

    def _raise_alarm(self, alarm: rules.Alarm, topup: TopUp, snapshot: PaymentSnapshot) -> None:
        _log.error(
            alarm.value,
            org_id=str(topup.org_id),
            top_up_id=str(topup.topup_id),
            external_id=snapshot.external_id,
            expected=str(topup.amount),
            received=str(snapshot.amount_received),
        )
