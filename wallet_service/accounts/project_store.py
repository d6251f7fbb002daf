"""SQL of projects."""

import uuid
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts.model import Project
from wallet_service.accounts.tables import (
    organizations,
    project_directory,
    projects,
)


async def insert_project(conn: AsyncConnection, made: Project) -> bool:
    """False, and nothing written, when the slug is taken anywhere on the platform."""
    claimed = await conn.execute(
        insert_or_skip(project_directory)
        .values(slug=made.slug, org_id=made.org_id, project_id=made.project_id)
        .on_conflict_do_nothing()
    )
    if claimed.rowcount == 0:
        return False
    await conn.execute(
        insert(projects).values(
            org_id=made.org_id,
            project_id=made.project_id,
            slug=made.slug,
            display_name=made.display_name,
            created_at=made.created_at,
        )
    )
    return True


async def rename_project(
    conn: AsyncConnection,
    org_id: uuid.UUID,
    project_id: uuid.UUID,
    *,
    display_name: str,
) -> None:
    await conn.execute(
        update(projects)
        .where(projects.c.org_id == org_id, projects.c.project_id == project_id)
        .values(display_name=display_name)
    )


async def project(conn: AsyncConnection, org_id: uuid.UUID, slug: str) -> Project | None:
    found = await conn.execute(_PROJECTS.where(projects.c.org_id == org_id, projects.c.slug == slug))
    row = found.one_or_none()
    return None if row is None else from_row_project(row)


async def project_ids(conn: AsyncConnection, org_id: uuid.UUID, slugs: Sequence[str]) -> dict[str, uuid.UUID]:
    """Ids by slug, of those that the organization has."""
    found = await conn.execute(
        select(projects.c.slug, projects.c.project_id).where(projects.c.org_id == org_id, projects.c.slug.in_(slugs))
    )
    return {row.slug: row.project_id for row in found}


async def list_projects(
    conn: AsyncConnection, org_id: uuid.UUID, *, after: str | None, limit: int
) -> Sequence[Project]:
    """By slug, from behind `after`."""
    query = _PROJECTS.where(projects.c.org_id == org_id)
    if after is not None:
        query = query.where(projects.c.slug > after)
    found = await conn.execute(query.order_by(projects.c.slug).limit(limit))
    return [from_row_project(row) for row in found]


def from_row_project(row: Row[Any]) -> Project:
    return Project(
        org_id=row.org_id,
        org_slug=row.org_slug,
        project_id=row.project_id,
        slug=row.slug,
        display_name=row.display_name,
        created_at=row.created_at,
    )


_PROJECTS: Final = select(projects, organizations.c.slug.label("org_slug")).join_from(
    projects, organizations, organizations.c.org_id == projects.c.org_id
)
