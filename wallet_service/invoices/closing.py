"""The monthly close: each wallet's statement, once, in order, soon after the month has ended."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from wallet_service import names
from wallet_service.accounts.model import Wallet
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.events.model import EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.invoices import period_store, store
from wallet_service.invoices.drafting import Drafted, draft, first_cursor, first_due
from wallet_service.invoices.model import Invoice, InvoiceKind, InvoiceStatus, StatementContent, StatementCursor
from wallet_service.invoices.rules import DoesNotAddUp, number_text
from wallet_service.tenancy import within

_BEGUN_MAX: Final = 1_000
_DUE_MAX: Final = 500
"""Of one run; the rest waits for the next one."""

_log: Final = structlog.get_logger("wallet.invoices")


class StatementClosing:
    """Closes months. Any number of these may run: a month is closed by whoever commits first."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def next_due(self, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """When the next month of each organization is to be closed; of none whose wallets are closed and stated."""

        async def work(conn: AsyncConnection) -> dict[UUID, datetime]:
            times = dict(await store.next_due(conn, org_ids))
            for org_id, made_at in (await store.first_without_cursor(conn, org_ids)).items():
                due_at = first_due(made_at)
                times[org_id] = min(due_at, times.get(org_id, due_at))
            return times

        return await self._db.read(work)

    async def run_due(self, org_id: UUID | None) -> int:
        """Close the months that have ended, also several of a wallet after downtime; how many were closed.

        A wallet whose month does not add up is left as it is, with an error in the log.
        """

        async def begin(conn: AsyncConnection) -> Sequence[StatementCursor]:
            for wallet in await self._fresh(conn, org_id):
                await store.insert_cursor(conn, first_cursor(wallet))
            return await store.due_cursors(conn, org_id, now=self._clock.now(), limit=_DUE_MAX)

        closed_count = 0
        for cursor in await self._db.transact(begin):
            try:
                with within(cursor.org_id):
                    while await self._close_next(cursor.org_id, cursor.wallet_id):
                        closed_count += 1
            except DoesNotAddUp as error:
                _log.error(
                    "statement_does_not_add_up",
                    org_id=str(cursor.org_id),
                    wallet_id=str(cursor.wallet_id),
                    why=str(error),
                )
        return closed_count

    async def _fresh(self, conn: AsyncConnection, org_id: UUID | None) -> Sequence[Wallet]:
        return await store.wallets_without_cursor(conn, org_id, limit=_BEGUN_MAX)

    async def _close_next(self, org_id: UUID, wallet_id: UUID) -> bool:
        """Whether a month was due and has been closed by this call."""

        async def read(conn: AsyncConnection) -> tuple[StatementCursor, Drafted] | None:
            cursor = await store.read_cursor(conn, org_id, wallet_id)
            if cursor is None or not self._is_due(cursor):
                return None
            await period_store.allow_long_statements(conn)
            return cursor, await draft(conn, await store.read_wallet(conn, org_id, wallet_id), cursor)

        # What a month has recorded does not change any more, so it is read before anything is locked.
        found = await self._db.read(read)
        if found is None:
            return False
        cursor, drafted = found
        return await self._db.transact(lambda conn: self._write(conn, cursor, drafted))

    def _is_due(self, cursor: StatementCursor) -> bool:
        return cursor.due_at is not None and cursor.due_at <= self._clock.now()

    async def _write(self, conn: AsyncConnection, cursor: StatementCursor, drafted: Drafted) -> bool:
        if await store.read_cursor(conn, cursor.org_id, cursor.wallet_id, lock=True) != cursor:
            return False
        now = self._clock.now()
        number = 1 + await store.last_number(conn, cursor.org_id, InvoiceKind.STATEMENT)
        final = replace(
            drafted.invoice,
            invoice_id=new_id(now),
            number=number_text(InvoiceKind.STATEMENT, number),
            status=InvoiceStatus.PAID,
            created_at=now,
            finalized_at=now,
            paid_at=now,
        )
        await store.insert_invoice(conn, final, number=number)
        await store.set_last_number(conn, cursor.org_id, InvoiceKind.STATEMENT, number)
        await store.move_cursor(conn, drafted.following)
        await append(conn, cursor.org_id, [_finalized(final)], now=now)
        return True


def _finalized(invoice: Invoice) -> NewEvent:
    assert isinstance(invoice.content, StatementContent), "only statements are closed"
    totals = invoice.content.totals
    return NewEvent(
        EventType.INVOICE_FINALIZED,
        names.child("invoices", invoice.org_slug, str(invoice.invoice_id)),
        {
            "number": invoice.number,
            "period_start": invoice.period_start.isoformat(),
            "period_end": invoice.period_end.isoformat(),
            "currency": invoice.currency,
            "opening_balance_minor": totals.opening_minor,
            "topped_up_minor": totals.topped_up_minor,
            "refunded_minor": totals.refunded_minor,
            "spent_minor": totals.spent_minor,
            "adjusted_minor": totals.adjusted_minor,
            "closing_balance_minor": totals.closing_minor,
        },
    )
