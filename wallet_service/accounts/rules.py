"""Decisions about organizations and wallets: values in, values out."""

from datetime import timedelta
from typing import Final

from ledger.money import EXPONENTS
from wallet_service.accounts.model import BillingAccount, BillingAccountState, WalletBalance
from wallet_service.errors import Code, Reason, ServiceError, invalid_field

CURRENCY_DEFAULT: Final = "USD"
USAGE_AGE_LIMIT: Final = timedelta(days=3650)
"""The most that an organization may allow."""


def currency_of(requested: str, *, default: str, field: str) -> str:
    """The ISO 4217 code that was asked for, in upper case, or `default`. Raises INVALID_FIELD for an unknown one."""
    code = requested.upper() or default
    if code not in EXPONENTS:
        raise invalid_field(field, "is not a currency of ISO 4217 that has minor units")
    return code


def check_usage_age(age: timedelta | None, field: str) -> None:
    """Whole seconds, from one second to ten years; None means the default."""
    if age is None:
        return
    if not timedelta(seconds=1) <= age <= USAGE_AGE_LIMIT:
        raise invalid_field(field, "must lie between one second and ten years")
    if age % timedelta(seconds=1):
        raise invalid_field(field, "must be a whole number of seconds")


def refuse_if_closed(account: BillingAccount) -> None:
    """FAILED_PRECONDITION / BILLING_ACCOUNT_CLOSED: a closed billing account gets no wallet."""
    if account.state is BillingAccountState.CLOSED:
        raise ServiceError(
            Code.FAILED_PRECONDITION, Reason.BILLING_ACCOUNT_CLOSED, "the billing account is closed for good"
        )


def refuse_unless_empty(balance: WalletBalance) -> None:
    """FAILED_PRECONDITION / WALLET_NOT_EMPTY when a wallet still holds, owes or carries anything."""
    if not (balance.available_minor or balance.held_minor or balance.carry):
        return
    raise ServiceError(
        Code.FAILED_PRECONDITION,
        Reason.WALLET_NOT_EMPTY,
        f"the wallet has {balance.available_minor} available, {balance.held_minor} held and {balance.carry_text} carried"
        f" {balance.currency} minor units",
        metadata={
            "available_minor": str(balance.available_minor),
            "held_minor": str(balance.held_minor),
            "carry_minor": balance.carry_text,
            "currency": balance.currency,
        },
    )
