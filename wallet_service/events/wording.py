"""Events in one line of English, for people. Pure: what an event does not tell is left out."""

from typing import Final

from ledger.money import EXPONENTS, Money
from wallet_service.events.model import Data, EventType

_SENTENCES: Final[dict[str, str]] = {
    EventType.TOPUP_CREATED: "Top-up{of} started",
    EventType.TOPUP_SUCCEEDED: "Top-up{of} succeeded",
    EventType.TOPUP_FAILED: "Top-up{of} failed{why}",
    EventType.TOPUP_CANCELED: "Top-up{of} was canceled",
    EventType.TOPUP_REFUNDED: "Refund{of} of a top-up",
    EventType.TOPUP_REFUND_REVERSED: "Refund{of} failed and the money is back",
    EventType.TOPUP_PAYMENT_UNMATCHED: "A payment{of} could not be matched",
    EventType.DISPUTE_CREATED: "A payment{of} was disputed",
    EventType.DISPUTE_WON: "Dispute{of} was won",
    EventType.DISPUTE_LOST: "Dispute{of} was lost",
    EventType.FRAUD_WARNING_CREATED: "The card issuer warns of fraud on a payment{of}",
    EventType.PAYMENT_METHOD_ATTACHED: "A payment method was added",
    EventType.PAYMENT_METHOD_DETACHED: "A payment method was removed",
    EventType.PAYMENT_METHOD_DEFAULT_CHANGED: "The default payment method was changed",
    EventType.AUTO_RECHARGE_CONFIGURED: "Auto-recharge was configured",
    EventType.AUTO_RECHARGE_DELETED: "Auto-recharge was removed",
    EventType.AUTO_RECHARGE_STARTED: "Auto-recharge{of} started",
    EventType.AUTO_RECHARGE_SUCCEEDED: "Auto-recharge{of} succeeded",
    EventType.AUTO_RECHARGE_FAILED: "Auto-recharge{of} failed{why}",
    EventType.AUTO_RECHARGE_SKIPPED: "Auto-recharge was skipped{why}",
    EventType.AUTO_RECHARGE_DISABLED: "Auto-recharge was disabled{why}",
    EventType.AUTO_RECHARGE_ACTION_REQUIRED: "Auto-recharge{of} needs your confirmation",
    EventType.ALERTS_CONFIGURED: "Alerts were configured",
    EventType.ALERT_BALANCE: "The balance fell below the alert threshold",
    EventType.ALERT_BALANCE_RECOVERED: "The balance is above the alert threshold again",
    EventType.ALERT_DAYS_REMAINING: "The balance lasts for fewer days than the alert asks for",
    EventType.ALERT_DAYS_REMAINING_RECOVERED: "The balance lasts for as many days as the alert asks for again",
    EventType.SPENDING_LIMIT_SET: "Spending limit{of} was set",
    EventType.SPENDING_LIMIT_DELETED: "The spending limit was removed",
    EventType.SPENDING_LIMIT_REACHED: "The spending limit{of} was reached",
    EventType.SPENDING_LIMIT_RESET: "The spending limit{of} allows spending again",
    EventType.INVOICE_FINALIZED: "Statement{number} is ready",
    EventType.RECEIPT_ISSUED: "Receipt{number} is ready",
    EventType.PROMOTION_REDEEMED: "A promotion code was redeemed",
    EventType.BILLING_ACCOUNT_UPDATED: "The billing account was changed",
    EventType.BILLING_ACCOUNT_WARNED: "The balance will run out soon",
    EventType.BILLING_ACCOUNT_GRACE_STARTED: "The balance ran out; the time of grace began",
    EventType.BILLING_ACCOUNT_SUSPENDED: "The billing account was suspended{why}",
    EventType.BILLING_ACCOUNT_RESUMED: "The billing account is active again",
    EventType.BILLING_ACCOUNT_CLOSED: "The billing account was closed",
    EventType.DEPOSIT_RECORDED: "Deposit{of} was recorded",
}


def sentence(event_type: str, data: Data) -> str:
    """One line that tells the event; for a type without words, the type itself."""
    template = _SENTENCES.get(event_type)
    if template is None:
        return event_type
    money = amount(data)
    number = data.get("number")
    why = next((data[key] for key in ("message", "reason") if data.get(key)), None)
    return template.format(
        of=f" of {money}" if money is not None else "",
        number=f" {number}" if number else "",
        why=f": {why}" if why else "",
    )


def amount(data: Data) -> Money | None:
    """The amount that an event is about, if it is about one in a known currency."""
    minor, currency = data.get("amount_minor"), data.get("currency")
    if isinstance(minor, bool) or not isinstance(minor, int) or not isinstance(currency, str):
        return None
    return Money(minor, currency) if currency in EXPONENTS else None
