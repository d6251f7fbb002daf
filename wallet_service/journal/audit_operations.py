"""The audit: every law of the ledger and of what the service recorded beside it."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import invariants
from wallet_service.accounts import steps as accounts
from wallet_service.audit_log import laws as audit_log
from wallet_service.audit_log.model import PLATFORM
from wallet_service.db import Database
from wallet_service.errors import ServiceError
from wallet_service.journal import laws, store
from wallet_service.journal.model import LawBreach, Verification


class Audit:
    """Checks laws; changes nothing."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def verify(self, org_id: UUID | None, *, bound: timedelta | None = None) -> Verification:
        """Check every law on one snapshot, of one organization or of all. `bound` limits each statement; None: no limit."""
        milliseconds = 0 if bound is None else bound // timedelta(milliseconds=1)

        async def work(conn: AsyncConnection) -> Verification:
            await conn.execute(text(f"SET LOCAL statement_timeout = {milliseconds}"))
            found = [*await invariants.check_all(conn, org_id), *await laws.check_all(conn, org_id)]
            found += await audit_log.check(conn, org_id)
            slugs = {broken.org_id: await _slug(conn, broken.org_id) for broken in found}
            organization_count, entry_count = await store.counts(conn, org_id)
            return Verification(
                violations=tuple(LawBreach(v.law, slugs[v.org_id], v.row, v.detail) for v in found),
                laws=(*invariants.LAWS, invariants.CHAIN_LAW, *laws.LAWS, audit_log.LAW),
                organization_count=organization_count,
                entry_count=entry_count,
            )

        return await self._db.read(work)


async def _slug(conn: AsyncConnection, org_id: UUID) -> str:
    if org_id == PLATFORM:
        return "platform"
    try:
        return (await accounts.organization(conn, org_id)).slug
    except ServiceError:
        # A book without an organization is itself a finding; it is named by its id.
        return str(org_id)
