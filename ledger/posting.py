"""The decision: what a batch of requests does to a ledger. Pure and ordered; the heart of the kernel.

`decide` sees each request after all before it: a credit makes room for a later debit, a refused debit leaves its money
for the next, and a key used earlier in the batch is a used key. It reads no clock, makes no random choice and does no
I/O, so the same arguments give the same outcomes and the same rows, in tests, in the simulator and in production.

Which refusal wins, for every request: the key first (duplicate, reused); then what it names (hold, original entry,
accounts: unknown, holds account, other currency, closed); then the state of the hold or original; then what remains of
it; funds last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from ledger import holds, reversals
from ledger.accounts import AccountKind
from ledger.commands import Command
from ledger.model import (
    Accrue,
    CaptureHold,
    Draw,
    Duplicate,
    Entry,
    EntryKind,
    ExpireHold,
    ExtendHold,
    InsufficientFunds,
    OpenHold,
    Outcome,
    Posted,
    ReleaseHold,
    ReusedKey,
    Reversal,
    Transfer,
    UnpostableAccount,
)
from ledger.money import EXACT, floor_split
from ledger.state import State, Tip, Writes
from ledger.working import Batch, PartyLeg, wallet_change


@dataclass(frozen=True, slots=True)
class Decision:
    """One outcome for each request, in order, the rows to write for those that were posted, and the state after them."""

    outcomes: list[Outcome]
    writes: Writes
    tip: Tip


def decide(commands: Sequence[Command], state: State, now: datetime, *, mark: int) -> Decision:
    """Decide the commands in order on the state of their organizations. Does not change its arguments.

    `mark` tells the state of the books that this leaves from any other: see `ids.new_mark`.
    """
    batch = Batch(state, now, mark)
    outcomes = [_decide_one(batch, command) for command in commands]
    return Decision(outcomes, batch.finish(), batch.tip())


def _decide_one(batch: Batch, command: Command) -> Outcome:
    request = command.request
    known = batch.key(command.scoped_key)
    if known is not None:
        if known.content_hash != command.content_hash:
            return ReusedKey()
        # A hold that was extended has no entry to tell its id, but the request names it.
        hold_id = request.hold_id if isinstance(request, ExtendHold) else known.hold_id
        return Duplicate(known.entry_id, known.entry_seq, hold_id)
    outcome = _DECIDERS[type(request)](batch, command, request)
    if isinstance(outcome, Posted):
        batch.use_key(command, outcome)
    return outcome


def _transfer(batch: Batch, command: Command, request: Transfer) -> Outcome:
    parties = batch.usable(command.org_id, command.account_ids)
    if not isinstance(parties, list):
        return parties
    debit, credit = parties
    amount = request.amount_minor
    if debit.wallet is not None and debit.wallet.available_minor < amount:
        return InsufficientFunds(debit.account_id, debit.wallet.available_minor)
    return batch.post(
        command,
        EntryKind.TRANSFER,
        ((debit, amount), (credit, -amount)),
        amount,
    )


def _entry(batch: Batch, command: Command, request: Entry) -> Outcome:
    parties = batch.usable(command.org_id, command.account_ids)
    if not isinstance(parties, list):
        return parties
    legs = [(party, leg.amount_minor) for party, leg in zip(parties, request.legs, strict=True)]
    lacking = _lacking(legs)
    if lacking is not None:
        return lacking
    debits = sum(amount for _, amount in legs if amount > 0)
    return batch.post(command, EntryKind.ENTRY, legs, debits)


def _lacking(legs: Sequence[PartyLeg]) -> InsufficientFunds | None:
    """The first wallet whose net debit is more than it has available."""
    for party, _ in legs:
        if party.wallet is None:
            continue
        net = sum(amount for other, amount in legs if other is party)
        available = party.wallet.available_minor
        if net > 0 and available < net:
            return InsufficientFunds(party.account_id, available)
    return None


def _draw(batch: Batch, command: Command, request: Draw) -> Outcome:
    parties = batch.usable(command.org_id, command.account_ids)
    if not isinstance(parties, list):
        return parties
    *sources, destination = parties
    wanted = request.amount_minor
    taken: list[int] = []
    for source in sources:
        left = wanted - sum(taken)
        if source.wallet is not None:
            left = min(left, max(source.wallet.available_minor, 0))
        taken.append(left)
    total = sum(taken)
    if total == 0 or (total < wanted and not request.partial):
        return InsufficientFunds(sources[-1].account_id, total)
    legs = [(source, part) for source, part in zip(sources, taken, strict=True) if part]
    return batch.post(
        command,
        EntryKind.DRAW,
        [*legs, (destination, -total)],
        total,
        taken_minor=tuple(taken),
    )


def _accrue(batch: Batch, command: Command, request: Accrue) -> Outcome:
    parties = batch.usable(command.org_id, command.account_ids)
    if not isinstance(parties, list):
        return parties
    party, revenue = parties
    if party.kind is not AccountKind.WALLET:
        return UnpostableAccount(party.account_id)
    if revenue.wallet is not None:
        return UnpostableAccount(revenue.account_id)
    wallet = party.live
    exact = request.exact_minor
    whole, wallet.carry = floor_split(EXACT.add(wallet.carry, exact))
    wallet.accrued_more = EXACT.add(wallet.accrued_more or _ZERO, exact)
    if whole == 0:
        change = wallet_change(wallet, wallet.available_minor, wallet.held_minor)
        return Posted(None, None, batch.recorded_at, 0, (change,))
    # A correction posts the same two accounts the other way round, so that the debit always comes first.
    legs = [(party, whole), (revenue, -whole)]
    return batch.post(command, EntryKind.ACCRUAL, legs if whole > 0 else legs[::-1], abs(whole))


_ZERO: Final = Decimal(0)

_DECIDERS: Final[dict[type, Callable[[Batch, Command, Any], Outcome]]] = {
    Transfer: _transfer,
    Entry: _entry,
    Draw: _draw,
    Accrue: _accrue,
    OpenHold: holds.open_hold,
    ExtendHold: holds.extend_hold,
    CaptureHold: holds.capture_hold,
    ReleaseHold: holds.release_hold,
    ExpireHold: holds.expire_hold,
    Reversal: reversals.reverse,
}
