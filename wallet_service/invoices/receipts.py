"""Receipts: one for each settled top-up, in the transaction that settles it."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from wallet_service import names
from wallet_service.accounts import steps as accounts
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.events.model import EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.invoices import store
from wallet_service.invoices.model import Invoice, InvoiceKind, InvoiceStatus, ReceiptContent
from wallet_service.invoices.rules import number_text
from wallet_service.tenancy import within
from wallet_service.topups.model import TakenBack, TopUp, TopUpState
from wallet_service.topups.operations import TopUps

_MISSING_MAX: Final = 200


class Receipts:
    """Follows top-ups (`topups.model.TopUpFollower`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def topup_changed(self, conn: AsyncConnection, before: TopUp | None, after: TopUp) -> Sequence[NewEvent]:
        """Issue the receipt of a top-up that has been credited. The top-up is locked."""
        was_settled = before is not None and before.state is TopUpState.SUCCEEDED
        if was_settled or after.state is not TopUpState.SUCCEEDED:
            return ()
        return await self.issue(conn, after)

    async def claim_changed(
        self, conn: AsyncConnection, topup: TopUp, before: TakenBack | None, after: TakenBack
    ) -> Sequence[NewEvent]:
        """A refund or dispute stands on the month's statement; the receipt of the payment stays true."""
        return ()

    async def issue(self, conn: AsyncConnection, topup: TopUp) -> Sequence[NewEvent]:
        """A step: write the receipt of a credited top-up, if it has none; its event."""
        last = await store.last_number(conn, topup.org_id, InvoiceKind.RECEIPT)
        # Asked under the lock of the numbers, so that two of these give one receipt and leave no gap.
        if await store.find_receipt(conn, topup.org_id, topup.topup_id) is not None:
            return ()
        owner = await accounts.organization(conn, topup.org_id)
        now = self._clock.now()
        credited_at = topup.settled_at or now
        receipt = Invoice(
            org_id=topup.org_id,
            org_slug=owner.slug,
            invoice_id=new_id(now),
            kind=InvoiceKind.RECEIPT,
            number=number_text(InvoiceKind.RECEIPT, last + 1),
            status=InvoiceStatus.PAID,
            wallet_id=topup.wallet_id,
            currency=topup.currency,
            display_name=owner.display_name or owner.slug,
            period_start=credited_at,
            period_end=credited_at,
            content=ReceiptContent(
                topup_id=topup.topup_id,
                origin=topup.origin.value,
                method=topup.method.value,
                amount_minor=topup.amount_minor,
                external_id=topup.external_id or "",
            ),
            created_at=now,
            finalized_at=now,
            paid_at=now,
        )
        await store.insert_invoice(conn, receipt, number=last + 1)
        await store.set_last_number(conn, topup.org_id, InvoiceKind.RECEIPT, last + 1)
        return [_issued(receipt, topup)]


class MissingReceipts:
    """Issues the receipts of top-ups that were credited before there were any."""

    def __init__(self, db: Database, clock: Clock, receipts: Receipts, topups: TopUps) -> None:
        self._db = db
        self._clock = clock
        self._receipts = receipts
        self._topups = topups

    async def issue_missing(self) -> int:
        """At most 200 receipts; how many were looked at."""
        missing = await self._db.read(lambda conn: store.topups_without_receipt(conn, limit=_MISSING_MAX))
        for org_id, topup_id in missing:
            with within(org_id):
                await self._issue(org_id, topup_id)
        return len(missing)

    async def _issue(self, org_id: UUID, topup_id: UUID) -> None:
        topup = await self._topups.get(org_id, topup_id)

        async def work(conn: AsyncConnection) -> None:
            await append(conn, org_id, await self._receipts.issue(conn, topup), now=self._clock.now())

        await self._db.transact(work)


def _issued(receipt: Invoice, topup: TopUp) -> NewEvent:
    return NewEvent(
        EventType.RECEIPT_ISSUED,
        names.child("invoices", receipt.org_slug, str(receipt.invoice_id)),
        {
            "number": receipt.number,
            "top_up": names.child("topUps", receipt.org_slug, str(topup.topup_id)),
            "origin": topup.origin.value,
            "amount_minor": topup.amount_minor,
            "currency": topup.currency,
        },
    )
