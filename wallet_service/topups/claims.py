"""Steps that follow what a provider says about a payment after it: refunds, disputes, fraud warnings."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from ledger.model import ExceedsRemaining, Request
from ledger.money import Money
from providers.protocol import PaymentSnapshot
from wallet_service.accounts import steps as accounts
from wallet_service.clock import Clock
from wallet_service.events.model import NewEvent
from wallet_service.topups import notices, postings, rules, store
from wallet_service.topups.booking import Booking
from wallet_service.topups.model import ClaimKind, TakenBack, TopUp, TopUpFollower
from wallet_service.topups.rules import Claim

_log: Final = structlog.get_logger("wallet.topups")


class Claims:
    """Claims on the payments of a locked top-up."""

    def __init__(self, booking: Booking, clock: Clock, followers: Sequence[TopUpFollower]) -> None:
        self._booking = booking
        self._clock = clock
        self._followers = tuple(followers)

    async def follow(self, conn: AsyncConnection, topup: TopUp, snapshot: PaymentSnapshot) -> list[NewEvent]:
        """Bring the ledger to where the claims of a complete snapshot stand; the events of what changed."""
        claims = rules.claims_of(snapshot)
        if not claims:
            return []
        news: list[NewEvent] = []
        known = await store.read_taken_back(conn, topup)
        for claim in claims:
            before = known.get(claim.reference)
            if before is not None or rules.is_worth_keeping(claim):
                taken = before or self._untouched(topup, claim, external_id=snapshot.external_id)
                after = await self._follow(conn, topup, claim, taken)
                await self._store(conn, before, after)
                news += await self._news(conn, topup, before, after)
        return news

    async def warn(self, conn: AsyncConnection, topup: TopUp, *, reference: str) -> list[NewEvent]:
        """Keep a fraud warning; no event when it is known."""
        if reference in await store.read_taken_back(conn, topup):
            return []
        claim = Claim(ClaimKind.FRAUD_WARNING, reference, topup.amount, "", is_away=False)
        warning = self._untouched(topup, claim, external_id=topup.external_id)
        await store.insert_taken_back(conn, warning)
        return await self._news(conn, topup, None, warning)

    def _untouched(self, topup: TopUp, claim: Claim, *, external_id: str | None) -> TakenBack:
        now = self._clock.now()
        return TakenBack(
            org_id=topup.org_id,
            reversal_id=new_id(now),
            topup_id=topup.topup_id,
            provider=topup.provider,
            kind=claim.kind,
            provider_reference=claim.reference,
            external_id=external_id,
            amount_minor=claim.amount.amount_minor,
            currency=claim.amount.currency,
            status=claim.status,
            is_away=False,
            turn_count=0,
            entry_id=None,
            fee=Money(0, claim.fee.currency if claim.fee else topup.currency),
            created_at=now,
        )

    async def _follow(self, conn: AsyncConnection, topup: TopUp, claim: Claim, taken: TakenBack) -> TakenBack:
        """Bring the ledger to where the claim stands; one that stands where it stood posts nothing."""
        taken = replace(taken, status=claim.status)
        if claim.is_away != taken.is_away:
            if claim.is_away:
                # An inquiry that becomes a dispute may be about another amount.
                taken = replace(taken, amount_minor=claim.amount.amount_minor, currency=claim.amount.currency)
            turn = taken.turn_count + 1
            move = postings.take if claim.is_away else postings.give_back
            requests = move(topup, taken, turn=turn)
            await self._booking.ensure_accounts(conn, topup, taken.currency)
            entry_id = await self._post_either(conn, requests)
            taken = replace(taken, is_away=claim.is_away, turn_count=turn, entry_id=entry_id)
        if claim.fee is None or claim.fee == taken.fee:
            return taken
        booked_minor = taken.fee.amount_minor if taken.fee.currency == claim.fee.currency else 0
        change = Money(claim.fee.amount_minor - booked_minor, claim.fee.currency)
        # Nothing in one currency and nothing in another differ, and the ledger has no entry for either.
        await self._booking.post_fee(conn, topup, change, postings.claim_fee(topup, claim, change))
        return replace(taken, fee=claim.fee)

    async def _post_either(self, conn: AsyncConnection, requests: Sequence[Request]) -> UUID | None:
        """Post the first; the second instead when the wallet of the first is closed. None: reversed by hand before."""
        for request in requests:
            outcome = await self._booking.post(conn, request)
            if isinstance(outcome, ExceedsRemaining):
                _log.error("topup_given_back_before", key=request.key)
                return None
            if (entry_id := postings.entry_of(outcome)) is not None:
                return entry_id
        raise postings.PostingRefused(f"{requests[-1].key} needs no wallet")

    async def _store(self, conn: AsyncConnection, before: TakenBack | None, after: TakenBack) -> None:
        if before is None:
            await store.insert_taken_back(conn, after)
        elif before != after:
            await store.update_taken_back(conn, after, self._clock.now())

    async def _news(
        self, conn: AsyncConnection, topup: TopUp, before: TakenBack | None, after: TakenBack
    ) -> list[NewEvent]:
        if before is not None and not rules.is_claim_news(before, after):
            return []
        owner = await accounts.organization(conn, topup.org_id)
        news = notices.of_claim(owner.slug, topup, before, after)
        for follower in self._followers:
            news += await follower.claim_changed(conn, topup, before, after)
        return news
