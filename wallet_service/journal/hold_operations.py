"""Use cases of holds: money set aside, taken in parts, given back."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import queries
from ledger.accounts import AccountKind, chart_account_id
from ledger.batcher import Ledger
from ledger.errors import LedgerError
from ledger.hold_queries import NEXT_EXPIRIES, HoldView
from ledger.journal import is_key_used
from ledger.model import CaptureHold, Duplicate, ExpireHold, ExtendHold, HoldState, OpenHold, Posted, ReleaseHold
from ledger.tables import holds
from wallet_service import names
from wallet_service.accounts import steps as accounts
from wallet_service.accounts.model import Wallet
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.due import first_times
from wallet_service.errors import invalid_field
from wallet_service.journal.refusals import awaited, post
from wallet_service.journal.rules import check_currency, ledger_key
from wallet_service.limits import steps as limits
from wallet_service.limits.guarding import SpendGuard
from wallet_service.limits.model import Standing
from wallet_service.pages import PAGE_SIZE_MAX, Page, decode_id, page_of, page_size, query_digest
from wallet_service.testclocks.steps import in_real_time

HOLD_LASTS: Final = timedelta(days=7)
HOLD_LASTS_MAX: Final = timedelta(days=366)
_EXPIRED_MAX: Final = 500

_log: Final = structlog.get_logger("wallet.holds")


class Holds:
    """Holds of an organization's open wallet."""

    def __init__(self, db: Database, ledger: Ledger, clock: Clock) -> None:
        self._db = db
        self._ledger = ledger
        self._clock = clock
        self._guard = SpendGuard(db, ledger, clock)

    async def create(
        self,
        org_id: UUID,
        *,
        amount_minor: int,
        currency: str,
        expires_at: datetime | None,
        description: str,
        key: str,
    ) -> HoldView:
        """Set money aside, for seven days unless told otherwise.

        Raises INSUFFICIENT_FUNDS, SPENDING_LIMIT_EXCEEDED, BILLING_ACCOUNT_SUSPENDED and more.
        """
        standing = await self._standing(org_id)
        wallet = standing.wallet
        check_currency(currency, wallet_currency=wallet.currency, field="currency")
        own_key = ledger_key("hold", key)
        if expires_at is not None:
            await self._check_expiry(org_id, expires_at, own_key)
        request = OpenHold(
            org_id=org_id,
            key=own_key,
            description=description,
            wallet=wallet.account_id,
            amount_minor=amount_minor,
            expires_at=expires_at or self._clock.now() + HOLD_LASTS,
            # The default expiry follows the clock; what the key stands for does not.
            fingerprint=None if expires_at is not None else _fingerprint(amount_minor, description),
        )
        made = await self._spend(request, standing, key=key, required_minor=amount_minor)
        assert made.hold_id is not None, "a hold was opened"
        return await self._hold(org_id, made.hold_id)

    async def extend(self, org_id: UUID, hold_id: UUID, *, expires_at: datetime, key: str) -> HoldView:
        """Move the expiry of an open hold. Raises HOLD_NOT_OPEN, RESOURCE_NOT_FOUND and more."""
        wallet = await self._wallet(org_id)
        own_key = ledger_key("extend", key)
        await self._check_expiry(org_id, expires_at, own_key)
        request = ExtendHold(org_id=org_id, key=own_key, hold_id=hold_id, expires_at=expires_at)
        await self._post(request, wallet, key=key, hold_id=hold_id)
        return await self._hold(org_id, hold_id)

    async def capture(
        self, org_id: UUID, hold_id: UUID, *, amount_minor: int, keep_remaining: bool, description: str, key: str
    ) -> tuple[HoldView, UUID]:
        """Take a part of a hold, or (0) all that is left, as revenue; the hold after it, and the entry.

        Raises HOLD_NOT_OPEN, EXCEEDS_REMAINING, SPENDING_LIMIT_EXCEEDED, RESOURCE_NOT_FOUND and more.
        """
        standing = await self._standing(org_id)
        wallet = standing.wallet
        request = CaptureHold(
            org_id=org_id,
            key=ledger_key("capture", key),
            description=description,
            hold_id=hold_id,
            credit_account=chart_account_id(org_id, wallet.currency, AccountKind.REVENUE),
            amount_minor=amount_minor or None,
            release_rest=not keep_remaining,
        )
        made = await self._spend(request, standing, key=key, hold_id=hold_id)
        assert made.entry_id is not None, "a capture moves money"
        return await self._hold(org_id, hold_id), made.entry_id

    async def release(self, org_id: UUID, hold_id: UUID, *, key: str) -> HoldView:
        """Give back what is left of an open hold. Raises HOLD_NOT_OPEN, RESOURCE_NOT_FOUND and more."""
        wallet = await self._wallet(org_id)
        request = ReleaseHold(org_id=org_id, key=ledger_key("release", key), hold_id=hold_id)
        await self._post(request, wallet, key=key, hold_id=hold_id)
        return await self._hold(org_id, hold_id)

    async def next_due(self, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """When the next hold of each organization expires."""
        return await self._db.read(lambda conn: first_times(conn, NEXT_EXPIRIES, org_ids))

    async def run_due(self, org_id: UUID | None) -> int:
        """Give back what is left of holds whose time is over, a bounded number at a time; how many.

        Of one organization, or with None of all that live in real time.
        A hold that cannot expire now is logged and tried again by the next run; it keeps no other hold from expiring.
        """
        now = self._clock.now()
        whose = in_real_time(holds.c.org_id) if org_id is None else holds.c.org_id == org_id
        due = await self._db.read(lambda conn: queries.due_holds(conn, now=now, limit=_EXPIRED_MAX, whose=whose))
        count = 0
        for hold in due:
            assert hold.expires_at is not None, "due holds have an expiry"
            # An extension makes another expiry, and with it another key.
            key = f"expire:{hold.hold_id}:{hold.expires_at.isoformat()}"
            try:
                outcome = await self._ledger.post(ExpireHold(org_id=hold.org_id, key=key, hold_id=hold.hold_id))
            except LedgerError as error:
                _log.error("hold_not_expired", hold=str(hold.hold_id), organization=str(hold.org_id), error=repr(error))
                continue
            count += isinstance(outcome, Posted)
        return count

    async def list(
        self, org_id: UUID, *, state: HoldState | None, size: int, token: str
    ) -> tuple[Page[HoldView], Wallet]:
        """Oldest first, and the wallet they are of. At most 999 in a page."""
        limit = min(page_size(size), PAGE_SIZE_MAX - 1)
        digest = query_digest("holds", org_id, state)
        after = decode_id(token, digest)

        async def work(conn: AsyncConnection) -> tuple[Page[HoldView], Wallet]:
            wallet = await accounts.open_wallet(conn, org_id)
            rows = await queries.list_holds(
                conn, org_id, wallet_id=wallet.account_id, state=state, after=after, limit=limit + 1
            )
            return page_of(rows, size=limit, digest=digest, key=lambda row: (str(row.hold_id),)), wallet

        return await self._db.read(work)

    async def _check_expiry(self, org_id: UUID, expires_at: datetime, own_key: str) -> None:
        """Raises INVALID_FIELD for an expiry out of bounds; not for a request that was done while it was within them."""
        now = self._clock.now()
        if now < expires_at <= now + HOLD_LASTS_MAX:
            return
        if not await self._db.read(lambda conn: is_key_used(conn, org_id, own_key)):
            raise invalid_field("expire_time", "must lie ahead, at most a year")

    async def _spend(
        self,
        request: OpenHold | CaptureHold,
        standing: Standing,
        *,
        key: str,
        hold_id: UUID | None = None,
        required_minor: int = 0,
    ) -> Posted | Duplicate:
        wallet = standing.wallet
        return await awaited(
            self._guard.post(standing, request),
            request_id=key,
            name=_name(wallet, hold_id),
            currency=wallet.currency,
            required_minor=required_minor,
        )

    async def _post(self, request: ExtendHold | ReleaseHold, wallet: Wallet, *, key: str, hold_id: UUID) -> None:
        name = _name(wallet, hold_id)
        await post(self._ledger, request, request_id=key, name=name, currency=wallet.currency)

    async def _standing(self, org_id: UUID) -> Standing:
        return await self._db.read(lambda conn: limits.standing(conn, org_id))

    async def _wallet(self, org_id: UUID) -> Wallet:
        return await self._db.read(lambda conn: accounts.open_wallet(conn, org_id))

    async def _hold(self, org_id: UUID, hold_id: UUID) -> HoldView:
        found = await self._db.read(lambda conn: queries.get_hold(conn, org_id, hold_id))
        assert found is not None, "holds are never deleted"
        return found


def _name(wallet: Wallet, hold_id: UUID | None) -> str:
    return names.wallet(wallet.org_slug) if hold_id is None else names.child("holds", wallet.org_slug, str(hold_id))


def _fingerprint(amount_minor: int, description: str) -> bytes:
    return hashlib.sha256(repr(("hold", amount_minor, description)).encode()).digest()
