"""Use cases of organizations and billing accounts."""

import uuid
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from wallet_service import names
from wallet_service.accounts import steps, store
from wallet_service.accounts.model import (
    BillingAccount,
    BillingAccountState,
    Organization,
)
from wallet_service.accounts.project_operations import Projects
from wallet_service.accounts.rules import CURRENCY_DEFAULT, check_usage_age, currency_of
from wallet_service.accounts.wallet_operations import insert_open_wallet, wallet_event
from wallet_service.audit_log.pending import note_before
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import already_exists
from wallet_service.events.model import EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.pages import Page, decode_token, page_of, page_size, query_digest
from wallet_service.requests.operations import PLATFORM, claim
from wallet_service.testclocks import membership

DEVELOPMENT_ORGANIZATION: Final = "my-org"
DEVELOPMENT_PROJECT: Final = "my-app"


class Organizations:
    """Create, get, list and update organizations; get, list and rename their billing accounts."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def create(
        self,
        *,
        slug: str,
        display_name: str = "",
        currency: str = "",
        usage_age_max: timedelta | None = None,
        test_clock: str | None = None,
        request_id: str = "",
    ) -> Organization:
        """Make an organization with its billing account, chart of accounts and wallet, all or nothing.

        Unset: the slug as its name, USD, the service's limit, real time. A repeated `request_id` answers with the
        organization as it is now. Raises RESOURCE_EXISTS when the slug is taken, INVALID_FIELD, IDEMPOTENCY_KEY_REUSED, and
        for a test clock RESOURCE_NOT_FOUND, TEST_CLOCK_BUSY, TOO_MANY_RESOURCES.
        """
        check_usage_age(usage_age_max, "usage_age_max")
        code = currency_of(currency, default=CURRENCY_DEFAULT, field="currency")
        now = self._clock.now()
        if test_clock is not None:
            clock_id = test_clock
            now = await self._db.read(lambda conn: membership.present(conn, clock_id))
        made = Organization(
            org_id=new_id(now),
            slug=slug,
            display_name=display_name or slug,
            currency=code,
            usage_age_max=usage_age_max,
            created_at=now,
        )

        async def work(conn: AsyncConnection) -> Organization:
            first = await claim(
                conn,
                org_id=PLATFORM,
                method="CreateOrganization",
                request_id=request_id,
                content={
                    "slug": slug,
                    "display_name": display_name,
                    "currency": currency,
                    "usage_age_max": None if usage_age_max is None else usage_age_max // timedelta(seconds=1),
                    **({} if test_clock is None else {"test_clock": test_clock}),
                },
                resource=str(made.org_id),
                now=now,
            )
            if first is not None:
                return await steps.organization(conn, uuid.UUID(first))
            if not await store.claim_slug(conn, slug=slug, org_id=made.org_id):
                raise already_exists("organization", names.organization(slug))
            await _insert(conn, made, test_clock)
            return made

        return await self._db.transact(work)

    async def get(self, org_id: uuid.UUID) -> Organization:
        """Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> Organization:
            return await steps.organization(conn, org_id)

        return await self._db.read(work)

    async def list(self, org_id: uuid.UUID | None, *, size: int, token: str) -> Page[Organization]:
        """By slug: every organization, or only the given one."""
        limit, digest = page_size(size), query_digest("organizations", org_id)
        start = decode_token(token, digest, [str])

        async def work(conn: AsyncConnection) -> Page[Organization]:
            rows = await store.list_organizations(conn, org_id, after=str(start[0]) if start else None, limit=limit + 1)
            return page_of(rows, size=limit, digest=digest, key=lambda found: (found.slug,))

        return await self._db.read(work)

    async def update(
        self,
        org_id: uuid.UUID,
        *,
        display_name: str | None = None,
        usage_age_max: timedelta | None = None,
    ) -> Organization:
        """Change what is not None. Raises RESOURCE_NOT_FOUND, INVALID_FIELD."""
        check_usage_age(usage_age_max, "usage_age_max")

        async def work(conn: AsyncConnection) -> Organization:
            note_before(*_organization_facts(await steps.organization(conn, org_id)))
            await store.update_organization(conn, org_id, display_name=display_name, usage_age_max=usage_age_max)
            updated = await steps.organization(conn, org_id)
            facts = {"display_name": updated.display_name}
            changed = NewEvent(EventType.ORGANIZATION_UPDATED, names.organization(updated.slug), facts)
            await append(conn, org_id, [changed], now=self._clock.now())
            return updated

        return await self._db.transact(work)

    async def get_billing_account(self, org_id: uuid.UUID) -> BillingAccount:
        """Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> BillingAccount:
            return await steps.billing_account(conn, org_id)

        return await self._db.read(work)

    async def list_billing_accounts(self, org_id: uuid.UUID | None, *, size: int, token: str) -> Page[BillingAccount]:
        """By slug of the organization: every billing account, or only that of the given one."""
        limit, digest = page_size(size), query_digest("billing-accounts", org_id)
        start = decode_token(token, digest, [str])

        async def work(conn: AsyncConnection) -> Page[BillingAccount]:
            rows = await store.list_billing_accounts(
                conn, org_id, after=str(start[0]) if start else None, limit=limit + 1
            )
            return page_of(rows, size=limit, digest=digest, key=lambda found: (found.org_slug,))

        return await self._db.read(work)

    async def rename_billing_account(self, org_id: uuid.UUID, display_name: str) -> BillingAccount:
        """Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> BillingAccount:
            before = await steps.billing_account(conn, org_id)
            note_before(names.billing_account(before.org_slug), {"display_name": before.display_name})
            await store.rename_billing_account(conn, org_id, display_name)
            renamed = await steps.billing_account(conn, org_id)
            facts = {"display_name": renamed.display_name}
            changed = NewEvent(EventType.BILLING_ACCOUNT_UPDATED, names.billing_account(renamed.org_slug), facts)
            await append(conn, org_id, [changed], now=self._clock.now())
            return renamed

        return await self._db.transact(work)


