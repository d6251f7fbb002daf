"""Automatic recharging as values. Amounts are whole minor units of the wallet's currency, times are aware UTC."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class AttemptState(StrEnum):
    """The value is stored. The first two are open: the payment may still succeed, and no other attempt can begin."""

    IN_FLIGHT = "in_flight"
    ACTION_REQUIRED = "action_required"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class SkipReason(StrEnum):
    """Why a recharge that was due did not happen. The value is stored and published."""

    IN_FLIGHT = "in_flight"
    PENDING_TOP_UP = "pending_top_up"
    COOLDOWN = "cooldown"
    BACK_OFF = "back_off"
    DAILY_CAP = "daily_cap"
    MONTHLY_CAP = "monthly_cap"
    NO_PAYMENT_METHOD = "no_payment_method"
    ACCOUNT_NOT_ACTIVE = "account_not_active"


class DisabledReason(StrEnum):
    """Why the service turned recharging off. The value is stored and published."""

    CARD_DECLINED = "card_declined"
    AUTHENTICATION_REQUIRED = "authentication_required"
    RETRIES_EXHAUSTED = "retries_exhausted"
    PAYMENT_REFUSED = "payment_refused"
    DISPUTE = "dispute"
    FRAUD_WARNING = "fraud_warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the customer agreed to.

    One recharge charges `amount_minor`; or, with `close_gap_max_minor` of at least that, what brings the balance back to
    the threshold where that is more, up to that maximum. Both caps are at least `amount_minor`.
    """

    threshold_minor: int
    amount_minor: int
    payment_method_id: str
    close_gap_max_minor: int
    daily_cap_minor: int
    monthly_cap_minor: int
    cooldown: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RechargeConfig:
    """A row of `auto_recharges`; see there for what each field means."""

    org_id: UUID
    wallet_id: UUID
    is_enabled: bool
    terms: Terms
    consent_id: UUID
    armed_seq: int
    created_at: datetime
    updated_at: datetime
    disabled_reason: DisabledReason | None = None
    last_error_code: str | None = None
    last_error: str | None = None
    last_failed_at: datetime | None = None
    last_succeeded_at: datetime | None = None
    failure_count: int = 0
    last_skip: SkipReason | None = None
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A row of `auto_recharge_consents`: who agreed to which words when. `key_id` is the API key that said so."""

    org_id: UUID
    consent_id: UUID
    wallet_id: UUID
    key_id: UUID
    mandate_version: str
    mandate_text: str
    terms: Terms
    currency: str
    agreed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A row of `auto_recharge_attempts`. `next_check_at` is when the payment is to be worked on, None for not by us."""

    org_id: UUID
    attempt_id: UUID
    wallet_id: UUID
    topup_id: UUID
    amount_minor: int
    state: AttemptState
    created_at: datetime
    next_check_at: datetime | None
    try_count: int = 0
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Charged:
    """What attempts of a window have charged or may still charge, and when the first of them ended."""

    total_minor: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class RechargeView:
    """How recharging of a wallet stands. No `config`: it was never turned on, or was deleted."""

    currency: str
    config: RechargeConfig | None = None
    consent: Consent | None = None
    open_attempt: Attempt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides besides the terms.

    `pending_minor` is what is on its way without the customer's doing. `is_open`: a recharge is in flight. `day` and
    `month`: what was charged in the last 24 hours and 31 days. `last_attempt_at` is that of the last attempt whatever
    became of it, `not_before` the end of the wait after a decline.
    """

    available_minor: int
    pending_minor: int = 0
    is_open: bool = False
    is_account_active: bool = True
    has_method: bool = True
    day: Charged = Charged(0, None)
    month: Charged = Charged(0, None)
    last_attempt_at: datetime | None = None
    not_before: datetime | None = None
