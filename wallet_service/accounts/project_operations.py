"""Use cases of projects."""

import uuid

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from wallet_service import names
from wallet_service.accounts import project_store, steps
from wallet_service.accounts.model import Project
from wallet_service.audit_log.pending import note_before
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import already_exists
from wallet_service.events.model import EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.pages import Page, decode_token, page_of, page_size, query_digest
from wallet_service.requests.operations import claim


class Projects:
    """Create, get, list and rename projects of an organization."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def create(self, org_id: uuid.UUID, *, slug: str, display_name: str, request_id: str) -> Project:
        """Make a project. A repeated `request_id` answers with the project as it is now.

        Raises RESOURCE_EXISTS when the slug is taken on the platform, and IDEMPOTENCY_KEY_REUSED.
        """
        now = self._clock.now()

        async def work(conn: AsyncConnection) -> Project:
            owner = await steps.organization(conn, org_id)
            first = await claim(
                conn,
                org_id=org_id,
                method="CreateProject",
                request_id=request_id,
                content={"slug": slug, "display_name": display_name},
                resource=slug,
                now=now,
            )
            if first is not None:
                return await steps.project(conn, org_id, first)
            made = Project(
                org_id=org_id,
                org_slug=owner.slug,
                project_id=new_id(now),
                slug=slug,
                display_name=display_name or slug,
                created_at=now,
            )
            if not await project_store.insert_project(conn, made):
                raise already_exists("project", names.project(slug))
            created = NewEvent(EventType.PROJECT_CREATED, names.project(slug), {"display_name": made.display_name})
            await append(conn, org_id, [created], now=now)
            return made

        return await self._db.transact(work)

    async def get(self, org_id: uuid.UUID, slug: str) -> Project:
        """Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> Project:
            return await steps.project(conn, org_id, slug)

        return await self._db.read(work)

    async def list(self, org_id: uuid.UUID, *, size: int, token: str) -> Page[Project]:
        """By slug."""
        limit, digest = page_size(size), query_digest("projects", org_id)
        start = decode_token(token, digest, [str])

        async def work(conn: AsyncConnection) -> Page[Project]:
            rows = await project_store.list_projects(
                conn, org_id, after=str(start[0]) if start else None, limit=limit + 1
            )
            return page_of(rows, size=limit, digest=digest, key=lambda project: (project.slug,))

        return await self._db.read(work)

    async def rename(self, org_id: uuid.UUID, *, slug: str, display_name: str) -> Project:
        """Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> Project:
            found = await steps.project(conn, org_id, slug)
            note_before(names.project(slug), {"display_name": found.display_name})
            await project_store.rename_project(conn, org_id, found.project_id, display_name=display_name)
            renamed = NewEvent(EventType.PROJECT_UPDATED, names.project(slug), {"display_name": display_name})
            await append(conn, org_id, [renamed], now=self._clock.now())
            return await steps.project(conn, org_id, slug)

        return await self._db.transact(work)
