"""Use cases of the ledger: entries of operators, holds, corrections, statements, audits.

Keys of callers carry the operation's name in front, so that one key means one thing in each operation.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import invariants, queries
from ledger.accounts import CODES, KINDS_BY_CODE, AccountKind, chart_account_id, holds_account_id
from ledger.batcher import Ledger
from ledger.hold_queries import HoldView
from ledger.journal import JournalEntry, entries_by_seq
from ledger.model import (
    CaptureHold,
    Duplicate,
    Entry,
    ExpireHold,
    ExtendHold,
    HoldState,
    Leg,
    OpenHold,
    Posted,
    ReleaseHold,
    Reversal,
    Transfer,
)
from wallet_service import names
from wallet_service.accounts import steps as accounts
from wallet_service.accounts.model import Wallet
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError, invalid_field, not_found
from wallet_service.journal import laws, store
from wallet_service.journal.model import (
    EntryView,
    LawBreach,
    StatementLineView,
    StatementView,
    Verification,
)
from wallet_service.journal.refusals import post
from wallet_service.journal.rules import (
    PURPOSE,
    EntryLeg,
    OperatorLeg,
    Purpose,
    imbalance,
    purpose_of,
    reversible_minor,
)
from wallet_service.pages import (
    PAGE_SIZE_MAX,
    Page,
    decode_id,
    decode_token,
    encode_token,
    page_of,
    page_size,
    query_digest,
)

HOLD_LASTS: Final = timedelta(days=7)
HOLD_LASTS_MAX: Final = timedelta(days=366)
_EXPIRED_MAX: Final = 500


class Journal:
    """Everything a caller may ask of the ledger."""

    def __init__(self, db: Database, ledger: Ledger, clock: Clock) -> None:
        self._db = db
        self._ledger = ledger
        self._clock = clock

    async def record(self, org_id: UUID, *, legs: Sequence[OperatorLeg], description: str, key: str) -> UUID:
        """Post an entry of several legs, all or none; its id.

        Raises ENTRY_UNBALANCED, ACCOUNT_UNKNOWN, CURRENCY_MISMATCH, INSUFFICIENT_FUNDS, ACCOUNT_CLOSED and
        IDEMPOTENCY_KEY_REUSED.
        """
        wallet = await self._wallet(org_id)
        for index, leg in enumerate(legs):
            _check_currency(leg.currency, wallet, f"postings[{index}].currency")
        if imbalance(legs):
            raise ServiceError(
                Code.INVALID_ARGUMENT,
                Reason.ENTRY_UNBALANCED,
                f"debits exceed credits by {imbalance(legs)} minor units",
                metadata={"difference_minor": str(imbalance(legs))},
            )
        request = Entry(
            org_id=org_id,
            key=f"journal:{key}",
            description=description,
            legs=tuple(_ledger_leg(leg, index, wallet) for index, leg in enumerate(legs)),
        )
        taken = sum(leg.amount_minor for leg in request.legs if leg.account_id == wallet.account_id)
        done = await self._post(request, wallet, key=key, required_minor=taken)
        assert done.entry_id is not None, "an entry moves money"
        return done.entry_id

    async def deposit(
        self, org_id: UUID, *, amount_minor: int, currency: str, description: str, key: str
    ) -> tuple[EntryView, int]:
        """Credit the wallet against ADJUSTMENTS; the entry, and the balance after it. Raises CURRENCY_MISMATCH and more."""
        wallet = await self._wallet(org_id)
        _check_currency(currency, wallet, "currency")
        request = Transfer(
            org_id=org_id,
            key=f"deposit:{key}",
            description=description or "deposit",
            metadata={PURPOSE: Purpose.DEPOSIT.value},
            debit_account=chart_account_id(org_id, wallet.currency, AccountKind.ADJUSTMENTS),
            credit_account=wallet.account_id,
            amount_minor=amount_minor,
        )
        done = await self._post(request, wallet, key=key)

        async def work(conn: AsyncConnection) -> tuple[EntryView, int]:
            balance = await queries.balance(conn, org_id, wallet.account_id)
            assert balance is not None, "the wallet was credited"
            return await _entry(conn, org_id, done.entry_id), balance.balance_minor

        return await self._db.read(work)

    async def refund(
        self, org_id: UUID, entry_id: UUID, *, amount_minor: int, description: str, key: str
    ) -> tuple[EntryView, int]:
        """Take back an entry, or (0: all that is left) a part of it; the correction, and what is left of the original.

        Raises RESOURCE_NOT_FOUND, EXCEEDS_REMAINING, ENTRY_NOT_REVERSIBLE, INSUFFICIENT_FUNDS and more.
        """
        wallet = await self._wallet(org_id)
        request = Reversal(
            org_id=org_id,
            key=f"refund:{key}",
            description=description,
            original_entry_id=entry_id,
            amount_minor=amount_minor or None,
        )
        name = names.child("journal-entries", wallet.org_slug, str(entry_id))
        done = await self._post(request, wallet, key=key, name=name, required_minor=amount_minor)

        async def work(conn: AsyncConnection) -> tuple[EntryView, int]:
            original = await _entry(conn, org_id, entry_id)
            remaining = reversible_minor(original.legs) - await store.reversed_minor(conn, org_id, entry_id)
            return await _entry(conn, org_id, done.entry_id), remaining

        return await self._db.read(work)

    async def create_hold(
        self,
        org_id: UUID,
        *,
        amount_minor: int,
        currency: str,
        expires_at: datetime | None,
        description: str,
        key: str,
    ) -> HoldView:
        """Set money aside, for seven days unless told otherwise. Raises INSUFFICIENT_FUNDS and more."""
        wallet = await self._wallet(org_id)
        _check_currency(currency, wallet, "currency")
        now = self._clock.now()
        if expires_at is not None:
            _check_expiry(expires_at, now)
        request = OpenHold(
            org_id=org_id,
            key=f"hold:{key}",
            description=description,
            wallet=wallet.account_id,
            amount_minor=amount_minor,
            expires_at=expires_at or now + HOLD_LASTS,
            # The default expiry follows the clock; what the key stands for does not.
            fingerprint=None if expires_at is not None else _digest("hold", amount_minor, description),
        )
        done = await self._post(request, wallet, key=key, required_minor=amount_minor)
        assert done.hold_id is not None, "a hold was opened"
        return await self._hold(org_id, done.hold_id)

    async def extend_hold(self, org_id: UUID, hold_id: UUID, *, expires_at: datetime, key: str) -> HoldView:
        """Move the expiry of an open hold. Raises HOLD_NOT_OPEN, RESOURCE_NOT_FOUND and more."""
        wallet = await self._wallet(org_id)
        _check_expiry(expires_at, self._clock.now())
        request = ExtendHold(org_id=org_id, key=f"extend:{key}", hold_id=hold_id, expires_at=expires_at)
        await self._post(request, wallet, key=key, name=_hold_name(wallet, hold_id))
        return await self._hold(org_id, hold_id)

    async def capture_hold(
        self, org_id: UUID, hold_id: UUID, *, amount_minor: int, keep_remaining: bool, description: str, key: str
    ) -> tuple[HoldView, UUID]:
        """Take a part of a hold, or (0) all that is left, as revenue; the hold after it, and the entry.

        Raises HOLD_NOT_OPEN, EXCEEDS_REMAINING, RESOURCE_NOT_FOUND and more.
        """
        wallet = await self._wallet(org_id)
        request = CaptureHold(
            org_id=org_id,
            key=f"capture:{key}",
            description=description,
            hold_id=hold_id,
            credit_account=chart_account_id(org_id, wallet.currency, AccountKind.REVENUE),
            amount_minor=amount_minor or None,
            release_rest=not keep_remaining,
        )
        done = await self._post(request, wallet, key=key, name=_hold_name(wallet, hold_id))
        assert done.entry_id is not None, "a capture moves money"
        return await self._hold(org_id, hold_id), done.entry_id

    async def release_hold(self, org_id: UUID, hold_id: UUID, *, key: str) -> HoldView:
        """Give back what is left of an open hold. Raises HOLD_NOT_OPEN, RESOURCE_NOT_FOUND and more."""
        wallet = await self._wallet(org_id)
        request = ReleaseHold(org_id=org_id, key=f"release:{key}", hold_id=hold_id)
        await self._post(request, wallet, key=key, name=_hold_name(wallet, hold_id))
        return await self._hold(org_id, hold_id)

    async def expire_due_holds(self) -> int:
        """Give back what is left of holds whose time is over, a bounded number at a time; how many."""
        now = self._clock.now()
        due = await self._db.read(lambda conn: queries.due_holds(conn, now=now, limit=_EXPIRED_MAX))
        count = 0
        for hold in due:
            assert hold.expires_at is not None, "due holds have an expiry"
            # An extension makes another expiry, and with it another key.
            key = f"expire:{hold.hold_id}:{hold.expires_at.isoformat()}"
            outcome = await self._ledger.post(ExpireHold(org_id=hold.org_id, key=key, hold_id=hold.hold_id))
            count += isinstance(outcome, Posted)
        return count

    async def list_holds(self, org_id: UUID, *, state: HoldState | None, size: int, token: str) -> Page[HoldView]:
        """Oldest first."""
        wallet = await self._wallet(org_id)
        limit = min(page_size(size), PAGE_SIZE_MAX - 1)
        digest = query_digest("holds", wallet.account_id, state)
        after = decode_id(token, digest)

        async def work(conn: AsyncConnection) -> Page[HoldView]:
            rows = await queries.list_holds(
                conn, org_id, wallet_id=wallet.account_id, state=state, after=after, limit=limit + 1
            )
            return page_of(rows, size=limit, digest=digest, key=lambda row: (str(row.hold_id),))

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

    async def verify(self, org_id: UUID | None, *, bound: timedelta | None = None) -> Verification:
        """Check every law on one snapshot, of one organization or of all. `bound` limits each statement; None: no limit."""
        milliseconds = 0 if bound is None else bound // timedelta(milliseconds=1)

        async def work(conn: AsyncConnection) -> Verification:
            await conn.execute(text(f"SET LOCAL statement_timeout = {milliseconds}"))
            found = [*await invariants.check_all(conn, org_id), *await laws.check_all(conn, org_id)]
            slugs = {broken.org_id: await _slug(conn, broken.org_id) for broken in found}
            organization_count, entry_count = await store.counts(conn, org_id)
            return Verification(
                violations=tuple(LawBreach(v.law, slugs[v.org_id], v.row, v.detail) for v in found),
                laws=(*invariants.LAWS, invariants.CHAIN_LAW, *laws.LAWS),
                organization_count=organization_count,
                entry_count=entry_count,
            )

        return await self._db.read(work)

    async def _post(
        self,
        request: Entry | Transfer | Reversal | OpenHold | ExtendHold | CaptureHold | ReleaseHold,
        wallet: Wallet,
        *,
        key: str,
        name: str = "",
        required_minor: int = 0,
    ) -> Posted | Duplicate:
        return await post(
            self._ledger,
            request,
            request_id=key,
            name=name or names.wallet(wallet.org_slug),
            currency=wallet.currency,
            required_minor=required_minor,
        )

    async def _wallet(self, org_id: UUID) -> Wallet:
        return await self._db.read(lambda conn: accounts.open_wallet(conn, org_id))

    async def _hold(self, org_id: UUID, hold_id: UUID) -> HoldView:
        found = await self._db.read(lambda conn: queries.get_hold(conn, org_id, hold_id))
        assert found is not None, "holds are never deleted"
        return found


async def _entry(conn: AsyncConnection, org_id: UUID, entry_id: UUID | None) -> EntryView:
    found = None if entry_id is None else await queries.get_entry(conn, org_id, entry_id)
    if found is None:
        raise not_found("journal entry", str(entry_id))
    return (await _views(conn, org_id, [found]))[0]


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


async def _slug(conn: AsyncConnection, org_id: UUID) -> str:
    try:
        return (await accounts.organization(conn, org_id)).slug
    except ServiceError:
        # A book without an organization is itself a finding; it is named by its id.
        return str(org_id)


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


def _check_currency(currency: str, wallet: Wallet, field: str) -> None:
    if currency and currency.upper() != wallet.currency:
        raise invalid_field(field, f"the wallet's currency is {wallet.currency}", reason=Reason.CURRENCY_MISMATCH)


def _check_expiry(expires_at: datetime, now: datetime) -> None:
    if not now < expires_at <= now + HOLD_LASTS_MAX:
        raise invalid_field("expire_time", "must lie ahead, at most a year")


def _digest(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def _hold_name(wallet: Wallet, hold_id: UUID) -> str:
    return names.child("holds", wallet.org_slug, str(hold_id))
