"""The record of the call that is being served, until the transaction that it belongs to has committed.

Whoever writes in such a call may say what was there before; events say by themselves what is there after.
"""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.audit_log import store
from wallet_service.audit_log.model import NewAuditEvent
from wallet_service.db import closing_write

Facts = Mapping[str, str | int | bool | None]

Note = tuple[str, str, Facts]
"""`before` or the type of an event, the resource name that it is about, and what was noted of it."""


class PendingRecord:
    """Written once, as the last statement of the first transaction of its call that commits.

    `make` is asked for the record when that statement is due, with what was noted in the transaction.
    """

    def __init__(self, make: Callable[[Sequence[Note]], NewAuditEvent]) -> None:
        self._make = make
        self._notes: list[Note] = []
        self._open = False
        self.is_committed = False

    def begin(self) -> None:
        """A transaction begins, or begins again: what the one before noted did not happen."""
        self._notes.clear()
        self._open = not self.is_committed

    def note(self, kind: str, subject: str, facts: Facts) -> None:
        if self._open:
            self._notes.append((kind, subject, dict(facts)))

    async def write(self, conn: AsyncConnection) -> None:
        """The last statement of a transaction, if none has committed a record before."""
        if not self.is_committed:
            await store.append(conn, self._make(self._notes))

    def committed(self) -> None:
        self._open = False
        self.is_committed = True


def note_before(subject: str, facts: Facts) -> None:
    """Say what `subject` was like before the current transaction changes it, without secrets; nothing outside of a call."""
    _note("before", subject, facts)


def note_event(kind: str, subject: str, facts: Facts) -> None:
    """Say which event the current transaction writes."""
    _note(kind, subject, facts)


def _note(kind: str, subject: str, facts: Facts) -> None:
    pending = closing_write.get()
    if isinstance(pending, PendingRecord):
        pending.note(kind, subject, facts)
