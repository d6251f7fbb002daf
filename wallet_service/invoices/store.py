"""SQL of statements, receipts, their numbers and the cursors."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, insert, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts.model import Wallet
from wallet_service.accounts.rows import from_row_wallet
from wallet_service.accounts.tables import organizations, wallets
from wallet_service.due import first_times
from wallet_service.invoices.documents import from_receipt_document, from_statement_document, to_document
from wallet_service.invoices.model import (
    Invoice,
    InvoiceKind,
    InvoiceStatus,
    ReceiptContent,
    ReceiptFilter,
    StatementCursor,
)
from wallet_service.invoices.rules import number_text
from wallet_service.invoices.tables import invoice_numbers, invoices, statement_cursors
from wallet_service.testclocks.steps import in_real_time

_FIRST_WITHOUT_CURSOR: Final = """
    SELECT w.org_id, min(w.created_at)
    FROM wallets w
    WHERE w.org_id = ANY ($1)
    AND NOT EXISTS (SELECT FROM statement_cursors c WHERE c.org_id = w.org_id AND c.wallet_id = w.wallet_id)
    GROUP BY w.org_id
"""
_INVOICES: Final = select(invoices, organizations.c.slug.label("org_slug")).join_from(
    invoices, organizations, organizations.c.org_id == invoices.c.org_id
)
_WALLETS: Final = select(wallets, organizations.c.slug.label("org_slug")).join_from(
    wallets, organizations, organizations.c.org_id == wallets.c.org_id
)

_TOPUPS_WITHOUT: Final = """
    SELECT t.org_id, t.topup_id FROM topups t
    WHERE t.state = 'SUCCEEDED' AND NOT EXISTS (
        SELECT 1 FROM invoices i WHERE i.org_id = t.org_id AND i.topup_id = t.topup_id
    ) AND NOT EXISTS (SELECT 1 FROM test_clock_organizations c WHERE c.org_id = t.org_id)
    LIMIT :limit
"""


async def insert_invoice(conn: AsyncConnection, made: Invoice, *, number: int) -> None:
    """Write a final document under the number that `take_number` gave."""
    content = made.content
    is_receipt = isinstance(content, ReceiptContent)
    await conn.execute(
        insert(invoices).values(
            org_id=made.org_id,
            invoice_id=made.invoice_id,
            kind=made.kind.value,
            number=number,
            wallet_id=made.wallet_id,
            topup_id=content.topup_id if is_receipt else None,
            origin=content.origin if is_receipt else None,
            currency=made.currency,
            display_name=made.display_name,
            period_start_at=made.period_start,
            period_end_at=made.period_end,
            amount_minor=made.amount_minor,
            content=to_document(content),
            created_at=made.created_at,
        )
    )


async def last_number(conn: AsyncConnection, org_id: UUID, kind: InvoiceKind) -> int:
    """The last number given; nobody else gives one until this transaction ends."""
    key = {"org_id": org_id, "kind": kind.value}
    await conn.execute(insert_or_skip(invoice_numbers).values(**key, last_number=0).on_conflict_do_nothing())
    found = await conn.execute(
        select(invoice_numbers.c.last_number)
        .where(invoice_numbers.c.org_id == org_id, invoice_numbers.c.kind == kind.value)
        .with_for_update()
    )
    return found.scalar_one()


async def set_last_number(conn: AsyncConnection, org_id: UUID, kind: InvoiceKind, number: int) -> None:
    """Note a number as given, after `last_number` in the same transaction."""
    await conn.execute(
        update(invoice_numbers)
        .where(invoice_numbers.c.org_id == org_id, invoice_numbers.c.kind == kind.value)
        .values(last_number=number)
    )


async def read_invoice(conn: AsyncConnection, org_id: UUID, invoice_id: UUID) -> Invoice | None:
    found = await conn.execute(_INVOICES.where(invoices.c.org_id == org_id, invoices.c.invoice_id == invoice_id))
    row = found.one_or_none()
    return None if row is None else from_row_invoice(row)


async def find_receipt(conn: AsyncConnection, org_id: UUID, topup_id: UUID) -> Invoice | None:
    found = await conn.execute(_INVOICES.where(invoices.c.org_id == org_id, invoices.c.topup_id == topup_id))
    row = found.one_or_none()
    return None if row is None else from_row_invoice(row)


async def list_invoices(
    conn: AsyncConnection,
    org_id: UUID,
    *,
    receipts: ReceiptFilter | None,
    statements: bool,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Invoice]:
    """By end of period and id, newest first, from behind `before`.

    receipts None: statements only; statements False: receipts only.
    """
    query: Select[Any] = _INVOICES.where(invoices.c.org_id == org_id)
    if receipts is None:
        query = query.where(invoices.c.kind == InvoiceKind.STATEMENT.value)
    elif receipts is not ReceiptFilter.ALL:
        query = query.where(invoices.c.origin.is_(None) | (invoices.c.origin == receipts.value))
    if not statements:
        query = query.where(invoices.c.kind == InvoiceKind.RECEIPT.value)
    if before is not None:
        query = query.where(tuple_(invoices.c.period_end_at, invoices.c.invoice_id) < before)
    query = query.order_by(invoices.c.period_end_at.desc(), invoices.c.invoice_id.desc()).limit(limit)
    return [from_row_invoice(row) for row in await conn.execute(query)]


async def wallets_without_cursor(conn: AsyncConnection, org_id: UUID | None, *, limit: int) -> Sequence[Wallet]:
    """Wallets that have never had a statement; None: of all organizations in real time."""
    query = _WALLETS.outerjoin(
        statement_cursors,
        (statement_cursors.c.org_id == wallets.c.org_id) & (statement_cursors.c.wallet_id == wallets.c.wallet_id),
    ).where(statement_cursors.c.wallet_id.is_(None), _whose(wallets.c.org_id, org_id))
    return [from_row_wallet(row) for row in await conn.execute(query.limit(limit))]


async def insert_cursor(conn: AsyncConnection, cursor: StatementCursor) -> None:
    """Begin the statements of a wallet; one that has begun stays where it is."""
    await conn.execute(
        insert_or_skip(statement_cursors)
        .values(org_id=cursor.org_id, wallet_id=cursor.wallet_id, **_position(cursor))
        .on_conflict_do_nothing()
    )


async def read_cursor(
    conn: AsyncConnection, org_id: UUID, wallet_id: UUID, *, lock: bool = False
) -> StatementCursor | None:
    """Where a wallet's statements stand; with `lock`, nobody else moves it until this transaction ends."""
    query = select(statement_cursors).where(
        statement_cursors.c.org_id == org_id, statement_cursors.c.wallet_id == wallet_id
    )
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else from_row_cursor(row)


