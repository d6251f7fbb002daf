"""wallet.v1.WalletService: statements and receipts."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

from wallet_api.wallet.v1 import invoice_pb
from wallet_api.wallet.v1 import wallet_service_pb as rpc

from ledger.money import round_half_even
from wallet_service import names
from wallet_service.errors import not_found
from wallet_service.invoices.model import Invoice, InvoiceLine, ReceiptContent, ReceiptFilter, Share, StatementContent
from wallet_service.invoices.operations import Invoices, name_of
from wallet_service.invoices.paper import Paper
from wallet_service.rating.rules import plain_text
from wallet_service.rpc.call import current_call
from wallet_service.rpc.convert import to_unix
from wallet_service.rpc.scope import Owner, Scope

_INVOICES: Final = "invoices"


class WalletInvoices:
    """ListInvoices, GetInvoice, DownloadInvoicePDF and GetInvoicePreview."""

    def __init__(self, scope: Scope, invoices: Invoices) -> None:
        self._scope = scope
        self._invoices = invoices

    async def list_invoices(self, request: rpc.ListInvoicesRequest, ctx: object, /) -> rpc.ListInvoicesResponse:
        owner = await self._scope.owner("billing account", request.billing_account_name)
        page = await self._invoices.list(
            owner.org_id,
            receipts=ReceiptFilter(request.type) if request.type else None,
            size=request.page_size,
            token=request.page_token,
        )
        return rpc.ListInvoicesResponse(
            invoices=[to_proto_invoice(invoice) for invoice in page.rows], next_page_token=page.next_page_token
        )

    async def get_invoice(self, request: rpc.GetInvoiceRequest, ctx: object, /) -> rpc.GetInvoiceResponse:
        owner, invoice_id = await self._named(request.name)
        return rpc.GetInvoiceResponse(invoice=to_proto_invoice(await self._invoices.get(owner.org_id, invoice_id)))

    async def download_invoice_pdf(
        self, request: rpc.DownloadInvoicePDFRequest, ctx: object, /
    ) -> rpc.DownloadInvoicePDFResponse:
        owner, invoice_id = await self._named(request.name)
        link = await self._invoices.download_pdf(
            owner.org_id, invoice_id, paper=Paper(request.paper) if request.paper else None
        )
        return rpc.DownloadInvoicePDFResponse(download_url=link.url, expires_at_unix=to_unix(link.expires_at))

    async def get_invoice_preview(
        self, request: rpc.GetInvoicePreviewRequest, ctx: object, /
    ) -> rpc.GetInvoicePreviewResponse:
        owner = await self._scope.owner("billing account", request.billing_account_name)
        return rpc.GetInvoicePreviewResponse(invoice=to_proto_invoice(await self._invoices.preview(owner.org_id)))

    async def _named(self, name: str) -> tuple[Owner, UUID]:
        owner = await self._scope.owner("invoice", name)
        try:
            return owner, UUID(names.parse_child(_INVOICES, name, "name").id)
        except ValueError as error:
            raise not_found("invoice", name) from error


def to_proto_invoice(invoice: Invoice) -> invoice_pb.Invoice:
    flat = current_call().flat_names
    made = invoice_pb.Invoice(
        name=name_of(invoice, flat=flat),
        billing_account_name=names.billing_account(invoice.org_slug, flat=flat),
        period_start_unix=to_unix(invoice.period_start),
        period_end_unix=to_unix(invoice.period_end),
        currency=invoice.currency,
        amount_minor=invoice.amount_minor,
        status=invoice.status.value,
        create_time_unix=to_unix(invoice.created_at),
        finalize_time_unix=to_unix(invoice.finalized_at),
        pay_time_unix=to_unix(invoice.paid_at),
        kind=invoice.kind.value,
        number=invoice.number,
    )
    content = invoice.content
    if isinstance(content, ReceiptContent):
        made.topped_up_minor = content.amount_minor
        made.top_up_name = names.child("topUps", invoice.org_slug, str(content.topup_id), flat=flat)
        made.origin = content.origin
    else:
        _fill_statement(made, content)
    return made


def _fill_statement(made: invoice_pb.Invoice, content: StatementContent) -> None:
    totals = content.totals
    made.line_items.extend(to_proto_line(line) for line in content.lines)
    made.opening_balance_minor = totals.opening_minor
    made.topped_up_minor = totals.topped_up_minor
    made.refunded_minor = totals.refunded_minor
    made.spent_minor = totals.spent_minor
    made.adjusted_minor = totals.adjusted_minor
    made.closing_balance_minor = totals.closing_minor
    made.categories.extend(_shares(content.categories))
    made.projects.extend(_shares(content.projects))
    made.days.extend(
        invoice_pb.InvoiceDay(day_start_unix=_day_unix(spend.day), amount_minor=spend.amount_minor)
        for spend in content.days
    )
    made.carried_in_minor_decimal = plain_text(content.carry_in)
    made.carried_out_minor_decimal = plain_text(content.carry_out)


def to_proto_line(line: InvoiceLine) -> invoice_pb.InvoiceLineItem:
    quantity, price = line.quantity, line.unit_price_minor
    return invoice_pb.InvoiceLineItem(
        meter=line.meter,
        display_name=line.title,
        # A double by the published contract, for display; the exact text stands beside it.
        quantity=0 if quantity is None else float(quantity),
        unit_price_minor=0 if price is None else round_half_even(price),
        amount_minor=line.amount_minor,
        unit_price_minor_decimal="" if price is None else plain_text(price),
        kind=line.kind.value,
        quantity_decimal="" if quantity is None else plain_text(quantity),
        amount_minor_decimal=plain_text(line.exact_minor),
        unit=line.unit,
        category=line.category,
        used_month_unix=0 if line.used_in is None else _day_unix(line.used_in),
    )


def _shares(shares: Iterable[Share]) -> Iterable[invoice_pb.InvoiceShare]:
    return [invoice_pb.InvoiceShare(title=share.title, amount_minor=share.amount_minor) for share in shares]


def _day_unix(day: date) -> int:
    return to_unix(datetime(day.year, day.month, day.day, tzinfo=UTC))
