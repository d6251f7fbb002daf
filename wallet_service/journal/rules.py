"""What an entry was for, what may be asked of the ledger, and the keys that the ledger sees."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ledger.accounts import CODES, AccountKind
from ledger.commands import KEY_LENGTH_MAX
from ledger.model import EntryKind
from wallet_service.errors import Reason, invalid_field

PURPOSE: Final = "purpose"
"""Metadata key that tells what an entry was for, where the operation that made it does not."""


class Purpose(StrEnum):
    """What an entry was for, as statements group it."""

    TRANSFER = "transfer"
    TOP_UP = "top_up"
    DEPOSIT = "deposit"
    USAGE = "usage"
    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"
    REVERSAL = "reversal"
    REFUND = "refund"
    DISPUTE = "dispute"
    FEE = "fee"


PURPOSE_OF_KIND: Final = {
    EntryKind.TRANSFER: Purpose.TRANSFER,
    EntryKind.ENTRY: Purpose.TRANSFER,
    EntryKind.DRAW: Purpose.TRANSFER,
    EntryKind.HOLD: Purpose.HOLD,
    EntryKind.CAPTURE: Purpose.CAPTURE,
    EntryKind.RELEASE: Purpose.RELEASE,
    EntryKind.EXPIRE: Purpose.RELEASE,
    EntryKind.REVERSAL: Purpose.REVERSAL,
    EntryKind.ACCRUAL: Purpose.USAGE,
}
_PURPOSES: Final = frozenset(Purpose)


def purpose_of(kind: EntryKind, metadata: Mapping[str, str]) -> Purpose:
    """The purpose that an entry states, or else the one that follows from the operation that made it."""
    stated = metadata.get(PURPOSE)
    return Purpose(stated) if stated in _PURPOSES else PURPOSE_OF_KIND[kind]


@dataclass(frozen=True, slots=True)
class OperatorLeg:
    """One leg of an entry as an operator writes it. `amount_minor` is above 0; `currency` "" means the wallet's."""

    account_code: str
    amount_minor: int
    currency: str
    is_debit: bool


@dataclass(frozen=True, slots=True)
class EntryLeg:
    """One leg of a posted entry; `amount_minor` is above 0."""

    account_code: str
    amount_minor: int
    is_debit: bool


def reversible_minor(legs: Sequence[EntryLeg]) -> int:
    """What of an entry can be taken back in all: what it moved, not counting moves between a wallet and its holds."""
    net: dict[str, int] = {}
    for leg in legs:
        code = CODES[AccountKind.WALLET] if leg.account_code == CODES[AccountKind.HOLDS] else leg.account_code
        net[code] = net.get(code, 0) + (leg.amount_minor if leg.is_debit else -leg.amount_minor)
    return sum(amount for amount in net.values() if amount > 0)


def imbalance(legs: Sequence[OperatorLeg]) -> int:
    """Debits minus credits, in minor units."""
    return sum(leg.amount_minor if leg.is_debit else -leg.amount_minor for leg in legs)


def ledger_key(operation: str, key: str) -> str:
    """The ledger's key for a caller's: the operation's name stands in front, so that a key means one thing in each.

    No key that the service makes for itself begins with `caller/`: an operator's `refund` and a provider's never meet. A key
    that does not fit beside the name is replaced by its hash.
    """
    plain = f"caller/{operation}:{key}"
    return plain if len(plain) <= KEY_LENGTH_MAX else f"caller/{operation}#{hashlib.sha256(key.encode()).hexdigest()}"


def check_currency(currency: str, *, wallet_currency: str, field: str) -> None:
    """An empty currency is the wallet's, and the case does not matter. Raises CURRENCY_MISMATCH for another one."""
    if currency and currency.upper() != wallet_currency:
        raise invalid_field(field, f"the wallet's currency is {wallet_currency}", reason=Reason.CURRENCY_MISMATCH)