async def move_cursor(conn: AsyncConnection, cursor: StatementCursor) -> None:
    """Store where the next statement begins."""
    await conn.execute(
        update(statement_cursors)
        .where(statement_cursors.c.org_id == cursor.org_id, statement_cursors.c.wallet_id == cursor.wallet_id)
        .values(**_position(cursor))
    )


async def due_cursors(
    conn: AsyncConnection, org_id: UUID | None, *, now: datetime, limit: int
) -> Sequence[StatementCursor]:
    """Those whose month is to be closed, the longest due first; None: of all organizations in real time."""
    query = select(statement_cursors).where(
        statement_cursors.c.due_at <= now, _whose(statement_cursors.c.org_id, org_id)
    )
    found = await conn.execute(query.order_by(statement_cursors.c.due_at).limit(limit))
    return [from_row_cursor(row) for row in found]


async def next_due(conn: AsyncConnection, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
    """When the next month of each organization is to be closed, of the wallets whose statements have begun."""
    return await first_times(
        conn, "SELECT org_id, min(due_at) FROM statement_cursors WHERE org_id = ANY ($1) GROUP BY org_id", org_ids
    )


async def first_without_cursor(conn: AsyncConnection, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
    """When the oldest wallet that has never had a statement was made, of each organization that has one."""
    return await first_times(conn, _FIRST_WITHOUT_CURSOR, org_ids)


async def read_wallet(conn: AsyncConnection, org_id: UUID, wallet_id: UUID) -> Wallet:
    """A wallet, open or closed, that exists."""
    found = await conn.execute(_WALLETS.where(wallets.c.org_id == org_id, wallets.c.wallet_id == wallet_id))
    return from_row_wallet(found.one())


async def topups_without_receipt(conn: AsyncConnection, *, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Settled top-ups of before there were receipts, of organizations in real time: organization and id."""
    found = await conn.execute(text(_TOPUPS_WITHOUT), {"limit": limit})
    return [(row.org_id, row.topup_id) for row in found]


def from_row_invoice(row: Row[Any]) -> Invoice:
    kind = InvoiceKind(row.kind)
    is_receipt = kind is InvoiceKind.RECEIPT
    return Invoice(
        org_id=row.org_id,
        org_slug=row.org_slug,
        invoice_id=row.invoice_id,
        kind=kind,
        number=number_text(kind, row.number),
        status=InvoiceStatus.PAID,
        wallet_id=row.wallet_id,
        currency=row.currency,
        display_name=row.display_name,
        period_start=row.period_start_at.astimezone(UTC),
        period_end=row.period_end_at.astimezone(UTC),
        content=from_receipt_document(row.content) if is_receipt else from_statement_document(row.content),
        created_at=row.created_at,
        finalized_at=row.created_at,
        paid_at=row.created_at,
    )


def from_row_cursor(row: Row[Any]) -> StatementCursor:
    return StatementCursor(
        org_id=row.org_id,
        wallet_id=row.wallet_id,
        period_start=row.period_start_at.astimezone(UTC),
        entry_seq=row.entry_seq,
        carry=row.carry,
        due_at=row.due_at,
    )


def _position(cursor: StatementCursor) -> dict[str, Any]:
    return {
        "period_start_at": cursor.period_start,
        "entry_seq": cursor.entry_seq,
        "carry": cursor.carry,
        "due_at": cursor.due_at,
    }


def _whose(column: Any, org_id: UUID | None) -> Any:
    return in_real_time(column) if org_id is None else column == org_id
