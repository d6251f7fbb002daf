"""What holds do: money set aside is money posted from a wallet to the holds account beside it.

An open hold always has something remaining; it ends when nothing remains. A hold whose `expires_at` has come can no
longer be captured or extended, even before `ExpireHold` has returned its money, so that expiry does not depend on when a
job runs.
"""

from uuid import UUID

from ledger.accounts import AccountKind
from ledger.commands import Command
from ledger.model import (
    CaptureHold,
    EntryKind,
    ExceedsRemaining,
    ExpireHold,
    ExtendHold,
    HoldNotDue,
    HoldNotOpen,
    HoldState,
    InsufficientFunds,
    OpenHold,
    Outcome,
    Posted,
    ReleaseHold,
    UnknownHold,
    UnpostableAccount,
)
from ledger.state import Hold
from ledger.working import Batch, Party, Unusable


def open_hold(batch: Batch, command: Command, request: OpenHold) -> Outcome:
    """Dr wallet, Cr holds. The hold's id is the id of this entry."""
    parties = batch.usable(command.org_id, command.account_ids)
    if not isinstance(parties, list):
        return parties
    wallet = parties[0]
    if wallet.kind is not AccountKind.WALLET:
        return UnpostableAccount(wallet.account_id)
    amount = request.amount_minor
    available = wallet.live.available_minor
    if available < amount:
        return InsufficientFunds(wallet.account_id, available)
    posted = batch.post(
        command,
        EntryKind.HOLD,
        ((wallet, amount), (batch.holds_party(wallet), -amount)),
        amount,
        opens_hold=True,
    )
    assert posted.hold_id is not None
    batch.save_hold(
        Hold(
            command.org_id,
            posted.hold_id,
            wallet.account_id,
            amount,
            0,
            amount,
            HoldState.OPEN,
            request.expires_at,
            request.description,
            posted.recorded_at,
            posted.recorded_at,
        )
    )
    return posted


def extend_hold(batch: Batch, command: Command, request: ExtendHold) -> Outcome:
    """Another `expires_at`; no entry."""
    found = _find(batch, command, request.hold_id)
    if not isinstance(found, tuple):
        return found
    hold, _ = found
    now = batch.recorded_at
    if hold.expires_at is not None and hold.expires_at <= now:
        return HoldNotOpen(hold.hold_id, HoldState.EXPIRED)
    hold.expires_at = request.expires_at
    hold.updated_at = now
    batch.save_hold(hold)
    return Posted(None, None, now, 0, (), hold.hold_id)


def capture_hold(batch: Batch, command: Command, request: CaptureHold) -> Outcome:
    """Dr holds, Cr the credited account with what is captured, Cr wallet with what is released."""
    hold = batch.hold(command.org_id, request.hold_id)
    if hold is None:
        return UnknownHold(request.hold_id)
    parties = batch.usable(command.org_id, (hold.wallet_id, request.credit_account))
    if not isinstance(parties, list):
        return parties
    wallet, credit = parties
    if credit is wallet:
        return UnpostableAccount(credit.account_id)
    now = batch.recorded_at
    if hold.state is not HoldState.OPEN:
        return HoldNotOpen(hold.hold_id, hold.state)
    if hold.expires_at is not None and hold.expires_at <= now:
        return HoldNotOpen(hold.hold_id, HoldState.EXPIRED)
    remaining = hold.remaining_minor
    amount = remaining if request.amount_minor is None else request.amount_minor
    if amount > remaining:
        return ExceedsRemaining(remaining)
    released = remaining - amount if request.release_rest else 0
    legs = [(batch.holds_party(wallet), amount + released), (credit, -amount)]
    if released:
        legs.append((wallet, -released))
    posted = batch.post(command, EntryKind.CAPTURE, legs, amount, hold_id=hold.hold_id)
    hold.captured_minor += amount
    hold.remaining_minor -= amount + released
    if hold.remaining_minor == 0:
        hold.state = HoldState.CAPTURED
    hold.updated_at = posted.recorded_at
    batch.save_hold(hold)
    return posted


def release_hold(batch: Batch, command: Command, request: ReleaseHold) -> Outcome:
    """Dr holds, Cr wallet with all that remains."""
    found = _find(batch, command, request.hold_id)
    if not isinstance(found, tuple):
        return found
    hold, wallet = found
    return _return_rest(batch, command, hold, wallet, EntryKind.RELEASE, HoldState.RELEASED)


def expire_hold(batch: Batch, command: Command, request: ExpireHold) -> Outcome:
    """A release that only time allows."""
    found = _find(batch, command, request.hold_id)
    if not isinstance(found, tuple):
        return found
    hold, wallet = found
    now = batch.recorded_at
    if hold.expires_at is None or hold.expires_at > now:
        return HoldNotDue(hold.hold_id, hold.expires_at)
    return _return_rest(batch, command, hold, wallet, EntryKind.EXPIRE, HoldState.EXPIRED)


def _return_rest(
    batch: Batch,
    command: Command,
    hold: Hold,
    wallet: Party,
    kind: EntryKind,
    state: HoldState,
) -> Posted:
    remaining = hold.remaining_minor
    posted = batch.post(
        command,
        kind,
        ((batch.holds_party(wallet), remaining), (wallet, -remaining)),
        remaining,
        hold_id=hold.hold_id,
    )
    hold.remaining_minor = 0
    # A hold of which a part was captured ends as captured, however its rest went.
    hold.state = HoldState.CAPTURED if hold.captured_minor else state
    hold.updated_at = posted.recorded_at
    batch.save_hold(hold)
    return posted


def _find(batch: Batch, command: Command, hold_id: UUID) -> tuple[Hold, Party] | UnknownHold | HoldNotOpen | Unusable:
    """An open hold and its wallet."""
    hold = batch.hold(command.org_id, hold_id)
    if hold is None:
        return UnknownHold(hold_id)
    parties = batch.usable(command.org_id, (hold.wallet_id,))
    if not isinstance(parties, list):
        return parties
    if hold.state is not HoldState.OPEN:
        return HoldNotOpen(hold.hold_id, hold.state)
    return hold, parties[0]
