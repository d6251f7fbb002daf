"""Saved cards as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class MethodState(StrEnum):
    """The value is stored. Only an ATTACHED card is shown and can be charged; DETACHED is final."""

    ATTACHED = "attached"
    DETACHING = "detaching"
    DETACHED = "detached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """An organization's customer record at a provider; `customer_id` is None until the provider has made it."""

    org_id: UUID
    provider: str
    billing_account_id: UUID
    provider_key: str
    customer_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod:
    """A saved card. `exp_month` 1..12 and `exp_year` with four digits, or 0 when it does not expire."""

    org_id: UUID
    payment_method_id: str
    provider: str
    provider_method_id: str
    customer_id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    is_default: bool
    state: MethodState
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSetup:
    """The saving of a card; `external_id` is None until the provider has answered."""

    org_id: UUID
    setup_id: UUID
    provider: str
    provider_key: str
    external_id: str | None
    created_at: datetime
