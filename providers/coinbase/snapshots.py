"""Coinbase's checkouts as snapshots. Pure. Raises KeyError, TypeError or ValueError for what is not documented."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from ledger.money import Money
from providers.coinbase.amounts import CURRENCY, SETTLED_IN, charged, received
from providers.protocol import (
    Failure,
    FailureKind,
    PaymentReference,
    PaymentSnapshot,
    PaymentState,
    RefundSnapshot,
    RefundState,
)

PAYMENT_STATES = {
    "ACTIVE": PaymentState.AWAITING_PAYER,
    "PROCESSING": PaymentState.PROCESSING,
    "COMPLETED": PaymentState.SUCCEEDED,
    "PARTIALLY_REFUNDED": PaymentState.SUCCEEDED,
    "REFUNDED": PaymentState.SUCCEEDED,
    "FAILED": PaymentState.FAILED,
    "EXPIRED": PaymentState.CANCELED,
    "DEACTIVATED": PaymentState.CANCELED,
}
REFUND_STATES = {
    "PENDING": RefundState.PENDING,
    "COMPLETED": RefundState.SUCCEEDED,
    "FAILED": RefundState.FAILED,
}
PAYMENT_FAILED = Failure(
    kind=FailureKind.DECLINED_RETRYABLE,
    code="checkout_failed",
    message="The payment in USDC failed; nothing was received.",
)


def payment_snapshot(checkout: Mapping[str, Any]) -> PaymentSnapshot:
    """A payment. Completed without its settlement counts as processing: what arrived is not known yet."""
    state = PAYMENT_STATES[checkout["status"]]
    settlement = checkout.get("settlement") if state is PaymentState.SUCCEEDED else None
    if state is PaymentState.SUCCEEDED and not settlement:
        state = PaymentState.PROCESSING
    refunds = refunds_of(checkout)
    transaction = checkout.get("transactionHash")
    return PaymentSnapshot(
        external_id=checkout["id"],
        state=state,
        amount=_asked(checkout),
        amount_received=received(_settled(settlement)["totalAmount"]) if settlement else Money(0, CURRENCY),
        amount_refunded=_refunded(checkout, refunds),
        created_at=instant(checkout["createdAt"]),
        metadata=_metadata(checkout),
        hosted_url=checkout["url"],
        charge_id=transaction,
        fee=charged(_settled(settlement)["feeAmount"]) if settlement else None,
        balance_transaction_id=transaction if settlement else None,
        last_failure=PAYMENT_FAILED if state is PaymentState.FAILED else None,
        refunds=refunds,
    )


def payment_reference(checkout: Mapping[str, Any]) -> PaymentReference:
    """One line of a list."""
    return PaymentReference(
        external_id=checkout["id"],
        state=PAYMENT_STATES[checkout["status"]],
        amount=_asked(checkout),
        created_at=instant(checkout["createdAt"]),
        metadata=_metadata(checkout),
    )


def refunds_of(checkout: Mapping[str, Any]) -> tuple[RefundSnapshot, ...]:
    """Every refund of the checkout, also failed ones."""
    return tuple(refund_snapshot(refund, checkout_id=checkout["id"]) for refund in checkout.get("refunds") or ())


def refund_snapshot(refund: Mapping[str, Any], *, checkout_id: str) -> RefundSnapshot:
    """One refund. Refunds carry no metadata at Coinbase."""
    _check_currency(refund.get("currency", "USDC"))
    return RefundSnapshot(
        refund_id=refund["id"],
        amount=charged(refund["amount"]),
        state=REFUND_STATES[refund["status"]],
        created_at=instant(refund["createdAt"]),
        payment_external_id=checkout_id,
    )


def instant(text: str) -> datetime:
    """An RFC 3339 time as an aware UTC datetime."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return parsed.astimezone(UTC)


def _asked(checkout: Mapping[str, Any]) -> Money:
    _check_currency(checkout["currency"])
    return received(checkout["amount"])


def _refunded(checkout: Mapping[str, Any], refunds: tuple[RefundSnapshot, ...]) -> Money:
    """Pending and completed refunds; the vendor's own total counts only completed ones."""
    if not refunds:
        return received(checkout.get("refundedAmount") or "0")
    given_back = sum(refund.amount.amount_minor for refund in refunds if refund.state is not RefundState.FAILED)
    return Money(given_back, CURRENCY)


def _settled(settlement: Mapping[str, Any]) -> Mapping[str, Any]:
    _check_currency(settlement["currency"])
    return settlement


def _check_currency(currency: str) -> None:
    if currency not in SETTLED_IN:
        raise ValueError(f"{currency!r} is not worth one US dollar")


def _metadata(checkout: Mapping[str, Any]) -> dict[str, str]:
    metadata = cast(Mapping[str, Any], checkout.get("metadata") or {})
    return {key: str(value) for key, value in metadata.items()}
