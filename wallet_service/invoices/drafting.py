"""Reading what a month recorded into a statement that is not yet written: steps that change nothing."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import NIL
from wallet_service.accounts import steps as accounts
from wallet_service.accounts.model import Wallet
from wallet_service.invoices import period_store, rules
from wallet_service.invoices.model import Invoice, InvoiceKind, InvoiceStatus, StatementCursor

_INSTANT: Final = timedelta(microseconds=1)


class Drafted(NamedTuple):
    """A draft, and where the statement behind it begins."""

    invoice: Invoice
    following: StatementCursor


def first_due(made_at: datetime) -> datetime:
    """When the first statement of a wallet is due: soon after the month in which it was made."""
    return rules.month_after(rules.month_of(made_at)) + rules.CLOSE_AFTER


def first_cursor(wallet: Wallet) -> StatementCursor:
    """Where the statements of a wallet begin: with the month in which it was made."""
    start = rules.month_of(wallet.created_at)
    return StatementCursor(
        org_id=wallet.org_id,
        wallet_id=wallet.wallet_id,
        period_start=start,
        entry_seq=0,
        carry=rules.ZERO,
        due_at=first_due(wallet.created_at),
    )


async def draft(conn: AsyncConnection, wallet: Wallet, cursor: StatementCursor) -> Drafted:
    """The statement of the month that `cursor` stands at, as far as it has been recorded. `conn` is one snapshot.

    Raises `rules.DoesNotAddUp`.
    """
    end = rules.month_after(cursor.period_start)
    span = period_store.Span(
        wallet=wallet,
        start=cursor.period_start,
        since=max(cursor.period_start, wallet.created_at),
        until=end if wallet.closed_at is None else min(end, wallet.closed_at + _INSTANT),
        first_seq=cursor.entry_seq,
        last_seq=max(cursor.entry_seq, await period_store.last_entry_before(conn, wallet.org_id, end)),
    )
    usage = await period_store.usage_totals(conn, span)
    content = rules.statement_content(
        opening_minor=await period_store.balance_after(conn, wallet, span.first_seq),
        closing_minor=await period_store.balance_after(conn, wallet, span.last_seq),
        carry_in=cursor.carry,
        entries=await period_store.entry_totals(conn, span),
        usage=usage,
        purchases=await period_store.purchases(conn, span, limit=rules.PURCHASE_LINES_MAX, rest=rules.OTHER_PURCHASES),
        meters=await period_store.meter_names(conn, {total.meter for total in usage}),
        period=(cursor.period_start, end),
    )
    owner = await accounts.organization(conn, wallet.org_id)
    invoice = Invoice(
        org_id=wallet.org_id,
        org_slug=wallet.org_slug,
        invoice_id=NIL,
        kind=InvoiceKind.STATEMENT,
        number="",
        status=InvoiceStatus.DRAFT,
        wallet_id=wallet.wallet_id,
        currency=wallet.currency,
        display_name=owner.display_name or owner.slug,
        period_start=cursor.period_start,
        period_end=end,
        content=content,
        created_at=cursor.period_start,
        finalized_at=None,
        paid_at=None,
    )
    is_last = wallet.closed_at is not None and wallet.closed_at < end
    following = replace(
        cursor,
        period_start=end,
        entry_seq=span.last_seq,
        carry=content.carry_out,
        due_at=None if is_last else rules.month_after(end) + rules.CLOSE_AFTER,
    )
    return Drafted(invoice, following)
