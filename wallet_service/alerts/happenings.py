"""What the events of alerts say."""

from decimal import Decimal

from wallet_service import names
from wallet_service.accounts.model import Wallet
from wallet_service.alerts.model import BalanceAlert, DaysAlert, WalletAlerts
from wallet_service.alerts.rules import Turn, daily_burn_minor, whole_days_remaining
from wallet_service.events.model import EventType, NewEvent, rfc3339


def alerts_configured(wallet: Wallet, alerts: WalletAlerts) -> NewEvent:
    """Both thresholds as they are now; null for one that is off."""
    return NewEvent(
        EventType.ALERTS_CONFIGURED,
        names.wallet(wallet.org_slug),
        {
            "balance_alert_minor": alerts.balance.threshold_minor,
            "days_remaining_alert": alerts.days.threshold_days,
            "currency": wallet.currency,
        },
    )


def balance_turned(wallet: Wallet, alert: BalanceAlert, turn: Turn) -> NewEvent:
    """The balance alert fired or recovered."""
    return NewEvent(
        EventType.ALERT_BALANCE if turn.has_fired else EventType.ALERT_BALANCE_RECOVERED,
        names.wallet(wallet.org_slug),
        {
            "balance_minor": turn.balance_minor,
            "threshold_minor": alert.threshold_minor,
            "currency": wallet.currency,
            "occurred_at": rfc3339(turn.at),
        },
    )


def days_turned(wallet: Wallet, alert: DaysAlert, turn: Turn, *, burn_per_hour: Decimal) -> NewEvent:
    """The days alert fired or recovered. `days_remaining` is null when nothing is spent any more."""
    return NewEvent(
        EventType.ALERT_DAYS_REMAINING if turn.has_fired else EventType.ALERT_DAYS_REMAINING_RECOVERED,
        names.wallet(wallet.org_slug),
        {
            "balance_minor": turn.balance_minor,
            "daily_burn_minor": daily_burn_minor(burn_per_hour),
            "days_remaining": whole_days_remaining(balance_minor=turn.balance_minor, burn_per_hour=burn_per_hour),
            "threshold_days": alert.threshold_days,
            "currency": wallet.currency,
            "occurred_at": rfc3339(turn.at),
        },
    )
