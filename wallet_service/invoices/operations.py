"""Use cases of statements and receipts: list, get, show the open month, and a link to the PDF."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service import names
from wallet_service.accounts import steps as accounts
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError, not_found, overloaded
from wallet_service.files.operations import Downloads
from wallet_service.files.rules import SignedLink
from wallet_service.invoices import store
from wallet_service.invoices.drafting import draft, first_cursor
from wallet_service.invoices.model import Invoice, ReceiptFilter
from wallet_service.invoices.paper import Paper
from wallet_service.invoices.pdf import PdfFiles
from wallet_service.pages import Page, decode_token, page_of, page_size, query_digest

_MONTHS_MAX: Final = 600
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Invoices:
    """Statements and receipts of an organization."""

    def __init__(self, db: Database, clock: Clock, pdfs: PdfFiles, downloads: Downloads, *, paper: Paper) -> None:
        """`paper`: of PDFs for which none is asked."""
        self._db = db
        self._clock = clock
        self._pdfs = pdfs
        self._downloads = downloads
        self._paper = paper

    async def list(
        self, org_id: UUID, *, receipts: ReceiptFilter | None, statements: bool = True, size: int, token: str
    ) -> Page[Invoice]:
        """Newest period first; receipts None: statements only, statements False: receipts only.

        Raises INVALID_PAGE_TOKEN.
        """
        digest = query_digest("invoices", org_id, receipts, statements)
        key = decode_token(token, digest, [int, str])
        before = None if key is None else _position(key)
        rows = page_size(size)

        async def work(conn: AsyncConnection) -> Page[Invoice]:
            found = await store.list_invoices(
                conn, org_id, receipts=receipts, statements=statements, before=before, limit=rows + 1
            )
            return page_of(found, size=rows, digest=digest, key=_key)

        return await self._db.read(work)

    async def get(self, org_id: UUID, invoice_id: UUID) -> Invoice:
        """One document. Raises RESOURCE_NOT_FOUND."""
        found = await self._db.read(lambda conn: store.read_invoice(conn, org_id, invoice_id))
        if found is None:
            raise not_found("invoice", f"invoices/{invoice_id}")
        return found

    async def preview(self, org_id: UUID) -> Invoice:
        """The statement of the month that is open now, as a draft: everything recorded so far. Changes nothing.

        Raises RESOURCE_NOT_FOUND without an open wallet.
        """

        async def work(conn: AsyncConnection) -> Invoice:
            wallet = await accounts.open_wallet(conn, org_id)
            cursor = await store.read_cursor(conn, org_id, wallet.wallet_id) or first_cursor(wallet)
            now = self._clock.now()
            for _ in range(_MONTHS_MAX):
                drafted = await draft(conn, wallet, cursor)
                # A month that has ended and is not closed yet is gone through for what it leaves to the next.
                if drafted.following.period_start > now:
                    return drafted.invoice
                cursor = drafted.following
            raise AssertionError("no wallet is that many months behind")

        return await self._db.read(work)

    async def download_pdf(self, org_id: UUID, invoice_id: UUID, *, paper: Paper | None = None) -> SignedLink:
        """A link to the PDF, which is made when first asked for. Raises RESOURCE_NOT_FOUND, and OVERLOADED when too many
        are being made."""
        invoice = await self.get(org_id, invoice_id)
        chosen = paper or self._paper
        try:
            key = await self._pdfs.ensure(invoice, chosen)
        except TimeoutError as error:
            raise overloaded(retry_after=timedelta(seconds=5)) from error
        return self._downloads.link(
            org_id,
            key,
            file_name=f"{invoice.org_slug}-{invoice.number}.pdf",
            content_type="application/pdf",
        )


def name_of(invoice: Invoice, *, flat: bool = False) -> str:
    """Its resource name; "" for a draft, which cannot be asked for again."""
    if not invoice.number:
        return ""
    return names.child("invoices", invoice.org_slug, str(invoice.invoice_id), flat=flat)


def _key(invoice: Invoice) -> tuple[int, str]:
    return (invoice.period_end - _EPOCH) // _MICROSECOND, str(invoice.invoice_id)


def _position(key: tuple[str | int, ...]) -> tuple[datetime, UUID]:
    try:
        return _EPOCH + int(key[0]) * _MICROSECOND, UUID(str(key[1]))
    except (ValueError, OverflowError) as error:
        raise _foreign_token() from error


def _foreign_token() -> ServiceError:
    return ServiceError(Code.INVALID_ARGUMENT, Reason.INVALID_PAGE_TOKEN, "page_token is not a token of this query")
