"""What the world is told of top-ups. Pure: changes in, events out."""

from typing import Final

from wallet_service import names
from wallet_service.events.model import Data, EventType, NewEvent
from wallet_service.topups.model import ClaimKind, TakenBack, TopUp, TopUpState, UnmatchedPayment

_ENDED: Final = {
    TopUpState.SUCCEEDED: EventType.TOPUP_SUCCEEDED,
    TopUpState.FAILED: EventType.TOPUP_FAILED,
    TopUpState.CANCELED: EventType.TOPUP_CANCELED,
}
_DECIDED: Final = {"won": EventType.DISPUTE_WON, "lost": EventType.DISPUTE_LOST}


def of_topup(slug: str, before: TopUp | None, after: TopUp) -> list[NewEvent]:
    """Made, or ended."""
    if before is None:
        return [NewEvent(EventType.TOPUP_CREATED, topup_name(slug, after), _about(slug, after))]
    if after.state is before.state:
        return []
    data = _about(slug, after)
    if after.entry_id is not None:
        data["journal_entry"] = names.child("journal-entries", slug, str(after.entry_id))
    if after.failure is not None:
        data |= {"reason": after.failure.reason.value, "code": after.failure.code, "message": after.failure.message}
    return [NewEvent(_ENDED[after.state], topup_name(slug, after), data)]


def of_claim(slug: str, topup: TopUp, before: TakenBack | None, after: TakenBack) -> list[NewEvent]:
    """Taken, given back, opened, decided."""
    data: Data = {
        "wallet": names.wallet(slug),
        "external_id": after.external_id,
        "reference": after.provider_reference,
        "amount_minor": after.amount_minor,
        "currency": after.currency,
        "status": after.status,
        "is_away": after.is_away,
    }
    return [NewEvent(kind, topup_name(slug, topup), data) for kind in _claim_types(before, after)]


def of_unmatched(slug: str, topup: TopUp, payment: UnmatchedPayment) -> NewEvent:
    """Money that is not the credit of its top-up, and where it is now."""
    data: Data = {
        "wallet": names.wallet(slug),
        "external_id": payment.external_id,
        "amount_minor": payment.amount.amount_minor,
        "currency": payment.amount.currency,
        "reason": payment.reason.value,
        "is_in_wallet": payment.is_in_wallet,
        "journal_entry": names.child("journal-entries", slug, str(payment.entry_id)),
    }
    return NewEvent(EventType.TOPUP_PAYMENT_UNMATCHED, topup_name(slug, topup), data)


def topup_name(slug: str, topup: TopUp) -> str:
    """The resource name of a top-up."""
    return names.child("topUps", slug, str(topup.topup_id))


def _about(slug: str, topup: TopUp) -> dict[str, str | int | bool | None]:
    return {
        "wallet": names.wallet(slug),
        "method": topup.method.value,
        "origin": topup.origin.value,
        "amount_minor": topup.amount_minor,
        "currency": topup.currency,
        "external_id": topup.external_id,
    }


def _claim_types(before: TakenBack | None, after: TakenBack) -> list[EventType]:
    if after.kind is ClaimKind.FRAUD_WARNING:
        return [EventType.FRAUD_WARNING_CREATED]
    if after.kind is ClaimKind.REFUND:
        if after.is_away == (before is not None and before.is_away):
            return []
        return [EventType.TOPUP_REFUNDED if after.is_away else EventType.TOPUP_REFUND_REVERSED]
    opened = [EventType.DISPUTE_CREATED] if before is None else []
    is_decided = after.status in _DECIDED and (before is None or before.status != after.status)
    return [*opened, _DECIDED[after.status]] if is_decided else opened