def _organization_facts(found: Organization) -> tuple[str, dict[str, str | int | bool | None]]:
    age_max = found.usage_age_max
    seconds = None if age_max is None else age_max // timedelta(seconds=1)
    return names.organization(found.slug), {"display_name": found.display_name, "usage_age_max_seconds": seconds}


async def ensure_development(organizations: Organizations, projects: Projects) -> Organization:
    """The organization of dev mode, `my-org` with a USD wallet and the project `my-app`; any number of times."""
    made = await organizations.create(slug=DEVELOPMENT_ORGANIZATION, request_id="development")
    await projects.create(made.org_id, slug=DEVELOPMENT_PROJECT, display_name="", request_id="development")
    return made


async def _insert(conn: AsyncConnection, made: Organization, test_clock: str | None) -> None:
    """The organization, its billing account and its wallet, and the events that say so."""
    await store.insert_organization(conn, made)
    if test_clock is not None:
        await membership.join(conn, test_clock, org_id=made.org_id, made_at=made.created_at)
    account = BillingAccount(
        org_id=made.org_id,
        org_slug=made.slug,
        billing_account_id=new_id(made.created_at),
        display_name=made.display_name,
        state=BillingAccountState.ACTIVE,
        suspended_reason=None,
        created_at=made.created_at,
    )
    await store.insert_billing_account(conn, account)
    wallet = await insert_open_wallet(conn, account, currency=made.currency, display_name="", now=made.created_at)
    facts = {"display_name": made.display_name, "currency": made.currency}
    created = NewEvent(EventType.ORGANIZATION_CREATED, names.organization(made.slug), facts)
    await append(conn, made.org_id, [created, wallet_event(EventType.WALLET_CREATED, wallet)], now=made.created_at)
