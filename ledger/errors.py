"""What the ledger raises. Business refusals are not here: they are outcomes, see `ledger.model`."""


class LedgerError(Exception):
    """Base of everything the ledger raises on purpose."""


class InvalidRequest(LedgerError, ValueError):
    """The request can never be posted, whatever the balances are: amount out of range, legs that do not sum to zero.

    `field` names the offending field.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class QueueFull(LedgerError):
    """The lane's queue is at its limit. Nothing was posted; the same key may be sent again later."""


class LedgerClosed(LedgerError):
    """The ledger is shutting down. Nothing was posted; the same key may be sent to another process."""


class LedgerUnavailable(LedgerError):
    """The database could not be reached or kept refusing. Nothing was posted; the same key may be sent again."""


class OutcomeUnknown(LedgerError):
    """The connection was lost while committing: posted or not. Sending the same key again tells which."""


class PostFailed(LedgerError):
    """The database refused this very request for a reason that is not a business outcome. Nothing was posted."""


class ConcurrentChange(LedgerError):
    """Another transaction changed what this one had read; the whole transaction may be run again."""

    sqlstate = "40001"


class BookAhead(LedgerError):
    """The clock of one of several journals is far ahead of the present. Nothing was posted; post to each journal alone."""
