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
from ledger.working import Batch, BookedLeg, KnownKey, State, Writes, wallet_change


@dataclass(frozen=True, slots=True)
class Decision:
    """One outcome for each request, in order, and the rows to write for those that were posted."""

    outcomes: list[Outcome]
    writes: Writes


def decide(commands: Sequence[Command], state: State, now: datetime) -> Decision:
    """Decide the commands in order on what was read under the lock. Does not change its arguments."""
    batch = Batch(state, now)
    outcomes = [_decide_one(batch, command) for command in commands]
    return Decision(outcomes, batch.finish())


def _decide_one(batch: Batch, command: Command) -> Outcome:
    key = (command.org_id, command.key_hash)
    known = batch.keys.get(key)
    if known is not None:
        if known.content_hash != command.content_hash:
            return ReusedKey()
        return Duplicate(known.entry_id, known.entry_seq, known.hold_id)
    request = command.request
    outcome = _DECIDERS[type(request)](batch, command, request)
    if isinstance(outcome, Posted):
        batch.keys[key] = KnownKey(
            command.content_hash, outcome.entry_id, outcome.entry_seq, outcome.hold_id
        )
        batch.writes.keys.append(
            (
                command.org_id,
                command.key_hash,
                command.content_hash,
                outcome.entry_seq,
                outcome.recorded_at,
            )
        )
    return outcome


def _transfer(batch: Batch, command: Command, request: Transfer) -> Outcome:
    accounts = batch.usable(command.org_id, command.account_ids)
    if not isinstance(accounts, list):
        return accounts
    debit, credit = accounts
    amount = request.amount_minor
    if debit.wallet_id is not None:
        available = batch.wallet_of(debit).available_minor
        if available < amount:
            return InsufficientFunds(debit.account_id, available)
    return batch.post(
        command,
        EntryKind.TRANSFER,
        ((debit, amount), (credit, -amount)),
        amount_minor=amount,
    )


def _entry(batch: Batch, command: Command, request: Entry) -> Outcome:
    accounts = batch.usable(command.org_id, command.account_ids)
    if not isinstance(accounts, list):
        return accounts
    legs = [
        (account, leg.amount_minor)
        for account, leg in zip(accounts, request.legs, strict=True)
    ]
    lacking = _lacking(batch, legs)
    if lacking is not None:
        return lacking
    debits = sum(amount for _, amount in legs if amount > 0)
    return batch.post(command, EntryKind.ENTRY, legs, amount_minor=debits)


def _lacking(batch: Batch, legs: Sequence[BookedLeg]) -> InsufficientFunds | None:
    """The first wallet whose net debit is more than it has available."""
    for account, _ in legs:
        if account.wallet_id is None:
            continue
        net = sum(amount for other, amount in legs if other is account)
        available = batch.wallet_of(account).available_minor
        if net > 0 and available < net:
            return InsufficientFunds(account.account_id, available)
    return None


def _draw(batch: Batch, command: Command, request: Draw) -> Outcome:
    accounts = batch.usable(command.org_id, command.account_ids)
    if not isinstance(accounts, list):
        return accounts
    *sources, destination = accounts
    wanted = request.amount_minor
    taken: list[int] = []
    for source in sources:
        left = wanted - sum(taken)
        if source.wallet_id is not None:
            left = min(left, max(batch.wallet_of(source).available_minor, 0))
        taken.append(left)
    total = sum(taken)
    if total == 0 or (total < wanted and not request.partial):
        return InsufficientFunds(sources[-1].account_id, total)
    legs = [(source, part) for source, part in zip(sources, taken, strict=True) if part]
    return batch.post(
        command,
        EntryKind.DRAW,
        [*legs, (destination, -total)],
        amount_minor=total,
        taken_minor=tuple(taken),
    )


def _accrue(batch: Batch, command: Command, request: Accrue) -> Outcome:
    accounts = batch.usable(command.org_id, command.account_ids)
    if not isinstance(accounts, list):
        return accounts
    account, revenue = accounts
    if account.kind is not AccountKind.WALLET:
        return UnpostableAccount(account.account_id)
    if revenue.wallet_id is not None:
        return UnpostableAccount(revenue.account_id)
    wallet = batch.wallet_of(account)
    exact = request.exact_minor
    whole, wallet.carry = floor_split(EXACT.add(wallet.carry, exact))
    wallet.accrued_exact = EXACT.add(wallet.accrued_exact, exact)
    wallet.accrued = True
    if whole == 0:
        change = wallet_change(wallet, wallet.available_minor, wallet.held_minor)
        at = batch.book(command.org_id).recorded_at
        return Posted(None, None, at, 0, (change,))
    # A correction posts the same two accounts the other way round, so that the debit always comes first.
    legs = [(account, whole), (revenue, -whole)]
    return batch.post(
        command,
        EntryKind.ACCRUAL,
        legs if whole > 0 else legs[::-1],
        amount_minor=abs(whole),
    )


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
