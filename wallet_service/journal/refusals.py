"""Outcomes of the ledger as refusals with published reasons."""

from collections.abc import Awaitable
from datetime import timedelta

from ledger.batcher import Ledger
from ledger.errors import (
    InvalidRequest,
    LedgerClosed,
    LedgerError,
    LedgerUnavailable,
    OutcomeUnknown,
    PostFailed,
    QueueFull,
)
from ledger.model import (
    ClosedAccount,
    CurrencyMismatch,
    Duplicate,
    ExceedsRemaining,
    HoldNotDue,
    HoldNotOpen,
    InsufficientFunds,
    NotReversible,
    Outcome,
    Posted,
    Request,
    ReusedKey,
    UnknownEntry,
    UnknownHold,
)
from wallet_service.db import is_out_of_room, no_room, unavailable
from wallet_service.errors import (
    Code,
    Reason,
    ServiceError,
    insufficient_funds,
    invalid_field,
    key_reused,
    not_found,
    overloaded,
)

_RETRY_AFTER = timedelta(seconds=1)


async def post(
    ledger: Ledger, request: Request, *, request_id: str, name: str, currency: str, required_minor: int = 0
) -> Posted | Duplicate:
    """Post `request`; refusals are raised with published reasons.

    `request_id` is the caller's key, `name` the resource it named, `required_minor` what it asked for. Raises ServiceError.
    """
    return await awaited(
        ledger.post(request), request_id=request_id, name=name, currency=currency, required_minor=required_minor
    )


async def awaited(
    posting: Awaitable[Outcome], *, request_id: str, name: str, currency: str, required_minor: int = 0
) -> Posted | Duplicate:
    """Wait for a request that is being posted; as `post`."""
    try:
        outcome = await posting
    except LedgerError as error:
        raise refusal_of(error) from error
    return accepted(outcome, request_id=request_id, name=name, currency=currency, required_minor=required_minor)


def refusal_of(error: LedgerError) -> ServiceError:
    """What the ledger raised as the caller may see it. An error of the service is raised itself."""
    match error:
        case InvalidRequest():
            return invalid_field(error.field, error.message)
        case QueueFull():
            return overloaded()
        case LedgerUnavailable() | LedgerClosed():
            return unavailable()
        case OutcomeUnknown():
            return outcome_unknown()
        case PostFailed() if is_out_of_room(error):
            return no_room(error)
        case _:
            raise error


def outcome_unknown() -> ServiceError:
    """UNAVAILABLE: the write may have taken effect; the same request with the same key tells."""
    return ServiceError(
        Code.UNAVAILABLE,
        Reason.OUTCOME_UNKNOWN,
        "whether the write took effect is not known; send the same request with the same key",
        retry_after=_RETRY_AFTER,
    )


def accepted(
    outcome: Outcome, *, request_id: str, name: str, currency: str, required_minor: int = 0
) -> Posted | Duplicate:
    """The outcome when money moved, now or before. Raises ServiceError for a refusal."""
    match outcome:
        case Posted() | Duplicate():
            return outcome
        case ReusedKey():
            raise key_reused(request_id)
        case InsufficientFunds():
            raise insufficient_funds(outcome.available_minor, required_minor, currency)
        case ClosedAccount():
            raise ServiceError(
                Code.FAILED_PRECONDITION, Reason.ACCOUNT_CLOSED, f"{name} is closed", metadata={"name": name}
            )
        case UnknownHold():
            raise not_found("hold", name)
        case UnknownEntry():
            raise not_found("journal entry", name)
        case HoldNotOpen():
            raise ServiceError(
                Code.FAILED_PRECONDITION,
                Reason.HOLD_NOT_OPEN,
                f"the hold is {outcome.state.value}",
                metadata={"state": outcome.state.value},
            )
        case ExceedsRemaining():
            raise ServiceError(
                Code.FAILED_PRECONDITION,
                Reason.EXCEEDS_REMAINING,
                f"{outcome.remaining_minor} {currency} minor units are left".replace("  ", " "),
                metadata={"remaining_minor": str(outcome.remaining_minor)},
            )
        case NotReversible():
            raise ServiceError(
                Code.FAILED_PRECONDITION,
                Reason.ENTRY_NOT_REVERSIBLE,
                "the entry only moved money between a wallet and its holds: release the hold instead",
                metadata={"name": name},
            )
        case CurrencyMismatch():
            raise ServiceError(
                Code.FAILED_PRECONDITION,
                Reason.CURRENCY_MISMATCH,
                f"the wallet's currency is {currency}",
                metadata={"currency": currency},
            )
        case HoldNotDue():
            raise AssertionError("only the expiry job expires holds, and only holds that are due")
        case _:
            raise AssertionError(f"the service named an account that it must know: {outcome}")
