"""Events as values. Times are aware UTC."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

Data = Mapping[str, str | int | bool | None]
"""Facts of an event. Amounts are whole minor units beside a `currency`, times RFC 3339 text, references resource names."""


def rfc3339(at: datetime) -> str:
    """A UTC time as events and their deliveries write it."""
    return at.isoformat().replace("+00:00", "Z")


class EventType(StrEnum):
    """Everything that an event can be about. The value is stored and published: it is never changed or used again."""

    TOPUP_CREATED = "wallet.topup.created"
    TOPUP_SUCCEEDED = "wallet.topup.succeeded"
    TOPUP_FAILED = "wallet.topup.failed"
    TOPUP_CANCELED = "wallet.topup.canceled"
    TOPUP_REFUNDED = "wallet.topup.refunded"
    TOPUP_REFUND_REVERSED = "wallet.topup.refund_reversed"
    TOPUP_PAYMENT_UNMATCHED = "wallet.topup.payment_unmatched"
    DISPUTE_CREATED = "dispute.created"
    DISPUTE_WON = "dispute.won"
    DISPUTE_LOST = "dispute.lost"
    FRAUD_WARNING_CREATED = "fraud_warning.created"
    PAYMENT_METHOD_ATTACHED = "payment_method.attached"
    PAYMENT_METHOD_DETACHED = "payment_method.detached"
    PAYMENT_METHOD_DEFAULT_CHANGED = "payment_method.default_changed"
    AUTO_RECHARGE_CONFIGURED = "wallet.auto_recharge.configured"
    AUTO_RECHARGE_DELETED = "wallet.auto_recharge.deleted"
    AUTO_RECHARGE_STARTED = "wallet.auto_recharge.started"
    AUTO_RECHARGE_SUCCEEDED = "wallet.auto_recharge.succeeded"
    AUTO_RECHARGE_FAILED = "wallet.auto_recharge.failed"
    AUTO_RECHARGE_SKIPPED = "wallet.auto_recharge.skipped"
    AUTO_RECHARGE_DISABLED = "wallet.auto_recharge.disabled"
    AUTO_RECHARGE_ACTION_REQUIRED = "wallet.auto_recharge.action_required"
    ALERTS_CONFIGURED = "wallet.alerts.configured"
    ALERT_BALANCE = "wallet.alert.balance"
    ALERT_BALANCE_RECOVERED = "wallet.alert.balance_recovered"
    ALERT_DAYS_REMAINING = "wallet.alert.days_remaining"
    ALERT_DAYS_REMAINING_RECOVERED = "wallet.alert.days_remaining_recovered"
    SPENDING_LIMIT_SET = "spending_limit.set"
    SPENDING_LIMIT_DELETED = "spending_limit.deleted"
    SPENDING_LIMIT_REACHED = "spending_limit.reached"
    SPENDING_LIMIT_RESET = "spending_limit.reset"
    INVOICE_FINALIZED = "invoice.finalized"
    RECEIPT_ISSUED = "receipt.issued"
    USAGE_EXPORTED = "usage.exported"
    PROMOTION_REDEEMED = "promotion.redeemed"
    BILLING_ACCOUNT_UPDATED = "billing_account.updated"
    BILLING_ACCOUNT_WARNED = "billing_account.warned"
    BILLING_ACCOUNT_GRACE_STARTED = "billing_account.grace_started"
    BILLING_ACCOUNT_SUSPENDED = "billing_account.suspended"
    BILLING_ACCOUNT_RESUMED = "billing_account.resumed"
    BILLING_ACCOUNT_CLOSED = "billing_account.closed"
    ORGANIZATION_CREATED = "organization.created"
    ORGANIZATION_UPDATED = "organization.updated"
    PROJECT_CREATED = "project.created"
    PROJECT_UPDATED = "project.updated"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    WALLET_CREATED = "wallet.created"
    WALLET_CLOSED = "wallet.closed"
    DEPOSIT_RECORDED = "wallet.deposit.recorded"
    WEBHOOK_ENDPOINT_CREATED = "webhook_endpoint.created"
    WEBHOOK_ENDPOINT_UPDATED = "webhook_endpoint.updated"
    WEBHOOK_ENDPOINT_DELETED = "webhook_endpoint.deleted"
    WEBHOOK_ENDPOINT_PAUSED = "webhook_endpoint.paused"
    WEBHOOK_ENDPOINT_RESUMED = "webhook_endpoint.resumed"
    WEBHOOK_ENDPOINT_TEST = "webhook_endpoint.test"
    NOTIFICATION_SETTINGS_UPDATED = "notification_settings.updated"
    TEST_CLOCK_ADVANCED = "test_clock.advanced"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be written. `subject` is the resource name of what it is about."""

    type: EventType
    subject: str
    data: Data = field(default_factory=dict[str, str | int | bool | None])


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it was written. `type` is text: a newer release may have written a type that this one does not know."""

    org_id: uuid.UUID
    seq: int
    event_id: uuid.UUID
    type: str
    subject: str
    data: Data
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Watched:
    """One step of following events: an event, or None for a sign of life; everything up to `seq` has been shown."""

    event: Event | None
    seq: int
