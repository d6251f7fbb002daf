"""Use cases of the journal: entries of operators, corrections, reading, statements."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import queries
from ledger.accounts import CODES, KINDS_BY_CODE, AccountKind, chart_account_id, holds_account_id
from ledger.batcher import Ledger
from ledger.errors import InvalidRequest
from ledger.journal import JournalEntry, entries_by_seq, reversed_minor
from ledger.model import Duplicate, Entry, Leg, Posted, Reversal, Transfer
from wallet_service import names
from wallet_service.accounts import steps as accounts
from wallet_service.accounts.model import Wallet
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError, invalid_field, not_found
from wallet_service.events.model import EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.journal import store
from wallet_service.journal.model import EntryView, StatementLineView, StatementView
from wallet_service.journal.refusals import accepted, awaited
from wallet_service.journal.rules import (
    PURPOSE,
    EntryLeg,
    OperatorLeg,
    Purpose,
    check_currency,
    imbalance,
    ledger_key,
    purpose_of,
    reversible_minor,
)
from wallet_service.limits import steps as limits
from wallet_service.limits.guarding import SpendGuard
from wallet_service.pages import Page, decode_token, encode_token, page_of, page_size, query_digest


class Journal:
    """Entries and statements of an organization's open wallet."""

    def __init__(self, db: Database, ledger: Ledger, clock: Clock) -> None:
        self._db = db
        self._ledger = ledger
        self._guard = SpendGuard(db, ledger, clock)

    async def record(self, org_id: UUID, *, legs: Sequence[OperatorLeg], description: str, key: str) -> UUID:
        """Post an entry of several legs, all or none; its id.

        What it takes from the wallet to revenue is a prepaid debit, which the spending limit and the state of the billing
        account may refuse. Raises ENTRY_UNBALANCED, ACCOUNT_UNKNOWN, CURRENCY_MISMATCH, INSUFFICIENT_FUNDS, ACCOUNT_CLOSED,
        SPENDING_LIMIT_EXCEEDED, BILLING_ACCOUNT_SUSPENDED, BILLING_ACCOUNT_CLOSED and IDEMPOTENCY_KEY_REUSED.
        """
        standing = await self._db.read(lambda conn: limits.standing(conn, org_id))
        wallet = standing.wallet
        request = entry_request(wallet, legs=legs, description=description, key=key)
        done = await awaited(
            self._guard.post(standing, request),
            request_id=key,
            name=names.wallet(wallet.org_slug),
            currency=wallet.currency,
            required_minor=taken_from(wallet, request),
        )
        assert done.entry_id is not None, "an entry moves money"
        return done.entry_id

    async def deposit(
        self, org_id: UUID, *, amount_minor: int, currency: str, description: str, key: str
    ) -> tuple[EntryView, int]:
        """Credit the wallet against ADJUSTMENTS; the entry, and the balance after it. Raises CURRENCY_MISMATCH and more."""
        wallet = await self._wallet(org_id)
        check_currency(currency, wallet_currency=wallet.currency, field="currency")
        request = Transfer(
            org_id=org_id,
            key=ledger_key("deposit", key),
            description=description or "deposit",
            metadata={PURPOSE: Purpose.DEPOSIT.value},
            debit_account=chart_account_id(org_id, wallet.currency, AccountKind.ADJUSTMENTS),
            credit_account=wallet.account_id,
            amount_minor=amount_minor,
        )
        done = await self._deposit(request, wallet, key=key)

        async def work(conn: AsyncConnection) -> tuple[EntryView, int]:
            balance = await queries.balance(conn, org_id, wallet.account_id)
            assert balance is not None, "the wallet was credited"
            return await _entry(conn, org_id, done.entry_id), balance.balance_minor

        return await self._db.read(work)

    async def refund(
        self, org_id: UUID, entry_id: UUID, *, amount_minor: int, description: str, key: str
    ) -> tuple[EntryView, int]:
        """Take back an entry, or (0: all that is left) a part of it; the correction, and what is left of the original.

        To take back what had given back is to spend it again, which the spending limit and the state of the billing account
        may refuse. Raises RESOURCE_NOT_FOUND, EXCEEDS_REMAINING, ENTRY_NOT_REVERSIBLE, INSUFFICIENT_FUNDS and more.
        """
        standing = await self._db.read(lambda conn: limits.standing(conn, org_id))
        wallet = standing.wallet
        _, remaining_minor = await self._db.read(lambda conn: _with_remaining(conn, org_id, entry_id))
        request = Reversal(
            org_id=org_id,
            key=ledger_key("refund", key),
            description=description,
            original_entry_id=entry_id,
            amount_minor=amount_minor or None,
        )
        name = names.child("journal-entries", wallet.org_slug, str(entry_id))
        done = await awaited(
            self._guard.post(standing, request),
            request_id=key,
            name=name,
            currency=wallet.currency,
            required_minor=amount_minor or remaining_minor,
        )

        async def work(conn: AsyncConnection) -> tuple[EntryView, int]:
            _, remaining_minor = await _with_remaining(conn, org_id, entry_id)
            return await _entry(conn, org_id, done.entry_id), remaining_minor

        return await self._db.read(work)

    async def get_entry(self, org_id: UUID, entry_id: UUID) -> EntryView:
        """One entry. Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> EntryView:
            return await _entry(conn, org_id, entry_id)

        return await self._db.read(work)

    async def list_entries(
        self,
        org_id: UUID,
        *,
        purposes: Collection[Purpose],
        start: datetime | None,
        end: datetime | None,
        size: int,
        token: str,
    ) -> Page[EntryView]:
        """Newest first; recorded in [start, end)."""
        limit = page_size(size)
        digest = query_digest("entries", org_id, sorted(purposes), start, end)
        key = decode_token(token, digest, (int,))

        async def work(conn: AsyncConnection) -> Page[EntryView]:
            sequences = await store.list_sequences(
                conn,
                org_id,
                purposes=purposes,
                start=start,
                end=end,
                before=None if key is None else int(key[0]),
                limit=limit + 1,
            )
            found = await entries_by_seq(conn, org_id, sequences)
            views = await _views(conn, org_id, [found[sequence] for sequence in sequences])
            return page_of(views, size=limit, digest=digest, key=lambda view: (view.sequence,))

        return await self._db.read(work)

    async def statement(self, org_id: UUID, *, start: datetime, end: datetime, size: int, token: str) -> StatementView:
        """Movements recorded in [start, end), oldest first: opening + movements = closing."""
        wallet = await self._wallet(org_id)
        digest = query_digest("statement", wallet.account_id, start, end)
        key = decode_token(token, digest, (int,))

        async def work(conn: AsyncConnection) -> StatementView:
            page = await queries.statement(
                conn,
                org_id,
                wallet.account_id,
                start=start,
                end=end,
                after_seq=None if key is None else int(key[0]),
                limit=page_size(size),
            )
            assert page is not None, "the wallet has a ledger account"
            both = (wallet.account_id, holds_account_id(wallet.account_id))
            totals = await store.totals(conn, org_id, both, start=start, end=end)
            following = page.next_after_seq
            return StatementView(
                currency=page.currency,
                opening_minor=page.opening_minor,
                closing_minor=page.closing_minor,
                totals=totals,
                lines=tuple(_line(line) for line in page.lines),
                next_page_token="" if following is None else encode_token((following,), digest),
            )

        return await self._db.read(work)

    async def _deposit(self, request: Transfer, wallet: Wallet, *, key: str) -> Posted | Duplicate:
        """Post in a transaction of its own, with the event of it; a repetition makes none."""
        name = names.wallet(wallet.org_slug)

        async def work(conn: AsyncConnection) -> Posted | Duplicate:
            (outcome,) = await self._ledger.post_in(conn, [request])
            done = accepted(outcome, request_id=key, name=name, currency=wallet.currency)
            if isinstance(done, Posted):
                entry = names.child("journal-entries", wallet.org_slug, str(done.entry_id))
                facts = {"journal_entry": entry, "amount_minor": done.amount_minor, "currency": wallet.currency}
                recorded = NewEvent(EventType.DEPOSIT_RECORDED, name, facts)
                await append(conn, request.org_id, [recorded], now=done.recorded_at)
            return done

        try:
            return await self._db.transact(work)
        except InvalidRequest as error:
            raise invalid_field(error.field, error.message) from error

    async def _wallet(self, org_id: UUID) -> Wallet:
        return await self._db.read(lambda conn: accounts.open_wallet(conn, org_id))


async def _entry(conn: AsyncConnection, org_id: UUID, entry_id: UUID | None) -> EntryView:
    found = None if entry_id is None else await queries.get_entry(conn, org_id, entry_id)
    if found is None:
        owner = await accounts.organization(conn, org_id)
        raise not_found("journal entry", names.child("journal-entries", owner.slug, str(entry_id)))
    return (await _views(conn, org_id, [found]))[0]


async def _with_remaining(conn: AsyncConnection, org_id: UUID, entry_id: UUID) -> tuple[EntryView, int]:
    """An entry, and how much of it can still be taken back."""
    original = await _entry(conn, org_id, entry_id)
    return original, reversible_minor(original.legs) - await reversed_minor(conn, org_id, entry_id)


async def _views(conn: AsyncConnection, org_id: UUID, entries: Sequence[JournalEntry]) -> list[EntryView]:
    ids = {leg.account_id for entry in entries for leg in entry.legs}
    kinds = await store.account_kinds(conn, org_id, ids)
    codes = {account_id: CODES[AccountKind(kind)] for account_id, kind in kinds.items()}
    return [_view(entry, codes) for entry in entries]


def _view(entry: JournalEntry, codes: Mapping[UUID, str]) -> EntryView:
    return EntryView(
        entry_id=entry.entry_id,
        sequence=entry.entry_seq,
        purpose=purpose_of(entry.kind, entry.metadata),
        currency=entry.currency,
        description=entry.description,
        legs=tuple(EntryLeg(codes[leg.account_id], abs(leg.amount_minor), leg.amount_minor > 0) for leg in entry.legs),
        effective_at=entry.effective_at,
        recorded_at=entry.recorded_at,
        reversed_entry_id=entry.reverses_entry_id,
        metadata={key: value for key, value in entry.metadata.items() if key != PURPOSE},
        hash=entry.hash,
    )


def _line(line: queries.StatementLine) -> StatementLineView:
    entry = line.entry
    return StatementLineView(
        entry_id=entry.entry_id,
        purpose=purpose_of(entry.kind, entry.metadata),
        description=entry.description,
        amount_minor=line.amount_minor,
        balance_minor=line.balance_minor,
        recorded_at=entry.recorded_at,
    )


def entry_request(wallet: Wallet, *, legs: Sequence[OperatorLeg], description: str, key: str) -> Entry:
    """What an operator's entry asks of the ledger. Raises CURRENCY_MISMATCH, ENTRY_UNBALANCED and ACCOUNT_UNKNOWN."""
    for index, leg in enumerate(legs):
        check_currency(leg.currency, wallet_currency=wallet.currency, field=f"postings[{index}].currency")
    if difference := imbalance(legs):
        raise ServiceError(
            Code.INVALID_ARGUMENT,
            Reason.ENTRY_UNBALANCED,
            f"debits exceed credits by {difference} minor units",
            metadata={"difference_minor": str(difference)},
        )
    return Entry(
        org_id=wallet.org_id,
        key=ledger_key("journal", key),
        description=description,
        legs=tuple([_ledger_leg(leg, index, wallet) for index, leg in enumerate(legs)]),
    )


def taken_from(wallet: Wallet, request: Entry) -> int:
    """What an entry takes from the wallet, in minor units; below 0 for what it gives."""
    return sum(leg.amount_minor for leg in request.legs if leg.account_id == wallet.account_id)


def _ledger_leg(leg: OperatorLeg, index: int, wallet: Wallet) -> Leg:
    kind = KINDS_BY_CODE.get(leg.account_code)
    if kind is None or kind is AccountKind.HOLDS:
        raise invalid_field(
            f"postings[{index}].account_code", "is no account that entries may name", reason=Reason.ACCOUNT_UNKNOWN
        )
    account = (
        wallet.account_id if kind is AccountKind.WALLET else chart_account_id(wallet.org_id, wallet.currency, kind)
    )
    return Leg(account, leg.amount_minor if leg.is_debit else -leg.amount_minor)
