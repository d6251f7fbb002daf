"""When alerts fire and recover. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final
from uuid import UUID

from wallet_service.alerts.model import BalanceAlert, DaysAlert, WalletAlerts
from wallet_service.watching.model import Move

DAYS_LOOKED_AT_EVERY: Final = timedelta(hours=6)
"""How old the estimate of the days may become while nothing is posted."""

_HOURS_A_DAY: Final = 24
_WIDE: Final = Context(prec=96)
_BURN_STEP: Final = Decimal("0.000001")
"""A burn is a mean, often without an end, so what follows from it is rounded to millionths of a minor unit."""


@dataclass(frozen=True, slots=True)
class Turn:
    """An alert fired, or recovered (`has_fired` false), at this balance. `entry_seq` is None where no entry did it."""

    has_fired: bool
    at: datetime
    balance_minor: int
    entry_seq: int | None


def no_alerts(org_id: UUID, wallet_id: UUID) -> WalletAlerts:
    """A wallet for which nothing was configured."""
    return WalletAlerts(org_id, wallet_id, BalanceAlert(None, 0, False, None), DaysAlert(None, False, None, None))


def configured(
    alerts: WalletAlerts,
    *,
    balance_alert_minor: int | None,
    days_remaining_alert: int | None,
    entry_seq: int,
    now: datetime,
) -> WalletAlerts:
    """The alerts with both thresholds replaced; None or 0 turns one off. `entry_seq`: the last entry of now.

    A threshold that stays what it was keeps all that is known; another one starts as if it had not fired, and is to be
    looked at now (`judged`, `estimated`). When an alert last fired is remembered in any case.
    """
    balance, days = alerts.balance, alerts.days
    threshold_minor, threshold_days = balance_alert_minor or None, days_remaining_alert or None
    if threshold_minor != balance.threshold_minor:
        balance = BalanceAlert(threshold_minor, entry_seq, False, balance.last_fired_at)
    if threshold_days != days.threshold_days:
        days = DaysAlert(threshold_days, False, days.last_fired_at, None if threshold_days is None else now)
    return replace(alerts, balance=balance, days=days)


def replay(alert: BalanceAlert, moves: Iterable[Move]) -> tuple[BalanceAlert, list[Turn]]:
    """The alert after the moves, and its turns in order. Below the threshold fires, at it or above recovers."""
    turns: list[Turn] = []
    threshold_minor = alert.threshold_minor
    if threshold_minor is None:
        return alert, turns
    for move in moves:
        if move.entry_seq <= alert.from_seq:
            continue
        is_below = move.balance_minor < threshold_minor
        if is_below == alert.has_fired:
            continue
        turns.append(Turn(is_below, move.recorded_at, move.balance_minor, move.entry_seq))
        last_fired_at = move.recorded_at if is_below else alert.last_fired_at
        alert = replace(alert, has_fired=is_below, last_fired_at=last_fired_at)
    return alert, turns


def judged(alert: BalanceAlert, *, balance_minor: int, now: datetime) -> tuple[BalanceAlert, Turn | None]:
    """A threshold that is new, looked at once as the wallet stands: it may fire. Later it follows the journal."""
    if alert.threshold_minor is None or alert.has_fired or balance_minor >= alert.threshold_minor:
        return alert, None
    return replace(alert, has_fired=True, last_fired_at=now), Turn(True, now, balance_minor, None)


def estimated(
    alert: DaysAlert, *, balance_minor: int, burn_per_hour: Decimal, now: datetime
) -> tuple[DaysAlert, Turn | None]:
    """The alert at a balance and burn (minor units an hour).

    Fires when the balance is burnt in fewer days than the threshold. Recovers when it lasts for a tenth longer than the
    threshold, so that an estimate that wavers around it says so once. What burns nothing lasts for ever, unless it is
    below zero.
    """
    threshold_days = alert.threshold_days
    if threshold_days is None:
        return alert, None
    alert = replace(alert, check_at=now + DAYS_LOOKED_AT_EVERY)
    needed = _burnt_in(threshold_days, burn_per_hour)
    if not alert.has_fired and balance_minor < needed:
        return replace(alert, has_fired=True, last_fired_at=now), Turn(True, now, balance_minor, None)
    if alert.has_fired and 10 * balance_minor >= 11 * needed:
        return replace(alert, has_fired=False), Turn(False, now, balance_minor, None)
    return alert, None


def daily_burn_minor(burn_per_hour: Decimal) -> int:
    """Whole minor units a day, rounded half even, for people."""
    return int(_burnt_in(1, burn_per_hour).to_integral_value(ROUND_HALF_EVEN))


def whole_days_remaining(*, balance_minor: int, burn_per_hour: Decimal) -> int | None:
    """Whole days that the balance lasts, rounded down; 0 when it is below zero, None for ever."""
    if balance_minor < 0:
        return 0
    a_day = _burnt_in(1, burn_per_hour)
    return None if a_day <= 0 else int(_WIDE.divide_int(Decimal(balance_minor), a_day))


def _burnt_in(days: int, burn_per_hour: Decimal) -> Decimal:
    burnt = _WIDE.multiply(burn_per_hour, Decimal(_HOURS_A_DAY * days))
    return burnt.quantize(_BURN_STEP, rounding=ROUND_HALF_EVEN, context=_WIDE)
