"""Reversals: new entries that take an old one back, wholly or in part, and never more than was posted.

The net of the original counts, with its holds account read as the wallet beside it: a captured hold returns to the
wallet, and an entry that only opened or released a hold has nothing to reverse.

A part of several legs is given back from the end: debits are consumed in reverse order, and so are credits, each side
from where the last reversal stopped. So no leg is ever reversed by more than it was, whatever the parts.
"""

from collections.abc import Sequence
from uuid import UUID

from ledger.commands import Command
from ledger.model import (
    EntryKind,
    ExceedsRemaining,
    InsufficientFunds,
    NotReversible,
    Outcome,
    Reversal,
    UnknownEntry,
    UnpostableAccount,
)
from ledger.state import Original
from ledger.working import Batch, Party, PartyLeg, Unusable


def reverse(batch: Batch, command: Command, request: Reversal) -> Outcome:
    """Post the opposite of what is left of an entry, or of a part of it."""
    original = batch.original(command.org_id, request.original_entry_id)
    if original is None:
        return UnknownEntry(request.original_entry_id)
    net = _net(batch, original)
    if not net:
        return NotReversible(original.entry_id)
    parties = _usable(batch, original, net, request.shortfall_account)
    if not isinstance(parties, list):
        return parties
    gross = sum(amount for amount in net.values() if amount > 0)
    done = batch.reversed_minor(original)
    amount = gross - done if request.amount_minor is None else request.amount_minor
    if amount == 0 or amount > gross - done:
        return ExceedsRemaining(gross - done)
    by_id = {party.account_id: party for party in parties}
    debited = [(by_id[key], value) for key, value in net.items() if value > 0]
    credited = [(by_id[key], -value) for key, value in net.items() if value < 0]
    shortfall = request.shortfall_account
    takes = _covered(
        _part(credited, start=done, size=amount),
        None if shortfall is None else by_id[shortfall],
    )
    if not isinstance(takes, list):
        return takes
    gives = [(party, -part) for party, part in _part(debited, start=done, size=amount)]
    posted = batch.post(
        command,
        EntryKind.REVERSAL,
        takes + gives,
        amount,
        reverses=original.entry_id,
    )
    batch.add_reversed(original, amount)
    return posted


def _net(batch: Batch, original: Original) -> dict[UUID, int]:
    """What the entry did to each account, holds read as their wallet; accounts it left as they were are not in it."""
    net: dict[UUID, int] = {}
    for leg in original.legs:
        party = batch.party(original.org_id, leg.account_id)
        wallet = None if party is None else party.wallet
        key = leg.account_id if wallet is None else wallet.account_id
        net[key] = net.get(key, 0) + leg.amount_minor
    return {key: amount for key, amount in net.items() if amount}


def _usable(batch: Batch, original: Original, net: dict[UUID, int], shortfall: UUID | None) -> list[Party] | Unusable:
    """The accounts of the original and the one for a shortfall, which must not be a wallet."""
    account_ids = list(net) if shortfall is None else [*net, shortfall]
    parties = batch.usable(original.org_id, account_ids, original.currency)
    if not isinstance(parties, list) or shortfall is None:
        return parties
    if parties[-1].wallet is not None:
        return UnpostableAccount(shortfall)
    return parties


def _part(legs: Sequence[PartyLeg], *, start: int, size: int) -> list[PartyLeg]:
    """The stretch [start, start + size) of the amounts laid end to end, last leg first."""
    part: list[PartyLeg] = []
    position = 0
    for party, amount in reversed(legs):
        low, high = max(position, start), min(position + amount, start + size)
        if low < high:
            part.append((party, high - low))
        position += amount
    return part


def _covered(takes: list[PartyLeg], shortfall: Party | None) -> list[PartyLeg] | InsufficientFunds:
    """The legs to debit, with what wallets lack moved to the shortfall account, or the first wallet that lacks."""
    covered: list[PartyLeg] = []
    lacking = 0
    for party, amount in takes:
        if party.wallet is None:
            covered.append((party, amount))
            continue
        available = party.wallet.available_minor
        taken = min(amount, max(available, 0))
        if taken < amount and shortfall is None:
            return InsufficientFunds(party.account_id, available)
        if taken:
            covered.append((party, taken))
        lacking += amount - taken
    if lacking and shortfall is not None:
        covered.append((shortfall, lacking))
    return covered
