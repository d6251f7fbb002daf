"""Activity as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ledger.money import Money


class ActivityKind(StrEnum):
    """What a line is about. The value is published."""

    TOP_UP = "top_up"
    REFUND = "refund"
    DISPUTE = "dispute"
    AUTO_RECHARGE = "auto_recharge"
    ALERT = "alert"
    PAYMENT_METHOD = "payment_method"
    STATEMENT = "statement"
    SPENDING_LIMIT = "spending_limit"
    PROMOTION = "promotion"
    BILLING_ACCOUNT = "billing_account"


@dataclass(frozen=True, slots=True)
class Activity:
    """One line. `amount` is None when it is about no amount; `event_type` and `event_id` lead to the event behind it."""

    event_id: UUID
    seq: int
    kind: ActivityKind
    event_type: str
    summary: str
    amount: Money | None
    subject: str
    created_at: datetime
