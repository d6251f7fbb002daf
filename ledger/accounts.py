"""The chart of accounts: kinds, their normal side, their floor, and which of them keep a live balance.

Every organization has its own accounts in each currency, so that no two organizations ever queue on one row and no
posting crosses organizations.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final
from uuid import UUID

from ledger.ids import from_bytes


class AccountKind(StrEnum):
    """What an account is for. The value is stored."""

    WALLET = "wallet"
    HOLDS = "holds"
    REVENUE = "revenue"
    PROVIDER_CLEARING = "provider_clearing"
    FEES = "fees"
    RECEIVABLE = "receivable"
    ADJUSTMENTS = "adjustments"


class Side(StrEnum):
    """The side on which an account grows."""

    DEBIT = "debit"
    CREDIT = "credit"


CHART_KINDS: Final = (
    AccountKind.REVENUE,
    AccountKind.PROVIDER_CLEARING,
    AccountKind.FEES,
    AccountKind.RECEIVABLE,
    AccountKind.ADJUSTMENTS,
)
"""Kinds of which each organization has exactly one account per currency."""

NORMAL_SIDE: Final = {
    AccountKind.WALLET: Side.CREDIT,
    AccountKind.HOLDS: Side.CREDIT,
    AccountKind.REVENUE: Side.CREDIT,
    AccountKind.PROVIDER_CLEARING: Side.DEBIT,
    AccountKind.FEES: Side.DEBIT,
    AccountKind.RECEIVABLE: Side.DEBIT,
    AccountKind.ADJUSTMENTS: Side.DEBIT,
}

CODES: Final = {
    AccountKind.WALLET: "CUSTOMER_PREPAY_LIABILITY",
    AccountKind.HOLDS: "CUSTOMER_HOLDS",
    AccountKind.REVENUE: "USAGE_REVENUE",
    AccountKind.PROVIDER_CLEARING: "TOPUP_CLEARING",
    AccountKind.FEES: "PROVIDER_FEES",
    AccountKind.RECEIVABLE: "CUSTOMER_RECEIVABLE",
    AccountKind.ADJUSTMENTS: "ADJUSTMENTS",
}
"""Account codes as users see them."""

KINDS_BY_CODE: Final = {code: kind for kind, code in CODES.items()}


@dataclass(frozen=True, slots=True)
class Account:
    """What never changes of an account.

    `wallet_id` is the wallet whose live row the account moves: itself for a wallet, the wallet beside it for a holds
    account, None for the accounts of the chart, whose balance is the sum of their postings.
    """

    org_id: UUID
    account_id: UUID
    kind: AccountKind
    currency: str
    wallet_id: UUID | None


def chart_account_id(org_id: UUID, currency: str, kind: AccountKind) -> UUID:
    """The id of an organization's account of the chart: the same for ever, so nobody has to look it up."""
    if kind not in CHART_KINDS:
        raise ValueError(f"an organization may have several {kind} accounts")
    return _derived(org_id, f"{currency}/{kind}")


def holds_account_id(wallet_id: UUID) -> UUID:
    """The id of the holds account beside a wallet."""
    return _derived(wallet_id, "holds")


@lru_cache(maxsize=100_000)
def _derived(owner: UUID, name: str) -> UUID:
    """A UUIDv8 (custom) made of a hash."""
    digest = int.from_bytes(hashlib.sha256(owner.bytes + name.encode()).digest()[:16])
    digest = digest & ~(0xF << 76) | 0x8 << 76
    return from_bytes((digest & ~(0b11 << 62) | 0b10 << 62).to_bytes(16))
