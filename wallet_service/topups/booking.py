"""Steps that post what arrived for a top-up and what it cost. Each may run any number of times."""

from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.batcher import Ledger
from ledger.chart import ensure_chart
from ledger.model import Outcome, Request
from ledger.money import Money
from providers.protocol import PaymentSnapshot
from wallet_service.clock import Clock
from wallet_service.topups import postings, unmatched_store
from wallet_service.topups.model import TopUp, UnmatchedPayment, UnmatchedReason


class Booking:
    """The ledger as top-ups use it. The top-up is locked by the caller."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def post(self, conn: AsyncConnection, request: Request) -> Outcome:
        return (await self._ledger.post_in(conn, [request]))[0]

    async def credit(self, conn: AsyncConnection, topup: TopUp) -> UUID | None:
        """The entry that credits the wallet; None when it is closed."""
        return postings.entry_of(await self.post(conn, postings.credit(topup)))

    async def fee(self, conn: AsyncConnection, topup: TopUp, fee: Money | None) -> TopUp:
        """Book what the provider kept, once it is known."""
        if fee is None or topup.fee is not None:
            return topup
        await self.post_fee(conn, topup, fee, postings.payment_fee(topup, fee))
        return replace(topup, fee=fee)

    async def unmatched(
        self, conn: AsyncConnection, topup: TopUp, snapshot: PaymentSnapshot, reason: UnmatchedReason
    ) -> tuple[UnmatchedPayment, bool]:
        """Money that is not the credit of its top-up, with its fee, and whether it is new. The caller stores a fee."""
        payment = await unmatched_store.read_payment(
            conn, topup.org_id, provider=topup.provider, external_id=snapshot.external_id
        )
        is_new = payment is None
        if payment is None:
            payment = await self._book_unmatched(conn, topup, snapshot, reason)
            await unmatched_store.insert_payment(conn, payment)
        if payment.fee is None and snapshot.fee is not None:
            request = postings.unmatched_fee(topup, snapshot.fee, external_id=snapshot.external_id)
            await self.post_fee(conn, topup, snapshot.fee, request)
            payment = replace(payment, fee=snapshot.fee)
        return payment, is_new

    async def post_fee(self, conn: AsyncConnection, topup: TopUp, fee: Money, request: Request) -> None:
        """A fee, or a change of one; the ledger has no entry for nothing."""
        if not fee.amount_minor:
            return
        await self.ensure_accounts(conn, topup, fee.currency)
        outcome = await self.post(conn, request)
        if postings.entry_of(outcome) is None:
            raise postings.PostingRefused(repr(outcome))

    async def ensure_accounts(self, conn: AsyncConnection, topup: TopUp, currency: str) -> None:
        """The organization's accounts in a currency; those in the top-up's are there."""
        if currency != topup.currency:
            await ensure_chart(conn, topup.org_id, currency, now=self._clock.now())

    async def _book_unmatched(
        self, conn: AsyncConnection, topup: TopUp, snapshot: PaymentSnapshot, reason: UnmatchedReason
    ) -> UnmatchedPayment:
        received = snapshot.amount_received
        await self.ensure_accounts(conn, topup, received.currency)
        for request, is_in_wallet in postings.unmatched(
            topup, received, external_id=snapshot.external_id, reason=reason
        ):
            entry_id = postings.entry_of(await self.post(conn, request))
            if entry_id is not None:
                return UnmatchedPayment(
                    org_id=topup.org_id,
                    provider=topup.provider,
                    external_id=snapshot.external_id,
                    topup_id=topup.topup_id,
                    reason=reason,
                    amount=received,
                    entry_id=entry_id,
                    is_in_wallet=is_in_wallet,
                    fee=None,
                    created_at=self._clock.now(),
                )
        raise postings.PostingRefused(f"{snapshot.external_id} needs no wallet")
