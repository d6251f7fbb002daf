"""Entries of operators by the thousand, each for itself."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from ledger.batcher import Ledger
from ledger.errors import LedgerError
from ledger.model import Duplicate, Entry, Outcome, Posted
from wallet_service import names
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import Reason, ServiceError, not_found
from wallet_service.journal.operations import entry_request, taken_from
from wallet_service.journal.refusals import accepted, outcome_unknown, refusal_of
from wallet_service.journal.rules import OperatorLeg
from wallet_service.limits import steps as limits
from wallet_service.limits.guarding import SpendGuard
from wallet_service.limits.model import Standing
from wallet_service.testclocks.times import OrganizationTimes

EntryResult = Posted | Duplicate | ServiceError


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to record, of the open wallet of an organization."""

    org_slug: str
    legs: Sequence[OperatorLeg]
    description: str
    key: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """An entry as the ledger is asked for it; `index` is its place in the call."""

    index: int
    entry: NewEntry
    standing: Standing
    request: Entry


class BulkJournal:
    """Many entries of many organizations in few statements."""

    def __init__(self, db: Database, ledger: Ledger, clock: Clock, times: OrganizationTimes) -> None:
        self._db = db
        self._ledger = ledger
        self._guard = SpendGuard(db, ledger, clock)
        self._times = times

    async def record(self, entries: Sequence[NewEntry]) -> list[EntryResult]:
        """Post entries, each of them all or none, whatever becomes of the others; what became of each, in their order.

        Entries of one organization are posted in the order given, except that those whose spending limit or billing
        account has a say, and those of an organization in another time, come after the rest. A refusal is what
        `Journal.record` raises.
        """

        standings = await self._standings({entry.org_slug for entry in entries})
        elsewhen = await self._times.of_test_clocks({found.wallet.org_id for found in standings.values()})
        results: dict[int, EntryResult] = {}
        together: list[_Asked] = []
        alone: list[_Asked] = []
        for index, entry in enumerate(entries):
            try:
                asked = _ask(index, entry, standings.get(entry.org_slug))
            except ServiceError as error:
                results[index] = error
                continue
            is_plain = asked.standing.is_free and asked.request.org_id not in elsewhen
            (together if is_plain else alone).append(asked)
        outcomes = await self._ledger.post_many([asked.request for asked in together])
        for asked, outcome in zip(together, outcomes, strict=True):
            results[asked.index] = _judged(asked, outcome)
        for asked in alone:
            results[asked.index] = await self._post_alone(asked)
        return [results[index] for index in range(len(entries))]

    async def _standings(self, slugs: Set[str]) -> Mapping[str, Standing]:
        standings = await self._db.read(lambda conn: limits.standings(conn, slugs))
        return {standing.wallet.org_slug: standing for standing in standings}

    async def _post_alone(self, asked: _Asked) -> EntryResult:
        try:
            async with self._times.time_of(asked.request.org_id):
                outcome = await self._guard.post(asked.standing, asked.request)
        except LedgerError as error:
            return _judged(asked, error)
        except ServiceError as error:
            # A transaction of ours does not tell a connection that was lost while committing from one lost before.
            is_unknown = error.reason is Reason.DATABASE_UNAVAILABLE and not asked.standing.is_free
            return outcome_unknown() if is_unknown else error
        return _judged(asked, outcome)


def _ask(index: int, entry: NewEntry, standing: Standing | None) -> _Asked:
    """Raises what refuses the entry before the ledger sees it."""
    if standing is None:
        raise not_found("wallet", names.wallet(entry.org_slug))
    request = entry_request(standing.wallet, legs=entry.legs, description=entry.description, key=entry.key)
    return _Asked(index, entry, standing, request)


def _judged(asked: _Asked, outcome: Outcome | LedgerError) -> EntryResult:
    wallet = asked.standing.wallet
    try:
        if isinstance(outcome, LedgerError):
            raise refusal_of(outcome)
        return accepted(
            outcome,
            request_id=asked.entry.key,
            name=names.wallet(wallet.org_slug),
            currency=wallet.currency,
            required_minor=taken_from(wallet, asked.request),
        )
    except ServiceError as error:
        return error
