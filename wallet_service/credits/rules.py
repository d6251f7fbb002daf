"""What credits show of the wallet, and their own minimums. Pure: values in, values out."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from ledger.money import EXACT
from wallet_service.credits.model import Card, TopUpConfig, TopUpStatus, UsageWindow
from wallet_service.errors import Reason, invalid_field
from wallet_service.payment_methods.model import PaymentMethod
from wallet_service.recharge.model import RechargeConfig
from wallet_service.topups.model import TopUp, TopUpState
from wallet_service.usage.query_rules import Bucket, UsageRow, bucket_end

TOPUP_MINOR_MIN: Final = 1000
THRESHOLD_MINOR_MIN: Final = 500
HISTORY: Final = timedelta(days=30)
"""How far back a history goes that names no start."""
HISTORY_END: Final = datetime(9999, 12, 1, tzinfo=UTC)
"""Nothing was used that late, and there are whole days after it to count with."""

_STATUSES: Final = {
    TopUpState.PENDING: TopUpStatus.PENDING,
    TopUpState.SUCCEEDED: TopUpStatus.COMPLETED,
    TopUpState.FAILED: TopUpStatus.FAILED,
    TopUpState.CANCELED: TopUpStatus.FAILED,
}


def check_topup(amount_minor: int) -> None:
    """Raises AMOUNT_TOO_SMALL below 1000 minor units."""
    if amount_minor < TOPUP_MINOR_MIN:
        raise invalid_field("amount_minor", f"must be at least {TOPUP_MINOR_MIN}", reason=Reason.AMOUNT_TOO_SMALL)


def check_threshold(threshold_minor: int) -> None:
    """Raises AMOUNT_TOO_SMALL below 500 minor units."""
    if threshold_minor < THRESHOLD_MINOR_MIN:
        raise invalid_field(
            "threshold_minor", f"must be at least {THRESHOLD_MINOR_MIN}", reason=Reason.AMOUNT_TOO_SMALL
        )


def exact_balance(balance_minor: int, carry: Decimal) -> Decimal:
    """What is left when the usage is taken off too that makes up no whole minor unit yet."""
    return EXACT.subtract(Decimal(balance_minor), carry)


def card_of(method: PaymentMethod) -> Card:
    return Card(method.brand, method.last4)


def shown_config(config: RechargeConfig | None) -> TopUpConfig:
    """What is on, and what the service has turned off with its reason; what the customer has turned off is not there."""
    if config is None or not (config.is_enabled or config.disabled_reason):
        return TopUpConfig()
    return TopUpConfig(
        amount_minor=config.terms.amount_minor,
        threshold_minor=config.terms.threshold_minor,
        disabled_reason=config.disabled_reason,
        error=config.last_error,
        last_failed_at=config.last_failed_at,
    )


def status_of(topup: TopUp) -> TopUpStatus:
    """Only what was credited is completed. What was canceled has failed."""
    return _STATUSES[topup.state]


def failure_message(topup: TopUp) -> str:
    """Why it failed, for people; "" when it did not."""
    if status_of(topup) is not TopUpStatus.FAILED:
        return ""
    return topup.failure.message if topup.failure else "the payment was canceled before it was paid"


def default_start(end: datetime) -> datetime:
    """Start of the UTC day that lies 30 days before `end`, so that the first window is whole."""
    return (end - HISTORY).replace(hour=0, minute=0, second=0, microsecond=0)


def window_of(row: UsageRow, bucket: Bucket) -> UsageWindow:
    """A row without dimensions as a window, known by its width, start and currency: `day-2026-03-01-usd`."""
    start = row.bucket_start
    stamp = f"{start:%Y-%m-%d}" if bucket is Bucket.DAY else f"{start:%Y-%m-%dT%H}"
    return UsageWindow(
        f"{bucket.value}-{stamp}-{row.currency.lower()}", start, bucket_end(bucket, start), row.cost_minor_exact
    )
