"""wallet.v1.CreditService: the wallet through twelve calls."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from wallet_api.wallet.v1 import credit_service_pb as rpc
from wallet_api.wallet.v1.credit_service_connect import CreditService

from ledger.money import EXACT, minor_exponent
from wallet_service import names
from wallet_service.credits.model import CreditBalance, TopUpConfig, UsageWindow
from wallet_service.credits.operations import Credits
from wallet_service.credits.rules import failure_message, shown_config, status_of
from wallet_service.errors import FieldViolation, ServiceError, not_found
from wallet_service.invoices.model import Invoice, InvoiceLine, ReceiptContent, ReceiptFilter, StatementContent
from wallet_service.invoices.operations import Invoices
from wallet_service.limits.model import Duration, SpendingLimit, Strategy
from wallet_service.limits.operations import SpendingLimits
from wallet_service.rating.rules import plain_text
from wallet_service.recharge.operations import AutoRecharges
from wallet_service.rpc.call import current_call
from wallet_service.rpc.convert import to_unix
from wallet_service.rpc.scope import Owner, Scope, caller
from wallet_service.topups.model import Origin
from wallet_service.topups.operations import TopUps
from wallet_service.usage.query_rules import Bucket

_TOP_UPS: Final = "topUps"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class CreditServicer(CreditService):
    """All twelve methods; each is about the open wallet of the organization that it names."""

    def __init__(
        self,
        scope: Scope,
        *,
        credits: Credits,
        topups: TopUps,
        auto_recharges: AutoRecharges,
        spending_limits: SpendingLimits,
        invoices: Invoices,
    ) -> None:
        self._scope = scope
        self._credits = credits
        self._topups = topups
        self._auto_recharges = auto_recharges
        self._spending_limits = spending_limits
        self._invoices = invoices

    async def get_credit_balance(
        self, request: rpc.GetCreditBalanceRequest, ctx: object, /
    ) -> rpc.GetCreditBalanceResponse:
        owner = await self._owner(request.organization_name)
        return to_proto_balance(await self._credits.balance(owner.org_id))

    async def get_usage_history(
        self, request: rpc.GetUsageHistoryRequest, ctx: object, /
    ) -> rpc.GetUsageHistoryResponse:
        owner = await self._owner(request.organization_name)
        page = await self._credits.usage_history(
            owner.org_id,
            bucket=Bucket(request.value_grouping_window),
            start=from_milliseconds(request.start_time),
            end=from_milliseconds(request.end_time),
            size=request.page_size,
            token=request.page_token,
        )
        return rpc.GetUsageHistoryResponse(
            history=[to_proto_window(window) for window in page.rows], next_page_token=page.next_page_token
        )

    async def get_invoice_history(
        self, request: rpc.GetInvoiceHistoryRequest, ctx: object, /
    ) -> rpc.GetInvoiceHistoryResponse:
        owner = await self._owner(request.organization_name)
        page = await self._invoices.list(
            owner.org_id,
            receipts=ReceiptFilter(request.type or ReceiptFilter.ALL),
            statements=False,
            size=request.page_size,
            token=request.page_token,
        )
        return rpc.GetInvoiceHistoryResponse(
            invoices=[to_proto_receipt(invoice) for invoice in page.rows], next_page_token=page.next_page_token
        )

    async def get_invoice_preview(
        self, request: rpc.CreditServiceGetInvoicePreviewRequest, ctx: object, /
    ) -> rpc.CreditServiceGetInvoicePreviewResponse:
        owner = await self._owner(request.organization_name)
        return to_proto_preview(await self._invoices.preview(owner.org_id))

    async def create_top_up(self, request: rpc.CreateTopUpRequest, ctx: object, /) -> rpc.CreateTopUpResponse:
        owner = await self._owner(request.organization_name)
        with _fields(amount_minor="amount"):
            made = await self._credits.create_topup(
                owner.org_id, amount_minor=request.amount, request_key=request.idempotency_key
            )
        return rpc.CreateTopUpResponse(
            client_secret=made.client_secret,
            onboarding=made.is_first,
            payment_intent_id=names.child(
                _TOP_UPS, owner.slug, str(made.topup.topup_id), flat=current_call().flat_names
            ),
            brand=made.card.brand,
            last4=made.card.last4,
        )

    async def get_top_up_status(self, request: rpc.GetTopUpStatusRequest, ctx: object, /) -> rpc.GetTopUpStatusResponse:
        owner = await self._owner(request.organization_name)
        topup = await self._topups.get(owner.org_id, _topup_id(request.payment_intent_id, owner))
        return rpc.GetTopUpStatusResponse(
            payment_intent_id=request.payment_intent_id,
            status=status_of(topup).value,
            failure_message=failure_message(topup),
        )

    async def get_top_up_config(self, request: rpc.GetTopUpConfigRequest, ctx: object, /) -> rpc.GetTopUpConfigResponse:
        owner = await self._owner(request.organization_name)
        view = await self._auto_recharges.get(owner.org_id)
        return rpc.GetTopUpConfigResponse(config=to_proto_config(shown_config(view.config)))

    async def set_top_up_config(self, request: rpc.SetTopUpConfigRequest, ctx: object, /) -> rpc.SetTopUpConfigResponse:
        owner = await self._owner(request.organization_name)
        with _fields(amount_minor="amount", threshold_minor="threshold"):
            config = await self._credits.set_topup_config(
                owner.org_id,
                amount_minor=request.amount,
                threshold_minor=request.threshold,
                key_id=caller().key_id,
            )
        return rpc.SetTopUpConfigResponse(config=to_proto_config(config))

    async def delete_top_up_config(
        self, request: rpc.DeleteTopUpConfigRequest, ctx: object, /
    ) -> rpc.DeleteTopUpConfigResponse:
        owner = await self._owner(request.organization_name)
        await self._auto_recharges.delete(owner.org_id)
        return rpc.DeleteTopUpConfigResponse()

    async def get_spending_limit(
        self, request: rpc.CreditServiceGetSpendingLimitRequest, ctx: object, /
    ) -> rpc.CreditServiceGetSpendingLimitResponse:
        owner = await self._owner(request.organization_name)
        found = await self._spending_limits.get(owner.org_id)
        if found is None:
            return rpc.CreditServiceGetSpendingLimitResponse()
        return rpc.CreditServiceGetSpendingLimitResponse(enabled=True, config=to_proto_limit(found.limit))

    async def set_spending_limit(
        self, request: rpc.CreditServiceSetSpendingLimitRequest, ctx: object, /
    ) -> rpc.CreditServiceSetSpendingLimitResponse:
        owner = await self._owner(request.organization_name)
        wanted = request.config
        assert wanted is not None, "validation requires it"
        with _fields(amount_minor="config.amount"):
            await self._spending_limits.set(
                owner.org_id,
                amount_minor=wanted.amount,
                duration=Duration(wanted.duration),
                strategy=Strategy(wanted.strategy),
                needs_manual_topup=True,
            )
        return rpc.CreditServiceSetSpendingLimitResponse()

    async def delete_spending_limit(
        self, request: rpc.CreditServiceDeleteSpendingLimitRequest, ctx: object, /
    ) -> rpc.CreditServiceDeleteSpendingLimitResponse:
        owner = await self._owner(request.organization_name)
        await self._spending_limits.delete(owner.org_id)
        return rpc.CreditServiceDeleteSpendingLimitResponse()

    async def _owner(self, name: str) -> Owner:
        return await self._scope.owner("organization", name)


def to_proto_balance(balance: CreditBalance) -> rpc.GetCreditBalanceResponse:
    card = balance.card
    return rpc.GetCreditBalanceResponse(
        # A double by the published contract, for display; the exact text stands beside it.
        balance=float(balance.exact_minor),
        balance_decimal=plain_text(balance.exact_minor),
        currency=balance.currency,
        has_default_payment_method=card is not None,
        payment_method=None if card is None else rpc.CreditPaymentMethod(brand=card.brand, last4=card.last4),
        topup_config=to_proto_config(balance.topup_config),
        first_topup_success=balance.has_topped_up,
    )


def to_proto_config(config: TopUpConfig) -> rpc.TopUpConfig:
    """What is None stays unset."""
    return rpc.TopUpConfig(
        amount=config.amount_minor,
        threshold=config.threshold_minor,
        disabled_reason=config.disabled_reason.value if config.disabled_reason else None,
        error=config.error,
        last_failed_at=to_unix(config.last_failed_at) if config.last_failed_at else None,
    )


def to_proto_window(window: UsageWindow) -> rpc.UsageWindow:
    return rpc.UsageWindow(
        id=window.window_id,
        aggregated_value=float(window.exact_minor),
        aggregated_value_decimal=plain_text(window.exact_minor),
        start_time=to_milliseconds(window.start),
        end_time=to_milliseconds(window.end),
    )


def to_proto_receipt(receipt: Invoice) -> rpc.CreditInvoice:
    content = receipt.content
    assert isinstance(content, ReceiptContent), "no statements are asked for"
    is_auto = content.origin == Origin.AUTO.value
    return rpc.CreditInvoice(
        id=str(receipt.invoice_id),
        amount_due=receipt.amount_minor,
        amount_paid=receipt.amount_minor,
        currency=receipt.currency,
        created=to_unix(receipt.created_at),
        description=f"{'Automatic top-up' if is_auto else 'Top-up'}, receipt {receipt.number}",
        invoice_origin=content.origin,
        status="paid",
    )


def to_proto_preview(draft: Invoice) -> rpc.CreditServiceGetInvoicePreviewResponse:
    """Nothing is due: the wallet has paid what was spent."""
    content = draft.content
    assert isinstance(content, StatementContent), "a draft is a statement"
    return rpc.CreditServiceGetInvoicePreviewResponse(
        amount_paid=draft.amount_minor,
        currency=draft.currency,
        invoice_lines=[to_proto_line(line, draft.currency) for line in content.lines],
        period_start=to_unix(draft.period_start),
        period_end=to_unix(draft.period_end),
        status="draft",
    )


def to_proto_line(line: InvoiceLine, currency: str) -> rpc.CreditInvoiceLine:
    quantity, price = line.quantity, line.unit_price_minor
    return rpc.CreditInvoiceLine(
        amount=line.amount_minor,
        currency=currency,
        description=line.title,
        unit_amount_decimal="" if price is None else _major_text(price, currency),
        quantity="" if quantity is None else plain_text(quantity),
    )


def to_proto_limit(limit: SpendingLimit) -> rpc.SpendingLimitConfig:
    return rpc.SpendingLimitConfig(
        amount=limit.amount_minor, duration=limit.duration.value, strategy=limit.strategy.value
    )


def from_milliseconds(count: int) -> datetime | None:
    """None for 0, which means unset. Validation keeps `count` within the calendar."""
    return _EPOCH + count * _MILLISECOND if count else None


def to_milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MILLISECOND


def _major_text(price_minor: Decimal, currency: str) -> str:
    return plain_text(price_minor.scaleb(-minor_exponent(currency), EXACT))


def _topup_id(name: str, owner: Owner) -> UUID:
    """Raises RESOURCE_NOT_FOUND for the name of another organization's top-up, and for an id that none can have."""
    found = names.parse_child(_TOP_UPS, name, "payment_intent_id")
    try:
        if found.org in (None, owner.slug):
            return UUID(found.id)
    except ValueError as error:
        raise not_found("top-up", name) from error
    raise not_found("top-up", name)


@contextmanager
def _fields(**ours: str) -> Generator[None]:
    """Refusals name the fields of this service's requests in place of those that the operations know."""
    try:
        yield
    except ServiceError as error:
        raise _renamed(error, ours) from error


def _renamed(error: ServiceError, ours: dict[str, str]) -> ServiceError:
    message = error.message
    for theirs, name in ours.items():
        if message.startswith(theirs):
            message = name + message.removeprefix(theirs)
    field = error.metadata.get("field")
    return ServiceError(
        error.code,
        error.reason,
        message,
        metadata=error.metadata if field is None else {**error.metadata, "field": ours.get(field, field)},
        violations=[FieldViolation(ours.get(each.field, each.field), each.description) for each in error.violations],
        retry_after=error.retry_after,
    )
