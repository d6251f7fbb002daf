"""Stripe's objects as snapshots. Pure: what is not expanded in the object is left out."""

from collections.abc import Sequence
from datetime import UTC, datetime

import stripe

from providers.protocol import (
    DisputeSnapshot,
    DisputeState,
    Failure,
    PaymentReference,
    PaymentSnapshot,
    PaymentState,
    RefundSnapshot,
    RefundState,
    SavedMethod,
    SetupSnapshot,
)
from providers.stripe.amounts import from_stripe
from providers.stripe.failures import card_failure

PAYMENT_STATES = {
    "requires_payment_method": PaymentState.AWAITING_PAYER,
    "requires_confirmation": PaymentState.AWAITING_PAYER,
    "requires_action": PaymentState.AWAITING_AUTHENTICATION,
    "processing": PaymentState.PROCESSING,
    "requires_capture": PaymentState.PROCESSING,
    "succeeded": PaymentState.SUCCEEDED,
    "canceled": PaymentState.CANCELED,
}
REFUND_STATES = {
    "pending": RefundState.PENDING,
    "requires_action": RefundState.PENDING,
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.CANCELED,
}
DISPUTE_STATES = {
    "warning_needs_response": DisputeState.INQUIRY,
    "warning_under_review": DisputeState.INQUIRY,
    "warning_closed": DisputeState.CLOSED,
    "prevented": DisputeState.CLOSED,
    "needs_response": DisputeState.NEEDS_RESPONSE,
    "under_review": DisputeState.UNDER_REVIEW,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
}


def payment_snapshot(
    intent: stripe.PaymentIntent,
    *,
    refunds: Sequence[stripe.Refund] = (),
    disputes: Sequence[stripe.Dispute] = (),
) -> PaymentSnapshot:
    """A payment; fee and refunded amount are known only where `latest_charge` is expanded."""
    charge = intent.latest_charge if isinstance(intent.latest_charge, stripe.Charge) else None
    entry = charge.balance_transaction if charge else None
    booked = entry if isinstance(entry, stripe.BalanceTransaction) else None
    return PaymentSnapshot(
        external_id=intent.id,
        state=PAYMENT_STATES[intent.status],
        amount=from_stripe(intent.amount, intent.currency),
        amount_received=from_stripe(intent.amount_received, intent.currency),
        amount_refunded=from_stripe(charge.amount_refunded if charge else 0, intent.currency),
        created_at=instant(intent.created),
        metadata=_metadata(intent.metadata),
        client_secret=intent.client_secret,
        customer_id=_id_of(intent.customer),
        payment_method_id=_id_of(intent.payment_method),
        charge_id=_id_of(intent.latest_charge),
        fee=from_stripe(booked.fee, booked.currency) if booked else None,
        balance_transaction_id=_id_of(entry),
        last_failure=_payment_failure(intent),
        refunds=tuple(refund_snapshot(refund) for refund in refunds),
        disputes=tuple(dispute_snapshot(dispute) for dispute in disputes),
    )


def payment_reference(intent: stripe.PaymentIntent) -> PaymentReference:
    """One line of a list."""
    return PaymentReference(
        external_id=intent.id,
        state=PAYMENT_STATES[intent.status],
        amount=from_stripe(intent.amount, intent.currency),
        created_at=instant(intent.created),
        metadata=_metadata(intent.metadata),
    )


def refund_snapshot(refund: stripe.Refund) -> RefundSnapshot:
    """One refund. Stripe leaves `status` null for some old refunds, which were final at once."""
    return RefundSnapshot(
        refund_id=refund.id,
        amount=from_stripe(refund.amount, refund.currency),
        state=REFUND_STATES[refund.status or "succeeded"],
        created_at=instant(refund.created),
        payment_external_id=_id_of(refund.payment_intent),
        failure_reason=getattr(refund, "failure_reason", None),
        metadata=_metadata(refund.metadata),
    )


def dispute_snapshot(dispute: stripe.Dispute) -> DisputeSnapshot:
    """One dispute, with the money moved so far taken from its balance transactions."""
    entries = dispute.balance_transactions
    settled_in = entries[0].currency if entries else dispute.currency
    due_by = dispute.evidence_details.due_by
    return DisputeSnapshot(
        dispute_id=dispute.id,
        amount=from_stripe(dispute.amount, dispute.currency),
        state=DISPUTE_STATES[dispute.status],
        reason=dispute.reason,
        created_at=instant(dispute.created),
        payment_external_id=_id_of(dispute.payment_intent),
        withdrawn=from_stripe(sum(-entry.amount for entry in entries if entry.amount < 0), settled_in),
        reinstated=from_stripe(sum(entry.amount for entry in entries if entry.amount > 0), settled_in),
        fee=from_stripe(sum(entry.fee for entry in entries), settled_in),
        evidence_due_at=instant(due_by) if due_by else None,
    )


def saved_method(method: stripe.PaymentMethod) -> SavedMethod:
    """A card. Other types are never asked for."""
    card = method.card
    assert card is not None, f"{method.id} is a {method.type}, and only cards are requested"
    return SavedMethod(
        method_id=method.id,
        customer_id=_id_of(method.customer),
        brand=card.brand,
        last4=card.last4,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
        created_at=instant(method.created),
        fingerprint=getattr(card, "fingerprint", None),
    )


def setup_snapshot(setup: stripe.SetupIntent) -> SetupSnapshot:
    """The saving of a card."""
    error = setup.last_setup_error
    return SetupSnapshot(
        setup_id=setup.id,
        state=PAYMENT_STATES[setup.status],
        customer_id=_id_of(setup.customer),
        method_id=_id_of(setup.payment_method),
        client_secret=setup.client_secret,
        last_failure=_attempt_failure(error) if error else None,
    )


def instant(unix_seconds: int) -> datetime:
    """Stripe's time as an aware UTC datetime."""
    return datetime.fromtimestamp(unix_seconds, UTC)


def _payment_failure(intent: stripe.PaymentIntent) -> Failure | None:
    error = intent.last_payment_error
    return _attempt_failure(error) if error else None


def _attempt_failure(
    error: stripe.PaymentIntent.LastPaymentError | stripe.SetupIntent.LastSetupError,
) -> Failure:
    # Nested error objects omit their null fields, unlike the top-level one.
    return card_failure(
        code=getattr(error, "code", None),
        decline_code=getattr(error, "decline_code", None),
        advice_code=getattr(error, "advice_code", None),
        message=getattr(error, "message", None),
    )


def _metadata(metadata: object) -> dict[str, str]:
    if not isinstance(metadata, stripe.StripeObject):
        return {}
    return {str(key): str(value) for key, value in metadata.to_dict().items()}


def _id_of(reference: object) -> str | None:
    """The id of a reference that may be expanded."""
    if reference is None or isinstance(reference, str):
        return reference
    assert isinstance(reference, stripe.StripeObject), f"a {type(reference).__name__} is no reference"
    return str(reference["id"])
