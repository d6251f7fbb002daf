"""Alerts as values. Times are aware UTC, amounts minor units of the wallet's currency."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class BalanceAlert:
    """Warns when the balance is below `threshold_minor` (> 0; None: off).

    `has_fired`: it is below, and that was said. Entries up to `from_seq` were before this threshold.
    """

    threshold_minor: int | None
    from_seq: int
    has_fired: bool
    last_fired_at: datetime | None


@dataclass(frozen=True, slots=True)
class DaysAlert:
    """Warns when the balance lasts for fewer than `threshold_days` (> 0; None: off).

    `check_at`: when it is looked at again even if nothing is posted; None while it is off.
    """

    threshold_days: int | None
    has_fired: bool
    last_fired_at: datetime | None
    check_at: datetime | None


@dataclass(frozen=True, slots=True)
class WalletAlerts:
    """Both alerts of one wallet."""

    org_id: UUID
    wallet_id: UUID
    balance: BalanceAlert
    days: DaysAlert


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """What callers see: the alerts, and whose they are."""

    org_slug: str
    currency: str
    alerts: WalletAlerts
