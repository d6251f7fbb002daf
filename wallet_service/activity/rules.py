"""Which events are activity, and of which kind."""

from collections.abc import Collection
from typing import Final

from wallet_service.activity.model import Activity, ActivityKind
from wallet_service.events.model import Event, EventType
from wallet_service.events.wording import amount, sentence

_KINDS_OF_FAMILY: Final = {
    "wallet.topup.": ActivityKind.TOP_UP,
    "wallet.deposit.": ActivityKind.TOP_UP,
    "dispute.": ActivityKind.DISPUTE,
    "fraud_warning.": ActivityKind.DISPUTE,
    "wallet.auto_recharge.": ActivityKind.AUTO_RECHARGE,
    "wallet.alert.": ActivityKind.ALERT,
    "wallet.alerts.": ActivityKind.ALERT,
    "payment_method.": ActivityKind.PAYMENT_METHOD,
    "invoice.": ActivityKind.STATEMENT,
    "receipt.": ActivityKind.STATEMENT,
    "spending_limit.": ActivityKind.SPENDING_LIMIT,
    "promotion.": ActivityKind.PROMOTION,
    "billing_account.": ActivityKind.BILLING_ACCOUNT,
}
_KINDS: Final[dict[str, ActivityKind]] = {
    event_type.value: kind
    for event_type in EventType
    for family, kind in _KINDS_OF_FAMILY.items()
    if event_type.startswith(family)
} | {
    EventType.TOPUP_REFUNDED.value: ActivityKind.REFUND,
    EventType.TOPUP_REFUND_REVERSED.value: ActivityKind.REFUND,
}


def types_of(kinds: Collection[ActivityKind]) -> tuple[str, ...]:
    """The event types behind some kinds; behind all of them when none is given."""
    return tuple(event_type for event_type, kind in _KINDS.items() if not kinds or kind in kinds)


def activity_of(event: Event) -> Activity:
    """The line of an event of one of these types. Raises KeyError for any other."""
    return Activity(
        event_id=event.event_id,
        seq=event.seq,
        kind=_KINDS[event.type],
        event_type=event.type,
        summary=sentence(event.type, event.data),
        amount=amount(event.data),
        subject=event.subject,
        created_at=event.created_at,
    )
